// SPDX-License-Identifier: MIT
#include "bench/images.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <random>
#include <thread>
#include <utility>

#include "encode/factory.h"

namespace photovec::bench {
namespace {

// The reference encoder does about 1 GFLOP/s: a verification may take some seconds.
constexpr double kVerifyFlops = 3e9;

double LeastCosine(const std::string& precision) {
  if (precision == "f32") return 0.9999999;
  if (precision == "f16") return 0.9999;
  return precision == "fp8" ? 0.995 : 0.9995;
}

}  // namespace

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

Result<std::vector<float>> EncodeAll(encode::Encoder& encoder, int stream, std::span<const PixelSlot> slots) {
  std::vector<float> out(slots.size() * static_cast<size_t>(encoder.info().embedding_dim));
  Status status;
  std::thread([&] { status = EncodeInto(encoder, stream, slots, out); }).join();
  if (!status.ok()) return status;
  return out;
}

Result<std::string> VerifyReference(
    const BenchModel& bench,
    const std::function<Result<std::unique_ptr<encode::Encoder>>(const model::VisionModel&)>& make) {
  const auto& config = bench.model.config;
  const double block_flops = config.FlopsPerImage() / config.layers;
  const int layers = std::clamp(static_cast<int>(kVerifyFlops / block_flops), 1, config.layers);
  const model::VisionModel shorter = Shortened(bench.model, layers);
  encode::EncoderOptions reference_options;
  reference_options.normalization = bench.normalization;
  reference_options.precision = encode::Precision::kF32;
  ASSIGN_OR_RETURN(auto encoder, make(shorter));
  ASSIGN_OR_RETURN(auto reference,
                   encode::CreateEncoder(encode::Backend::kReference, shorter, nullptr, reference_options));
  const BenchImages image(1, config.image_size);
  ASSIGN_OR_RETURN(const std::vector<float> a, EncodeAll(*encoder, 0, image.first(1)));
  ASSIGN_OR_RETURN(const std::vector<float> b, EncodeAll(*reference, 0, image.first(1)));
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
                layers, config.layers);
  if (!(cosine >= LeastCosine(encoder->info().precision))) {
    return Status(Code::kInternal, std::string("wrong vectors: ") + text);
  }
  return std::string(text);
}

}  // namespace photovec::bench
