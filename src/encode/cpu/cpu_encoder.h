// SPDX-License-Identifier: MIT
#pragma once

#include <memory>

#include "base/result.h"
#include "encode/encoder.h"
#include "model/text_model.h"
#include "model/vision_model.h"

namespace photovec::encode {

/// The CPU backend: oneDNN matrix products around own vectorised kernels, in f32 or bf16 (weights and product
/// inputs in bf16; sums, layernorms, attention and the residual stream in f32).
/// An image's vector has the same bits in every batch, on every stream, with any number of threads.
/// Packs the weights once; `model` may be dropped afterwards. Submit() does the work (depth 1) on the calling
/// thread, which is pinned by its first Submit when options.pin_threads, and on the stream's helpers.
/// Errors: kInvalidRequest for bf16 without AVX512-BF16 or AMX, for more pinned threads than CPUs, for
/// negative or excessive numbers, and for an image that the patches do not divide; kNotImplemented for a
/// model without class token; kUnavailable without memory.
Result<std::unique_ptr<Encoder>> CreateCpuEncoder(const model::VisionModel& model,
                                                  const model::TextModel* text,
                                                  const EncoderOptions& options);

}  // namespace photovec::encode
