// SPDX-License-Identifier: MIT
#pragma once

#include <memory>

#include "decode/decoder.h"
#include "device/cuda/platform.h"

namespace photovec::decode {

/// The right to use a CPU for one photo, until it is destroyed. Empty: none.
using CpuTurn = std::shared_ptr<void>;

/// Decodes JPEGs of many callers together on GPUs, and shares out the CPUs among those whose photos no GPU
/// decodes. Thread-safe.
class GpuJpegService {
 public:
  virtual ~GpuJpegService() = default;
  /// Blocks until `job.out` is full and `job.status` OK, or the photo is the CPU's. Errors: any; `turn` is set
  /// when the only reason is that a CPU was free before a GPU.
  virtual void Decode(device::JpegJob& job, CpuTurn& turn) = 0;
  /// Blocks until a CPU is free, for a photo that no GPU decodes.
  /// \param refused Decode() refused it.
  virtual CpuTurn AwaitCpu(bool refused) = 0;
};

/// Whether a GPU may decode it: what MakeGpuDecoder's decoders go by. Reads the header.
bool IsForGpu(const DecodeJob& job);

/// Gives single-scan baseline JPEGs to `gpu` and everything else to `cpu`: other formats, progressive and
/// CMYK JPEGs, photos cut short, squashed preprocessing, colour conversion, what the GPU failed on, and what
/// `gpu` leaves to a CPU that is free. Limits are the CPU decoder's. Pixels: decoded in full
/// (scale_denominator 1, whatever jpeg_scaling says) by the GPU's own inverse DCT, then resized as the CPU
/// does, bit for bit.
/// \param gpu outlives the decoder.
std::unique_ptr<Decoder> MakeGpuDecoder(GpuJpegService& gpu, std::unique_ptr<Decoder> cpu);

}  // namespace photovec::decode
