// SPDX-License-Identifier: MIT
#include "decode/formats/jpeg/own/own_decoder.h"

#include <span>
#include <vector>

#include "decode/formats/jpeg/own/baseline.h"
#include "decode/formats/jpeg/own/headers.h"
#include "decode/formats/jpeg/own/progressive.h"
#include "decode/formats/jpeg/own/row_output.h"
#include "decode/formats/jpeg/own/scan_data.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "decode/formats/jpeg/own/own_decoder.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace photovec::decode::jpeg {
namespace HWY_NAMESPACE {

bool Pays() { return HWY_ARCH_X86_64 && HWY_TARGET <= HWY_AVX2; }

}  // namespace HWY_NAMESPACE
}  // namespace photovec::decode::jpeg
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace photovec::decode::jpeg {
namespace {

HWY_EXPORT(Pays);

/// All that a frame without successive approximation says of its one scan.
bool IsWholeScan(const Frame& frame, const Scan& scan) {
  return scan.component_count == frame.component_count && scan.first == 0 && scan.last == 63 &&
         scan.high == 0 && scan.low == 0;
}

/// Bytes for the unstuffed data. Each scan of it has bytes of its own in the file; what it needs beyond is
/// padding.
size_t DataCapacity(const PixelRequest& request, const Frame& frame) {
  const size_t paddings = frame.progressive ? ProgressiveDecoder::kMaxScans : 1;
  return request.encoded.size() + paddings * kUnstuffedPadding;
}

}  // namespace

struct OwnDecoder::State {
  /// Unstuffs the scan that `headers` stand behind to `data`, and moves them behind it.
  bool ReadData(std::span<const uint8_t> file, HeaderReader* headers, uint8_t* data, size_t* size);
  Progress StartBaseline(const PixelRequest& request, HeaderReader* headers, uint8_t* data);
  bool DecodeProgressive(const PixelRequest& request, HeaderReader* headers, uint8_t* data, size_t capacity);

  std::vector<Segment> segments;
  std::shared_ptr<TableCache> tables;
  RowOutput rows;
  BaselineDecoder baseline;
  ProgressiveDecoder progressive;
};

bool OwnDecoder::State::ReadData(std::span<const uint8_t> file, HeaderReader* headers, uint8_t* data,
                                 size_t* size) {
  segments.clear();
  Unstuffed unstuffed;
  if (!Unstuff(file, headers->position(), data, &segments, &unstuffed)) return false;
  headers->Continue(unstuffed.end);
  *size = unstuffed.size;
  return true;
}

Progress OwnDecoder::State::StartBaseline(const PixelRequest& request, HeaderReader* headers, uint8_t* data) {
  size_t size = 0;
  if (!IsWholeScan(headers->frame(), headers->scan())) return Progress::kHandedBack;
  if (!ReadData(request.encoded, headers, data, &size)) return Progress::kHandedBack;
  HeaderReader behind = *headers;  // reads the end marker; the tables of the scan stay as they are
  if (behind.Read() != HeaderReader::Next::kEnd) return Progress::kHandedBack;
  return baseline.Start(*headers, data, segments, tables.get(), &rows);
}

bool OwnDecoder::State::DecodeProgressive(const PixelRequest& request, HeaderReader* headers, uint8_t* data,
                                          size_t capacity) {
  progressive.Start();
  auto next = HeaderReader::Next::kScan;
  for (int scans = 0; next == HeaderReader::Next::kScan; ++scans) {
    if (scans == request.limits.max_jpeg_scans || capacity < request.encoded.size() + kUnstuffedPadding)
      return false;
    size_t size = 0;
    if (!ReadData(request.encoded, headers, data, &size)) return false;
    if (!progressive.AddScan(*headers, data, segments)) return false;
    data += size + kUnstuffedPadding;
    capacity -= kUnstuffedPadding;
    next = headers->Read();
  }
  return next == HeaderReader::Next::kEnd && progressive.Decode(headers->frame(), &rows);
}

OwnDecoder::OwnDecoder(OwnDecoder* beside) : state_(std::make_unique<State>()) {
  state_->tables = beside != nullptr ? beside->state_->tables : std::make_shared<TableCache>();
}
OwnDecoder::~OwnDecoder() = default;

bool OwnDecoder::SupportedHere() { return HWY_DYNAMIC_DISPATCH(Pays)(); }

std::optional<HeaderReader> OwnDecoder::ReadHeaders(const PixelRequest& request, CodecScratch* bytes,
                                                    RgbImage* out) {
  HeaderReader headers(request.encoded);
  if (headers.Read() != HeaderReader::Next::kScan) return std::nullopt;
  const Frame& frame = headers.frame();
  if (frame.width != request.header->width || frame.height != request.header->height) return std::nullopt;
  const int d = request.scale_denominator;
  out->Reset((frame.width + d - 1) / d, (frame.height + d - 1) / d);
  if (!state_->rows.Start(frame, headers, d, request.window, out)) return std::nullopt;
  bytes->Reserve(DataCapacity(request, frame));
  return headers;
}

bool OwnDecoder::Decode(const PixelRequest& request, CodecScratch* bytes, RgbImage* out) {
  std::optional<HeaderReader> headers = ReadHeaders(request, bytes, out);
  if (!headers) return false;
  uint8_t* data = bytes->bytes.data();
  if (headers->frame().progressive) {
    return state_->DecodeProgressive(request, &*headers, data, DataCapacity(request, headers->frame()));
  }
  Progress progress = state_->StartBaseline(request, &*headers, data);
  while (progress == Progress::kMore) progress = Continue(headers->frame().height);
  return progress == Progress::kDone;
}

Progress OwnDecoder::Start(const PixelRequest& request, CodecScratch* bytes, RgbImage* out) {
  std::optional<HeaderReader> headers = ReadHeaders(request, bytes, out);
  if (!headers || headers->frame().progressive) return Progress::kHandedBack;
  return state_->StartBaseline(request, &*headers, bytes->bytes.data());
}

Progress OwnDecoder::Continue(int mcu_rows) { return state_->baseline.Continue(mcu_rows); }

void OwnDecoder::ContinueBoth(OwnDecoder* first, OwnDecoder* second, Progress* a, Progress* b) {
  BaselineDecoder::ContinueBoth(&first->state_->baseline, &second->state_->baseline, a, b);
}

}  // namespace photovec::decode::jpeg
#endif  // HWY_ONCE
