// SPDX-License-Identifier: MIT
#include <webp/decode.h>

#include <cstring>
#include <string>

#include "decode/formats/formats.h"

// The container is read by probe.cc; libwebp sees the whole file of a still image, and only the
// chunks of the first frame of an animation.
namespace photovec::decode {
namespace {

Status Failure(VP8StatusCode code) {
  switch (code) {
    case VP8_STATUS_OUT_OF_MEMORY:
      return {Code::kDecodeLimit, "the WebP needs more memory than there is"};
    case VP8_STATUS_UNSUPPORTED_FEATURE:
      return {Code::kUnsupportedFormat, "this kind of WebP is not supported"};
    case VP8_STATUS_NOT_ENOUGH_DATA:
    case VP8_STATUS_SUSPENDED:
      return {Code::kImageCorrupt, "the WebP is truncated: its image data ends early"};
    default:
      return {Code::kImageCorrupt, "the WebP's image data is corrupt"};
  }
}

struct Target {
  uint8_t* pixels = nullptr;
  size_t stride = 0;
  int width = 0;
  int height = 0;
  bool rgba = false;
};

Status DecodeInto(std::span<const uint8_t> payload, const Target& target) {
  WebPDecoderConfig config;
  if (WebPInitDecoderConfig(&config) == 0)
    return {Code::kInternal, "libwebp has another version than its headers"};
  const VP8StatusCode features = WebPGetFeatures(payload.data(), payload.size(), &config.input);
  if (features != VP8_STATUS_OK) return Failure(features);
  if (config.input.width != target.width || config.input.height != target.height) {
    return {Code::kImageCorrupt, "the WebP has contradicting headers"};
  }
  const size_t row_bytes = static_cast<size_t>(target.width) * (target.rgba ? 4 : 3);
  config.output.colorspace = target.rgba ? MODE_RGBA : MODE_RGB;
  config.output.is_external_memory = 1;
  config.output.u.RGBA.rgba = target.pixels;
  config.output.u.RGBA.stride = static_cast<int>(target.stride);
  config.output.u.RGBA.size = target.stride * static_cast<size_t>(target.height - 1) + row_bytes;
  const VP8StatusCode code = WebPDecode(payload.data(), payload.size(), &config);
  WebPFreeDecBuffer(&config.output);
  return code == VP8_STATUS_OK ? Status::Ok() : Failure(code);
}

void ComposeOverWhite(const uint8_t* rgba, const FrameRect& frame, RgbImage* out) {
  for (int y = 0; y < frame.height; ++y) {
    uint8_t* to = out->Row(frame.y + y) + static_cast<ptrdiff_t>(frame.x) * 3;
    for (int x = 0; x < frame.width; ++x, rgba += 4, to += 3) {
      for (int c = 0; c < 3; ++c) to[c] = OverWhite(rgba[c], rgba[3]);
    }
  }
}

}  // namespace

Status DecodeWebp(const PixelRequest& request, CodecScratch* scratch, RgbImage* out) {
  const WebpFacts& facts = request.header->webp;
  const FrameRect& frame = facts.frame;
  const bool white = request.alpha == AlphaMode::kWhite;
  out->Reset(request.header->width, request.header->height);
  if (facts.animated) {  // what the first frame leaves uncovered is transparent black, as Pillow shows it
    std::memset(out->data(), white ? 0xFF : 0x00, out->stride() * static_cast<size_t>(out->height()));
  }
  Target target;
  target.width = frame.width;
  target.height = frame.height;
  if (!white || !facts.has_alpha) {
    target.pixels = out->Row(frame.y) + static_cast<ptrdiff_t>(frame.x) * 3;
    target.stride = out->stride();
    return DecodeInto(facts.payload, target);
  }
  target.rgba = true;
  target.stride = static_cast<size_t>(frame.width) * 4;
  target.pixels = scratch->Reserve(target.stride * static_cast<size_t>(frame.height));
  if (Status status = DecodeInto(facts.payload, target); !status.ok()) return status;
  ComposeOverWhite(target.pixels, frame, out);
  return Status::Ok();
}

}  // namespace photovec::decode
