// SPDX-License-Identifier: MIT
#include "bench/images.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <random>
#include <thread>
#include <utility>

#include "encode/factory.h"
#include "model/fold/fold.h"

namespace photovec::bench {
namespace {

// The reference encoder does about 1 GFLOP/s: a verification may take some seconds.
constexpr double kVerifyFlops = 3e9;

double LeastCosine(const std::string& precision) {
  if (precision == "f32") return 0.9999999;
  if (precision == "f16") return 0.9999;
  return precision == "fp8" ? 0.995 : 0.9995;
}

int VerifiedLayers(double flops, int layers) {
  return std::clamp(static_cast<int>(kVerifyFlops * layers / flops), 1, layers);
}

// One vector of each encoder. Says in words what was found.
Result<std::string> CompareVectors(const std::string& precision, const std::vector<float>& a,
                                   const std::vector<float>& b, int layers, int all_layers) {
  double aa = 0;
  double bb = 0;
  double ab = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    aa += static_cast<double>(a[i]) * static_cast<double>(a[i]);
    bb += static_cast<double>(b[i]) * static_cast<double>(b[i]);
    ab += static_cast<double>(a[i]) * static_cast<double>(b[i]);
  }
  const double cosine = ab / std::sqrt(aa * bb);
  char text[160];
  std::snprintf(text, sizeof(text), "cosine %.8f with the reference encoder over %d of %d layers", cosine,
                layers, all_layers);
  if (!(cosine >= LeastCosine(precision))) {
    return Status(Code::kInternal, std::string("wrong vectors: ") + text);
  }
  return std::string(text);
}

encode::EncoderOptions ReferenceOptions(const BenchModel& bench) {
  encode::EncoderOptions options;
  options.normalization = bench.normalization;
  options.precision = encode::Precision::kF32;
  return options;
}

// On a thread of its own.
template <typename Items>
Result<std::vector<float>> EncodeApart(encode::Encoder& encoder, int stream, Items items) {
  std::vector<float> out(items.size() * static_cast<size_t>(encoder.info().embedding_dim));
  Status status;
  std::thread([&] { status = EncodeInto(encoder, stream, items, out); }).join();
  if (!status.ok()) return status;
  return out;
}

}  // namespace

BenchTexts::BenchTexts(int count, int tokens, int vocabulary) {
  std::mt19937 random(13);
  for (int i = 0; i < count; ++i) {
    std::vector<int32_t>& ids = ids_.emplace_back(static_cast<size_t>(tokens));
    for (int32_t& id : ids) id = static_cast<int32_t>(random() % static_cast<uint32_t>(vocabulary));
  }
  texts_.assign(ids_.begin(), ids_.end());
}

BenchImages::BenchImages(int count, int size) {
  std::mt19937 random(11);
  for (int i = 0; i < count; ++i) {
    pixels_.emplace_back(static_cast<size_t>(size) * static_cast<size_t>(size) * 3);
    const uint32_t base = random() % 128;
    for (uint8_t& value : pixels_.back()) value = static_cast<uint8_t>(base + random() % 128);
  }
  for (const auto& image : pixels_) slots_.push_back({image.data(), PixelSlot::kHost});
}

Status EncodeInto(encode::Encoder& encoder, int stream, std::span<const PixelSlot> slots,
                  std::span<float> out) {
  ASSIGN_OR_RETURN(const encode::Ticket ticket, encoder.stream(stream).Submit(slots, out));
  return encoder.stream(stream).Wait(ticket);
}

Status EncodeInto(encode::Encoder& encoder, int stream, std::span<const encode::TokenIds> texts,
                  std::span<float> out) {
  ASSIGN_OR_RETURN(const encode::Ticket ticket, encoder.stream(stream).SubmitTexts(texts, out));
  return encoder.stream(stream).Wait(ticket);
}

Result<std::vector<float>> EncodeAll(encode::Encoder& encoder, int stream, std::span<const PixelSlot> slots) {
  return EncodeApart(encoder, stream, slots);
}

Result<std::vector<float>> EncodeAll(encode::Encoder& encoder, int stream,
                                     std::span<const encode::TokenIds> texts) {
  return EncodeApart(encoder, stream, texts);
}

Result<std::string> VerifyReference(
    const BenchModel& bench,
    const std::function<Result<std::unique_ptr<encode::Encoder>>(const model::VisionModel&)>& make) {
  const auto& config = bench.model.config;
  const int layers = VerifiedLayers(config.FlopsPerImage(), config.layers);
  const model::VisionModel shorter = Shortened(bench.model, layers);
  ASSIGN_OR_RETURN(auto encoder, make(shorter));
  ASSIGN_OR_RETURN(auto reference, encode::CreateEncoder(encode::Backend::kReference, shorter, nullptr,
                                                         ReferenceOptions(bench)));
  const BenchImages image(1, config.image_size);
  ASSIGN_OR_RETURN(const std::vector<float> a, EncodeAll(*encoder, 0, image.first(1)));
  ASSIGN_OR_RETURN(const std::vector<float> b, EncodeAll(*reference, 0, image.first(1)));
  return CompareVectors(encoder->info().precision, a, b, layers, config.layers);
}

Result<std::string> VerifyTextReference(const BenchModel& bench, int tokens,
                                        const std::function<Result<std::unique_ptr<encode::Encoder>>(
                                            const model::VisionModel&, const model::TextModel&)>& make) {
  const auto& config = bench.text->config;
  const int layers = VerifiedLayers(model::ExecutedFlops(config, tokens), config.layers);
  const model::VisionModel images = Shortened(bench.model, 1);
  const model::TextModel shorter = Shortened(*bench.text, layers);
  ASSIGN_OR_RETURN(auto encoder, make(images, shorter));
  ASSIGN_OR_RETURN(auto reference, encode::CreateEncoder(encode::Backend::kReference, images, &shorter,
                                                         ReferenceOptions(bench)));
  const BenchTexts text(1, tokens, config.vocabulary_size);
  ASSIGN_OR_RETURN(const std::vector<float> a, EncodeAll(*encoder, 0, text.first(1)));
  ASSIGN_OR_RETURN(const std::vector<float> b, EncodeAll(*reference, 0, text.first(1)));
  return CompareVectors(encoder->info().precision, a, b, layers, config.layers);
}

}  // namespace photovec::bench
