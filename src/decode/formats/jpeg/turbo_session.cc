// SPDX-License-Identifier: MIT
#include "decode/formats/jpeg/turbo_session.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

namespace photovec::decode::jpeg {

int McuRows(const jpeg_decompress_struct& cinfo) {
  const auto height = static_cast<int>(cinfo.max_v_samp_factor) * DCTSIZE;
  return (static_cast<int>(cinfo.image_height) + height - 1) / height;
}

namespace {

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
  if (!session->rows_done) cinfo->err->format_message(cinfo, session->message);
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

void OnRestart(Session* session) {
  const jpeg_decompress_struct& cinfo = session->cinfo;
  const int in_mcu_row = cinfo.comps_in_scan == 1 ? cinfo.cur_comp_info[0]->v_samp_factor : 1;
  const bool in_row =
      cinfo.restart_interval % (cinfo.MCUs_per_row * static_cast<JDIMENSION>(in_mcu_row)) != 0;
  if (std::exchange(session->leftover, false)) {
    session->damage.Begin(cinfo.input_scan_number, session->segment_row, McuRows(cinfo));
  }
  session->segment_row = static_cast<int>(cinfo.input_iMCU_row);
  session->damage.End(cinfo.input_scan_number, session->segment_row, in_row, McuRows(cinfo));
}

void NoteFirst(Session* session) {
  session->odd = true;
  if (session->damage.any || session->unplaced) return;
  session->truncated = session->input_ended;
  session->errors.format_message(reinterpret_cast<j_common_ptr>(&session->cinfo), session->message);
}

/// libjpeg goes on with what it has, or with zeros.
void OnDamage(Session* session) {
  jpeg_decompress_struct& cinfo = session->cinfo;
  NoteFirst(session);
  session->leftover = false;  // what was left over belongs to a segment whose marker is lost
  const bool adds_only = session->many_scans && (cinfo.Ss > 0 || cinfo.Ah > 0);
  if (adds_only && session->input_ended) {
    session->unplaced = true;  // a little less sharp
    return;
  }
  const auto row = static_cast<int>(cinfo.input_iMCU_row);
  session->damage.Begin(cinfo.input_scan_number, row, McuRows(cinfo));
  // All that follows is grey: not worth the time if it is most of the photo.
  const int sound = row * cinfo.max_v_samp_factor * DCTSIZE;
  if (session->input_ended && !session->many_scans && sound * 2 < static_cast<int>(cinfo.image_height))
    Fail(session, Trouble::kTruncated);
}

bool IsPadding(uint8_t byte) { return byte == 0x00 || byte == 0xFF; }

/// Codes were left over in front of a marker: a decoder that lost its way among wrong bits, and found none
/// that does not exist, says no more than that. Padding, and what some cameras append in place of an end
/// marker, begin with padding, or no marker of a scan follows them.
void OnLeftover(Session* session) {
  session->odd = true;
  const jpeg_decompress_struct& cinfo = session->cinfo;
  const int marker = cinfo.err->msg_parm.i[1];
  const bool restart = marker >= JPEG_RST0 && marker <= JPEG_RST0 + 7;
  const bool next_scan = marker == 0xDA || marker == 0xC4;
  if (cinfo.input_scan_number < 1 || session->input_ended) return;
  if (marker != JPEG_EOI && (session->rows_done || !(restart || next_scan))) return;
  const uint8_t* end = session->source.next_input_byte;
  const uint8_t* begin = end - std::min<ptrdiff_t>(cinfo.err->msg_parm.i[0], end - session->input_begin);
  if (!restart && std::all_of(begin, begin + std::min<ptrdiff_t>(2, end - begin), IsPadding)) return;
  NoteFirst(session);
  if (restart) {
    session->leftover = true;
  } else if (cinfo.restart_interval == 0) {
    session->unplaced = true;
  } else {
    session->damage.Begin(cinfo.input_scan_number, session->segment_row, McuRows(cinfo));
  }
}

void OnMessage(j_common_ptr cinfo, int level) {
  Session* session = SessionOf(cinfo);
  const int code = cinfo->err->msg_code;
  if (code == JWRN_EXTRANEOUS_DATA) OnLeftover(session);
  if (session->rows_done) return;
  if (code == JTRC_RST) OnRestart(session);
  if (level < 0 && !IsHarmless(code)) OnDamage(session);
}

void Silent(j_common_ptr /*cinfo*/) {}
void NoOp(j_decompress_ptr /*cinfo*/) {}

void Provide(Session* session, const uint8_t* at) {
  const auto rest = static_cast<size_t>(session->input_end - at);
  session->source.next_input_byte = at;
  session->source.bytes_in_buffer = std::min(rest, session->input_step);
  session->input_next = at + session->source.bytes_in_buffer;
}

/// Behind the last byte comes an end marker, as often as it is asked for.
boolean OnInputEnd(j_decompress_ptr cinfo) {
  static constexpr uint8_t kEndMarker[] = {0xFF, JPEG_EOI};
  Session* session = SessionOf(cinfo);
  if (session->input_next < session->input_end) {  // libjpeg's own pointer may be old
    Provide(session, session->input_next);
    return TRUE;
  }
  if (session->in_header) Fail(session, Trouble::kTruncated);
  // An arithmetic decoder goes on with zeros, and says nothing: whether the last row needed them nobody
  // knows.
  const bool in_rows = !session->rows_done && static_cast<int>(cinfo->input_iMCU_row) < McuRows(*cinfo);
  if (!std::exchange(session->input_ended, true) && cinfo->arith_code != FALSE && in_rows) OnDamage(session);
  cinfo->src->next_input_byte = kEndMarker;
  cinfo->src->bytes_in_buffer = sizeof(kEndMarker);
  return TRUE;
}

void OnSkip(j_decompress_ptr cinfo, long count) {
  Session* session = SessionOf(cinfo);
  if (count <= 0) return;
  const uint8_t* at = cinfo->src->next_input_byte;
  if (session->input_ended || count > session->input_end - at) Fail(session, Trouble::kTruncated);
  Provide(session, at + count);
}

/// Called by libjpeg while it reads the scans of a multi-scan file. The probe has counted them already; this
/// holds even where the two would disagree.
void OnProgress(j_common_ptr cinfo) {
  Session* session = SessionOf(cinfo);
  const auto* decompress = reinterpret_cast<const jpeg_decompress_struct*>(cinfo);
  if (decompress->input_scan_number <= session->max_scans) return;
  std::snprintf(session->message, sizeof(session->message), "more than %d scans: --max-jpeg-scans",
                session->max_scans);
  Fail(session, Trouble::kLimit);
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

}  // namespace

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

void HeaderStep(Session* session) {
  session->in_header = true;
  jpeg_read_header(&session->cinfo, TRUE);
  session->in_header = false;
  session->many_scans = jpeg_has_multiple_scans(&session->cinfo) != FALSE;
}
void StartStep(Session* session) { jpeg_start_decompress(&session->cinfo); }
void CropStep(Session* session) {
  jpeg_crop_scanline(&session->cinfo, &session->first_column, &session->columns);
}

void RowsStep(Session* session) {
  jpeg_decompress_struct& cinfo = session->cinfo;
  const size_t width = cinfo.output_width;  // that of the crop, if there was one
  JSAMPROW rows[kRowsPerCall];
  while (cinfo.output_scanline < cinfo.output_height) {
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

void FinishStep(Session* session) {
  session->rows_done = true;
  jpeg_finish_decompress(&session->cinfo);
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

void PrepareSession(Session* session, std::span<const uint8_t> encoded, size_t input_step, int max_scans) {
  std::memset(session, 0, sizeof(*session));
  session->cinfo.err = jpeg_std_error(&session->errors);
  session->cinfo.client_data = session;
  session->errors.error_exit = OnError;
  session->errors.emit_message = OnMessage;
  session->errors.output_message = Silent;
  session->input_begin = encoded.data();
  session->input_end = encoded.data() + encoded.size();
  session->input_step = input_step;
  Provide(session, encoded.data());
  session->source.init_source = NoOp;
  session->source.fill_input_buffer = OnInputEnd;
  session->source.skip_input_data = OnSkip;
  session->source.resync_to_restart = jpeg_resync_to_restart;
  session->source.term_source = NoOp;
  session->progress.progress_monitor = OnProgress;
  session->max_scans = max_scans;
}

}  // namespace photovec::decode::jpeg
