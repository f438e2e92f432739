// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/slot_pool.h"
#include "bench/encode_model.h"
#include "encode/encoder.h"

/// What the benchmarks of encoders share: images, single calls, and the check against encode/reference.
namespace photovec::bench {

/// Noise of different brightness, always the same, in plain memory.
class BenchImages {
 public:
  BenchImages(int count, int size);
  std::span<const PixelSlot> first(int count) const {
    return std::span(slots_).first(static_cast<size_t>(count));
  }

 private:
  std::vector<std::vector<uint8_t>> pixels_;
  std::vector<PixelSlot> slots_;
};

Status EncodeInto(encode::Encoder& encoder, int stream, std::span<const PixelSlot> slots,
                  std::span<float> out);

/// [slots, D], on a thread of its own: a stream may pin its caller.
Result<std::vector<float>> EncodeAll(encode::Encoder& encoder, int stream, std::span<const PixelSlot> slots);

/// Compares one image's vector with plain loops, on as many blocks of the model as those can do in a few
/// seconds; says in words what was found.
/// \param make an encoder of the shortened model, with one stream.
/// Errors: kInternal when the cosine is below what the encoder's precision allows.
Result<std::string> VerifyReference(
    const BenchModel& bench,
    const std::function<Result<std::unique_ptr<encode::Encoder>>(const model::VisionModel&)>& make);

}  // namespace photovec::bench
