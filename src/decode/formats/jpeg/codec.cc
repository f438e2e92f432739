// SPDX-License-Identifier: MIT
#include <algorithm>
#include <memory>
#include <string>

#include "decode/formats/formats.h"
#include "decode/formats/jpeg/own/own_decoder.h"
#include "decode/formats/jpeg/turbo_session.h"

namespace photovec::decode {
namespace {

using namespace jpeg;  // NOLINT(google-build-using-namespace): the whole file is about it

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

/// What a decode says of a photo that came out in full.
struct Findings {
  bool odd = false;
  bool damaged = false;
  int sound_rows = 0;  ///< of pixels, when damaged
  Status error;        ///< when damaged: for those who do not take it
};

/// The part of `request` that libjpeg is to see. Of a file in several scans no more than the scans that its
/// pixels need, or the last whole segment: what follows may be anything, and means nothing. Zeros at the end
/// are what a download that broke off left: libjpeg would take them for codes.
std::span<const uint8_t> UsefulPart(const PixelRequest& request) {
  constexpr size_t kDataMayEndWith = 8;
  const std::span<const uint8_t> file = request.encoded;
  const size_t scans_end = request.header->jpeg.scans_end;
  const size_t end = scans_end > 0 ? std::min(scans_end, file.size()) : file.size();
  size_t data_end = end;
  while (data_end > 0 && file[data_end - 1] == 0) --data_end;
  return file.first(std::min(end, data_end + kDataMayEndWith));
}

Findings FindDamage(const PixelRequest& request, Session* session) {
  const jpeg_decompress_struct& cinfo = session->cinfo;
  const int mcu_rows = McuRows(cinfo);
  const int mcu_height = cinfo.max_v_samp_factor * DCTSIZE;
  DamagedRows& damage = session->damage;
  damage.Finish(mcu_rows);
  Findings findings;
  findings.odd = session->odd;
  if (session->many_scans && request.header->jpeg.cut) session->truncated = session->unplaced = true;
  findings.damaged = damage.any || session->unplaced;
  if (!findings.damaged) return findings;
  const int height = request.header->height;
  if (!session->many_scans || request.header->jpeg.all_components) {
    findings.sound_rows = damage.SoundPixelRows(mcu_rows, mcu_height, height);
  }
  int first = 0;
  while (first < mcu_rows && !damage.IsBad(first)) ++first;
  const std::string place = damage.any ? " at row " + std::to_string(std::min(first * mcu_height, height)) +
                                             " of " + std::to_string(height)
                            : session->many_scans ? " in scan " + std::to_string(cinfo.input_scan_number)
                                                  : "";
  findings.error = {Code::kImageCorrupt, session->truncated ? "the JPEG is truncated: its data ends" + place
                                                            : "the JPEG's data is corrupt" + place + " (" +
                                                                  session->message + ")"};
  return findings;
}

/// All rows, those below the window, too, so that damage is seen wherever it is.
Result<Findings> RunLibjpeg(const PixelRequest& request, size_t input_step, CodecScratch* scratch,
                            RgbImage* out) {
  SessionOwner owner(UsefulPart(request), input_step, request.limits.max_jpeg_scans);
  Session& session = owner.session;
  jpeg_decompress_struct& cinfo = session.cinfo;
  if (!RunGuarded(&session, CreateStep) || !RunGuarded(&session, HeaderStep)) return FailureStatus(session);
  if (static_cast<int>(cinfo.image_width) != request.header->width ||
      static_cast<int>(cinfo.image_height) != request.header->height ||
      cinfo.num_components != request.header->jpeg.components) {
    return Status(Code::kImageCorrupt, "the JPEG has contradicting frame headers");
  }
  const int64_t out_bytes = static_cast<int64_t>(cinfo.image_width) * cinfo.image_height * 3 /
                            (request.scale_denominator * request.scale_denominator);
  ChooseOutput(&cinfo, request.scale_denominator, request.limits.max_decoder_bytes - out_bytes);
  if (!RunGuarded(&session, StartStep)) return FailureStatus(session);

  out->Reset(static_cast<int>(cinfo.output_width), static_cast<int>(cinfo.output_height));
  if (ChooseColumns(request.window, &session) && !RunGuarded(&session, CropStep))
    return FailureStatus(session);
  session.pixels = out->data() + size_t{3} * session.first_column;
  session.stride = out->stride();
  if (cinfo.out_color_space == JCS_CMYK) {
    session.cmyk_rows = scratch->Reserve(size_t{4} * kRowsPerCall * cinfo.output_width);
  }
  if (!RunGuarded(&session, RowsStep)) {
    return session.damage.any ? FindDamage(request, &session) : Result<Findings>(FailureStatus(session));
  }
  RunGuarded(&session, FinishStep);
  return FindDamage(request, &session);
}

Status DecodeWithLibjpeg(const PixelRequest& request, CodecScratch* scratch, RgbImage* out) {
  ASSIGN_OR_RETURN(Findings findings, RunLibjpeg(request, request.encoded.size(), scratch, out));
  // More care finds more damage, never less.
  const bool hopeless = findings.damaged && findings.sound_rows * 2 < request.header->height;
  if (findings.odd && !hopeless && !request.header->jpeg.progressive) {
    ASSIGN_OR_RETURN(findings, RunLibjpeg(request, kCarefulInput, scratch, out));
  }
  return findings.damaged ? JudgeDamage(request, findings.sound_rows, findings.error, scratch) : Status::Ok();
}

}  // namespace

Status DecodeJpeg(const PixelRequest& request, CodecScratch* scratch, RgbImage* out) {
  scratch->by_own_decoder = false;
  if (request.jpeg_decoder == JpegChoice::kAuto && OwnDecoder::SupportedHere()) {
    if (scratch->jpeg == nullptr) scratch->jpeg = std::make_shared<OwnDecoder>();
    scratch->by_own_decoder = scratch->jpeg->Decode(request, scratch, out);
    if (scratch->by_own_decoder) return Status::Ok();
  }
  return DecodeWithLibjpeg(request, scratch, out);
}

Status DecodeJpegPlain(std::span<const uint8_t> encoded, RgbImage* out) {
  SessionOwner owner(encoded, encoded.size(), 1 << 20);
  Session& session = owner.session;
  session.errors.emit_message = [](j_common_ptr, int) {};
  if (!RunGuarded(&session, CreateStep) || !RunGuarded(&session, HeaderStep)) return FailureStatus(session);
  session.cinfo.out_color_space = JCS_RGB;
  if (!RunGuarded(&session, StartStep)) return FailureStatus(session);
  out->Reset(static_cast<int>(session.cinfo.output_width), static_cast<int>(session.cinfo.output_height));
  session.pixels = out->data();
  session.stride = out->stride();
  if (!RunGuarded(&session, RowsStep) || !RunGuarded(&session, FinishStep)) return FailureStatus(session);
  return Status::Ok();
}

}  // namespace photovec::decode
