// SPDX-License-Identifier: MIT
#include <algorithm>
#include <array>
#include <csetjmp>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>

#include "decode/formats/formats.h"
#include "decode/formats/jpeg/own/own_decoder.h"

// jpeglib.h needs FILE and size_t declared before it.
#include <jerror.h>
#include <jpeglib.h>

// libjpeg reports errors by calling error_exit, which must not return. Here it longjmps to RunGuarded;
// between the two lie only libjpeg's frames and the step functions below, none of which owns anything with a
// destructor.
namespace photovec::decode {
namespace {

constexpr int kRowsPerCall = 16;  // libjpeg returns at most one row group per call: 16 rows at 4:2:0

enum class Trouble { kNone, kTruncated, kCorrupt, kUnsupported, kLimit };

/// All state of one decode. Plain data: steps may be left by longjmp at any point.
struct Session {
  jpeg_decompress_struct cinfo;
  jpeg_error_mgr errors;
  jpeg_source_mgr source;
  jpeg_progress_mgr progress;
  std::jmp_buf escape;
  Trouble trouble;
  char message[JMSG_LENGTH_MAX];
  int max_scans;
  int rows_wanted;
  JDIMENSION first_column;  ///< of the output that libjpeg produces; moved left to a block border by CropStep
  JDIMENSION columns;
  uint8_t* pixels;     ///< where the first wanted pixel of row 0 goes
  size_t stride;       ///< bytes from one row of pixels to the next
  uint8_t* cmyk_rows;  ///< kRowsPerCall rows of 4 bytes a pixel; null for RGB output
};

Session* SessionOf(j_common_ptr cinfo) { return static_cast<Session*>(cinfo->client_data); }
Session* SessionOf(j_decompress_ptr cinfo) { return static_cast<Session*>(cinfo->client_data); }

[[noreturn]] void Fail(Session* session, Trouble trouble) {
  session->trouble = trouble;
  std::longjmp(session->escape, 1);
}

Trouble Classify(int code) {
  switch (code) {
    case JERR_OUT_OF_MEMORY:
    case JERR_NO_BACKING_STORE:
    case JERR_WIDTH_OVERFLOW:
      return Trouble::kLimit;
    case JERR_ARITH_NOTIMPL:
    case JERR_BAD_PRECISION:
    case JERR_CCIR601_NOTIMPL:
    case JERR_CONVERSION_NOTIMPL:
    case JERR_FRACT_SAMPLE_NOTIMPL:
    case JERR_NOTIMPL:
    case JERR_NOT_COMPILED:
    case JERR_SOF_UNSUPPORTED:
      return Trouble::kUnsupported;
    case JERR_INPUT_EOF:
    case JERR_INPUT_EMPTY:
      return Trouble::kTruncated;
    default:
      return Trouble::kCorrupt;
  }
}

void OnError(j_common_ptr cinfo) {
  Session* session = SessionOf(cinfo);
  cinfo->err->format_message(cinfo, session->message);
  Fail(session, Classify(cinfo->err->msg_code));
}

/// Warnings that cameras and editors cause and every viewer passes: stray bytes before a marker, odd Adobe or
/// JFIF numbers, odd scan parameters. After any other one libjpeg goes on with invented (grey) pixels.
bool IsHarmless(int code) {
  switch (code) {
    case JWRN_ADOBE_XFORM:
    case JWRN_BOGUS_ICC:
    case JWRN_BOGUS_PROGRESSION:
    case JWRN_EXTRANEOUS_DATA:
    case JWRN_JFIF_MAJOR:
    case JWRN_NOT_SEQUENTIAL:
      return true;
    default:
      return false;
  }
}

void OnMessage(j_common_ptr cinfo, int level) {
  if (level >= 0 || IsHarmless(cinfo->err->msg_code)) return;
  Session* session = SessionOf(cinfo);
  cinfo->err->format_message(cinfo, session->message);
  Fail(session, Trouble::kCorrupt);
}

void Silent(j_common_ptr /*cinfo*/) {}
void NoOp(j_decompress_ptr /*cinfo*/) {}

boolean OnInputEnd(j_decompress_ptr cinfo) { Fail(SessionOf(cinfo), Trouble::kTruncated); }

void OnSkip(j_decompress_ptr cinfo, long count) {
  if (count <= 0) return;
  if (static_cast<size_t>(count) > cinfo->src->bytes_in_buffer) Fail(SessionOf(cinfo), Trouble::kTruncated);
  cinfo->src->next_input_byte += count;
  cinfo->src->bytes_in_buffer -= static_cast<size_t>(count);
}

/// Called by libjpeg while it reads the scans of a multi-scan file. The probe has counted them already; this
/// holds even where the two would disagree.
void OnProgress(j_common_ptr cinfo) {
  Session* session = SessionOf(cinfo);
  const auto* decompress = reinterpret_cast<const jpeg_decompress_struct*>(cinfo);
  if (decompress->input_scan_number <= session->max_scans) return;
  std::snprintf(session->message, sizeof(session->message), "more than %d scans: --max-jpeg-scans", session->max_scans);
  Fail(session, Trouble::kLimit);
}

/// \return whether `step` came to its end.
bool RunGuarded(Session* session, void (*step)(Session*)) {
  if (setjmp(session->escape) != 0) return false;
  step(session);
  return true;
}

void CreateStep(Session* session) {
  jpeg_create_decompress(&session->cinfo);
  session->cinfo.client_data = session;  // jpeg_create_decompress keeps it, but only since 6b
  session->cinfo.src = &session->source;
  session->cinfo.progress = &session->progress;
}

void HeaderStep(Session* session) { jpeg_read_header(&session->cinfo, TRUE); }
void StartStep(Session* session) { jpeg_start_decompress(&session->cinfo); }
void CropStep(Session* session) {
  jpeg_crop_scanline(&session->cinfo, &session->first_column, &session->columns);
}

/// As Pillow: always taken as Adobe's inverted inks ("CMYK;I"), then its cmyk2rgb with MULDIV255.
void CmykRowToRgb(const uint8_t* in, int width, uint8_t* out) {
  for (int x = 0; x < width; ++x, in += 4, out += 3) {
    const int white = in[3];  // 255 - K, and the file holds 255 - K
    for (int c = 0; c < 3; ++c) {
      const int product = (255 - in[c]) * white + 128;
      out[c] = static_cast<uint8_t>(white - ((product >> 8) + product) / 256);
    }
  }
}

void RowsStep(Session* session) {
  jpeg_decompress_struct& cinfo = session->cinfo;
  const size_t width = cinfo.output_width;  // that of the crop, if there was one
  JSAMPROW rows[kRowsPerCall];
  while (cinfo.output_scanline < static_cast<JDIMENSION>(session->rows_wanted)) {
    const JDIMENSION first = cinfo.output_scanline;
    const JDIMENSION count = std::min<JDIMENSION>(kRowsPerCall, cinfo.output_height - first);
    for (JDIMENSION i = 0; i < count; ++i) {
      rows[i] = session->cmyk_rows != nullptr ? session->cmyk_rows + i * width * 4
                                              : session->pixels + (first + i) * session->stride;
    }
    const JDIMENSION got = jpeg_read_scanlines(&cinfo, rows, count);
    if (session->cmyk_rows == nullptr) continue;
    for (JDIMENSION i = 0; i < got; ++i) {
      CmykRowToRgb(rows[i], static_cast<int>(width), session->pixels + (first + i) * session->stride);
    }
  }
}

/// Reads the rest of the file up to its end marker.
void FinishStep(Session* session) { jpeg_finish_decompress(&session->cinfo); }

/// Row 0 of the full-size image when nothing has come out yet. Multi-scan files are read whole before the
/// first row, so their place is the row of blocks in the input.
int FailedRow(const jpeg_decompress_struct& cinfo) {
  const int height = static_cast<int>(cinfo.image_height);
  if (cinfo.output_height == 0) return 0;
  if (cinfo.output_scanline == 0 && cinfo.input_iMCU_row > 0) {
    return std::min(height, static_cast<int>(cinfo.input_iMCU_row) * cinfo.max_v_samp_factor * DCTSIZE);
  }
  return static_cast<int>(static_cast<int64_t>(cinfo.output_scanline) * height / cinfo.output_height);
}

Status FailureStatus(const Session& session) {
  const jpeg_decompress_struct& cinfo = session.cinfo;
  const std::string place =
      " at row " + std::to_string(FailedRow(cinfo)) + " of " + std::to_string(cinfo.image_height) +
      (cinfo.input_scan_number > 1 ? ", scan " + std::to_string(cinfo.input_scan_number) : "");
  const std::string detail = session.message;
  switch (session.trouble) {
    case Trouble::kTruncated:
      return {Code::kImageCorrupt, "the JPEG is truncated: its data ends" + place};
    case Trouble::kUnsupported:
      return {Code::kUnsupportedFormat, "this kind of JPEG is not supported (" + detail + ")"};
    case Trouble::kLimit:
      return {Code::kDecodeLimit, "the JPEG is over a decoder limit (" + detail + ")"};
    case Trouble::kCorrupt:
    case Trouble::kNone:
      break;
  }
  return {Code::kImageCorrupt, "the JPEG's data is corrupt" + place + " (" + detail + ")"};
}

void Prepare(Session* session, std::span<const uint8_t> encoded, int max_scans) {
  std::memset(session, 0, sizeof(*session));
  session->cinfo.err = jpeg_std_error(&session->errors);
  session->cinfo.client_data = session;
  session->errors.error_exit = OnError;
  session->errors.emit_message = OnMessage;
  session->errors.output_message = Silent;
  session->source.next_input_byte = encoded.data();
  session->source.bytes_in_buffer = encoded.size();
  session->source.init_source = NoOp;
  session->source.fill_input_buffer = OnInputEnd;
  session->source.skip_input_data = OnSkip;
  session->source.resync_to_restart = jpeg_resync_to_restart;
  session->source.term_source = NoOp;
  session->progress.progress_monitor = OnProgress;
  session->max_scans = max_scans;
}

/// Owns the session from creation on, so that libjpeg's memory is given back on every path.
class SessionOwner {
 public:
  SessionOwner(std::span<const uint8_t> encoded, int max_scans) { Prepare(&session, encoded, max_scans); }
  ~SessionOwner() { jpeg_destroy_decompress(&session.cinfo); }
  SessionOwner(const SessionOwner&) = delete;
  SessionOwner& operator=(const SessionOwner&) = delete;
  Session session;
};

void ChooseOutput(jpeg_decompress_struct* cinfo, int scale_denominator, int64_t max_coefficient_bytes) {
  cinfo->out_color_space = cinfo->num_components == 4 ? JCS_CMYK : JCS_RGB;  // grey becomes RGB in libjpeg
  cinfo->scale_num = 1;
  cinfo->scale_denom = static_cast<unsigned>(scale_denominator);
  cinfo->dct_method = JDCT_ISLOW;  // with fancy upsampling, what Pillow uses
  cinfo->mem->max_memory_to_use = static_cast<long>(std::max<int64_t>(max_coefficient_bytes, 1 << 20));
}

/// Whether it pays to leave columns at the sides out (3 to 10% of a landscape photo), and which then to
/// produce.
bool ChooseColumns(const PixelWindow& window, Session* session) {
  constexpr int kEdge = 8;  // upsampling sees other neighbours at the borders of a crop
  const int width = static_cast<int>(session->cinfo.output_width);
  const int first = std::max(0, window.first_column - kEdge);
  const int end = std::min(width, std::min(window.end_column, width) + kEdge);
  if (end <= first || (end - first) * 16 > width * 15) return false;
  session->first_column = static_cast<JDIMENSION>(first);
  session->columns = static_cast<JDIMENSION>(end - first);
  return true;
}

/// When rows were left unread: entropy-coded data never contains an end marker, so its presence proves that
/// the file was not cut. libjpeg may have met it already while it filled its bit buffer.
bool EndMarkerFollows(const jpeg_decompress_struct& cinfo) {
  if (cinfo.unread_marker == JPEG_EOI) return true;
  const uint8_t* at = cinfo.src->next_input_byte;
  const uint8_t* end = at + cinfo.src->bytes_in_buffer;
  while (at < end) {
    at = static_cast<const uint8_t*>(std::memchr(at, 0xFF, static_cast<size_t>(end - at)));
    if (at == nullptr || at + 1 >= end) return false;
    if (at[1] == JPEG_EOI) return true;
    ++at;
  }
  return false;
}

Status DecodeWithLibjpeg(const PixelRequest& request, CodecScratch* scratch, RgbImage* out) {
  SessionOwner owner(request.encoded, request.limits.max_jpeg_scans);
  Session& session = owner.session;
  jpeg_decompress_struct& cinfo = session.cinfo;
  if (!RunGuarded(&session, CreateStep) || !RunGuarded(&session, HeaderStep)) return FailureStatus(session);
  if (static_cast<int>(cinfo.image_width) != request.header->width ||
      static_cast<int>(cinfo.image_height) != request.header->height ||
      cinfo.num_components != request.header->jpeg.components) {
    return {Code::kImageCorrupt, "the JPEG has contradicting frame headers"};
  }
  const int64_t out_bytes = static_cast<int64_t>(cinfo.image_width) * cinfo.image_height * 3 /
                            (request.scale_denominator * request.scale_denominator);
  ChooseOutput(&cinfo, request.scale_denominator, request.limits.max_decoder_bytes - out_bytes);
  if (!RunGuarded(&session, StartStep)) return FailureStatus(session);

  out->Reset(static_cast<int>(cinfo.output_width), static_cast<int>(cinfo.output_height));
  session.rows_wanted = std::min(out->height(), request.window.end_row);
  if (ChooseColumns(request.window, &session) && !RunGuarded(&session, CropStep))
    return FailureStatus(session);
  session.pixels = out->data() + size_t{3} * session.first_column;
  session.stride = out->stride();
  if (cinfo.out_color_space == JCS_CMYK) {
    session.cmyk_rows = scratch->Reserve(size_t{4} * kRowsPerCall * cinfo.output_width);
  }
  if (!RunGuarded(&session, RowsStep)) return FailureStatus(session);
  if (session.rows_wanted == out->height()) {
    return RunGuarded(&session, FinishStep) ? Status::Ok() : FailureStatus(session);
  }
  // A multi-scan file has been read to its end marker already.
  if (jpeg_has_multiple_scans(&cinfo) != FALSE || EndMarkerFollows(cinfo)) return Status::Ok();
  session.trouble = Trouble::kTruncated;
  return FailureStatus(session);
}

}  // namespace

Status DecodeJpeg(const PixelRequest& request, CodecScratch* scratch, RgbImage* out) {
  scratch->by_own_decoder = false;
  if (request.jpeg_decoder == JpegChoice::kAuto && jpeg::OwnDecoder::SupportedHere()) {
    if (scratch->jpeg == nullptr) scratch->jpeg = std::make_shared<jpeg::OwnDecoder>();
    scratch->by_own_decoder = scratch->jpeg->Decode(request, scratch, out);
    if (scratch->by_own_decoder) return Status::Ok();
  }
  return DecodeWithLibjpeg(request, scratch, out);
}

Status DecodeJpegPlain(std::span<const uint8_t> encoded, RgbImage* out) {
  SessionOwner owner(encoded, 1 << 20);
  Session& session = owner.session;
  session.errors.emit_message = [](j_common_ptr, int) {};
  if (!RunGuarded(&session, CreateStep) || !RunGuarded(&session, HeaderStep)) return FailureStatus(session);
  session.cinfo.out_color_space = JCS_RGB;
  if (!RunGuarded(&session, StartStep)) return FailureStatus(session);
  out->Reset(static_cast<int>(session.cinfo.output_width), static_cast<int>(session.cinfo.output_height));
  session.pixels = out->data();
  session.stride = out->stride();
  session.rows_wanted = out->height();
  if (!RunGuarded(&session, RowsStep) || !RunGuarded(&session, FinishStep)) return FailureStatus(session);
  return Status::Ok();
}

}  // namespace photovec::decode
