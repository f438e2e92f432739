// SPDX-License-Identifier: MIT
#include "decode/formats/jpeg/own/own_decoder.h"

#include <vector>

#include "decode/formats/jpeg/own/baseline.h"
#include "decode/formats/jpeg/own/headers.h"
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
  std::vector<Segment> segments;
  TableCache tables;
  RowOutput rows;
  BaselineDecoder baseline;
};

OwnDecoder::OwnDecoder() : state_(std::make_unique<State>()) {}
OwnDecoder::~OwnDecoder() = default;

bool OwnDecoder::SupportedHere() { return HWY_DYNAMIC_DISPATCH(Pays)(); }

bool OwnDecoder::Decode(const PixelRequest& request, CodecScratch* bytes, RgbImage* out) {
  HeaderReader headers(request.encoded);
  if (headers.Read() != HeaderReader::Next::kScan) return false;
  const Frame& frame = headers.frame();
  if (frame.width != request.header->width || frame.height != request.header->height || frame.progressive ||
      !IsWholeScan(frame, headers.scan())) {
    return false;
  }
  uint8_t* data = bytes->Reserve(request.encoded.size() + kUnstuffedPadding);
  state_->segments.clear();
  Unstuffed unstuffed;
  if (!Unstuff(request.encoded, headers.position(), data, &state_->segments, &unstuffed)) return false;
  if (request.encoded[unstuffed.end + 1] != 0xD9) return false;
  const int d = request.scale_denominator;
  out->Reset((frame.width + d - 1) / d, (frame.height + d - 1) / d);
  return state_->rows.Start(frame, headers, d, request.window, out) &&
         state_->baseline.Decode(headers, data, state_->segments, &state_->tables, &state_->rows);
}

}  // namespace photovec::decode::jpeg
#endif  // HWY_ONCE
