// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "base/result.h"
#include "decode/decoder.h"
#include "preprocess/geometry.h"
#include "preprocess/taps.h"

namespace photovec::decode {

/// A JPEG whose header, size and limits are checked, and how its full-size pixels become the model's.
/// Borrowed for the duration of the call.
struct GpuJpegJob {
  std::span<const uint8_t> encoded;
  int width = 0;  ///< stored
  int height = 0;
  const preprocess::Plan* plan = nullptr;
  const preprocess::TapTable* x = nullptr;  ///< of plan->x
  const preprocess::TapTable* y = nullptr;
  int crop = 0;
  std::span<uint8_t> out;  ///< [S,S,3]
};

/// Decodes JPEGs of many callers together on GPUs. Thread-safe.
class GpuJpegService {
 public:
  virtual ~GpuJpegService() = default;
  /// Blocks until `out` is full. Errors: any; the photo is then decoded on the CPU, whose verdict counts.
  virtual Status Decode(const GpuJpegJob& job) = 0;
};

/// Gives single-scan baseline JPEGs to `gpu` and everything else to `cpu`: other formats, progressive and
/// CMYK JPEGs, photos cut short, squashed preprocessing, colour conversion, and what the GPU failed on.
/// Limits are the CPU decoder's. Pixels: decoded in full (scale_denominator 1, whatever jpeg_scaling says) by
/// the GPU's own inverse DCT, then resized as the CPU does, bit for bit. \param gpu outlives the decoder.
std::unique_ptr<Decoder> MakeGpuDecoder(GpuJpegService& gpu, std::unique_ptr<Decoder> cpu);

}  // namespace photovec::decode
