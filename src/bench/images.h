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

/// What the benchmarks of encoders share: images and texts, single calls, and the check against
/// encode/reference.
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

/// Texts of `tokens` words each, always the same.
class BenchTexts {
 public:
  BenchTexts(int count, int tokens, int vocabulary);
  std::span<const encode::TokenIds> first(int count) const {
    return std::span(texts_).first(static_cast<size_t>(count));
  }

 private:
  std::vector<std::vector<int32_t>> ids_;
  std::vector<encode::TokenIds> texts_;
};

Status EncodeInto(encode::Encoder& encoder, int stream, std::span<const PixelSlot> slots,
                  std::span<float> out);
Status EncodeInto(encode::Encoder& encoder, int stream, std::span<const encode::TokenIds> texts,
                  std::span<float> out);

/// [slots, D], on a thread of its own: a stream may pin its caller.
Result<std::vector<float>> EncodeAll(encode::Encoder& encoder, int stream, std::span<const PixelSlot> slots);
Result<std::vector<float>> EncodeAll(encode::Encoder& encoder, int stream,
                                     std::span<const encode::TokenIds> texts);

/// Compares one image's vector with plain loops, on as many blocks of the model as those can do in a few
/// seconds; says in words what was found.
/// \param make an encoder of the shortened model, with one stream.
/// Errors: kInternal when the cosine is below what the encoder's precision allows.
Result<std::string> VerifyReference(
    const BenchModel& bench,
    const std::function<Result<std::unique_ptr<encode::Encoder>>(const model::VisionModel&)>& make);

/// The same of one text.
/// \param bench has a text tower.
/// \param make an encoder of a shortened model with a shortened text tower, with one stream.
Result<std::string> VerifyTextReference(const BenchModel& bench, int tokens,
                                        const std::function<Result<std::unique_ptr<encode::Encoder>>(
                                            const model::VisionModel&, const model::TextModel&)>& make);

}  // namespace photovec::bench
