// SPDX-License-Identifier: MIT
#include <webp/decode.h>

#include <algorithm>
#include <cstring>
#include <string>

#include "decode/formats/formats.h"

// The container is read by probe.cc; libwebp sees the chunks of the picture or of the first frame only.
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
      return {Code::kImageCorrupt, "the WebP is truncated: its image data ends"};
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

/// Into `target`, after a look at the bitstream's header.
Status Configure(std::span<const uint8_t> payload, const Target& target, WebPDecoderConfig* made) {
  WebPDecoderConfig& config = *made;
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
  return Status::Ok();
}

struct Decoded {
  Status status;
  bool damaged = false;  ///< the data ends early or is wrong; status says in which way
  int rows = 0;          ///< then: those that came out; the others are 0
};

/// As far as the data goes.
Decoded DecodePartly(std::span<const uint8_t> payload, const Target& target, WebPDecoderConfig* config) {
  WebPIDecoder* decoder = WebPIDecode(nullptr, 0, config);
  if (decoder == nullptr) return {{Code::kDecodeLimit, "no memory for a WebP decoder"}};
  const VP8StatusCode code = WebPIUpdate(decoder, payload.data(), payload.size());
  int rows = 0;
  const bool some = WebPIDecGetRGB(decoder, &rows, nullptr, nullptr, nullptr) != nullptr;
  WebPIDelete(decoder);
  rows = some ? std::clamp(rows, 0, target.height) : 0;
  if (rows == target.height && (code == VP8_STATUS_OK || code == VP8_STATUS_SUSPENDED)) return {};
  const size_t row_bytes = static_cast<size_t>(target.width) * (target.rgba ? 4 : 3);
  for (int y = rows; y < target.height; ++y)
    std::memset(target.pixels + static_cast<size_t>(y) * target.stride, 0, row_bytes);
  const Status failure = Failure(code == VP8_STATUS_OK ? VP8_STATUS_SUSPENDED : code);
  if (failure.code() != Code::kImageCorrupt) return {failure};
  return {{failure.code(),
           failure.message() + " at row " + std::to_string(rows) + " of " + std::to_string(target.height)},
          true,
          rows};
}

Decoded DecodeInto(std::span<const uint8_t> payload, const Target& target) {
  WebPDecoderConfig config;
  if (Status status = Configure(payload, target, &config); !status.ok()) return {status};
  const VP8StatusCode code = WebPDecode(payload.data(), payload.size(), &config);
  WebPFreeDecBuffer(&config.output);
  if (code == VP8_STATUS_OK) return {};
  if (Status status = Failure(code); status.code() != Code::kImageCorrupt) return {status};
  if (Status status = Configure(payload, target, &config); !status.ok()) return {status};
  return DecodePartly(payload, target, &config);
}

void ComposeOverWhite(const uint8_t* rgba, const FrameRect& frame, RgbImage* out) {
  for (int y = 0; y < frame.height; ++y) {
    uint8_t* to = out->Row(frame.y + y) + static_cast<ptrdiff_t>(frame.x) * 3;
    for (int x = 0; x < frame.width; ++x, rgba += 4, to += 3) {
      for (int c = 0; c < 3; ++c) to[c] = OverWhite(rgba[c], rgba[3]);
    }
  }
}

Status Judge(const PixelRequest& request, const Decoded& decoded, CodecScratch* scratch) {
  if (!decoded.damaged) return decoded.status;
  const int missing = request.header->webp.frame.height - decoded.rows;
  return JudgeDamage(request, request.header->height - missing, decoded.status, scratch);
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
    return Judge(request, DecodeInto(facts.payload, target), scratch);
  }
  target.rgba = true;
  target.stride = static_cast<size_t>(frame.width) * 4;
  target.pixels = scratch->Reserve(target.stride * static_cast<size_t>(frame.height));
  const Decoded decoded = DecodeInto(facts.payload, target);
  if (Status status = Judge(request, decoded, scratch); !status.ok()) return status;
  ComposeOverWhite(target.pixels, frame, out);
  return Status::Ok();
}

}  // namespace photovec::decode
