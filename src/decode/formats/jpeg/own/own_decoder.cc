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

}  // namespace

struct OwnDecoder::State {
  /// Unstuffs the scan that `headers` stand behind to `data`, and moves them behind it.
  bool ReadData(std::span<const uint8_t> file, HeaderReader* headers, uint8_t* data, size_t* size);
  bool DecodeBaseline(const PixelRequest& request, HeaderReader* headers, uint8_t* data);
  bool DecodeProgressive(const PixelRequest& request, HeaderReader* headers, uint8_t* data, size_t capacity);

  std::vector<Segment> segments;
  TableCache tables;
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

bool OwnDecoder::State::DecodeBaseline(const PixelRequest& request, HeaderReader* headers, uint8_t* data) {
  size_t size = 0;
  if (!IsWholeScan(headers->frame(), headers->scan())) return false;
  if (!ReadData(request.encoded, headers, data, &size)) return false;
  HeaderReader behind = *headers;  // reads the end marker; the tables of the scan stay as they are
  return behind.Read() == HeaderReader::Next::kEnd &&
         baseline.Decode(*headers, data, segments, &tables, &rows);
}

bool OwnDecoder::State::DecodeProgressive(const PixelRequest& request, HeaderReader* headers, uint8_t* data,
                                          size_t capacity) {
  progressive.Start();
  auto next = HeaderReader::Next::kScan;
  for (int scans = 0; next == HeaderReader::Next::kScan; ++scans) {
    // Each scan's data has bytes of its own in the file; what it needs beyond is the padding.
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

OwnDecoder::OwnDecoder() : state_(std::make_unique<State>()) {}
OwnDecoder::~OwnDecoder() = default;

bool OwnDecoder::SupportedHere() { return HWY_DYNAMIC_DISPATCH(Pays)(); }

bool OwnDecoder::Decode(const PixelRequest& request, CodecScratch* bytes, RgbImage* out) {
  HeaderReader headers(request.encoded);
  if (headers.Read() != HeaderReader::Next::kScan) return false;
  const Frame& frame = headers.frame();
  if (frame.width != request.header->width || frame.height != request.header->height) return false;
  const int d = request.scale_denominator;
  out->Reset((frame.width + d - 1) / d, (frame.height + d - 1) / d);
  if (!state_->rows.Start(frame, headers, d, request.window, out)) return false;
  const size_t paddings = frame.progressive ? ProgressiveDecoder::kMaxScans : 1;
  const size_t capacity = request.encoded.size() + paddings * kUnstuffedPadding;
  uint8_t* data = bytes->Reserve(capacity);
  return frame.progressive ? state_->DecodeProgressive(request, &headers, data, capacity)
                           : state_->DecodeBaseline(request, &headers, data);
}

}  // namespace photovec::decode::jpeg
#endif  // HWY_ONCE
