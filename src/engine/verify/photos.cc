// SPDX-License-Identifier: MIT
#include "engine/verify/photos.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <random>

#include "base/files.h"
#include "decode/decoder.h"
#include "engine/verify/published.h"

namespace photovec::engine {
namespace {

constexpr int kMadeUp = 16;

/// Two waves and noise for each channel.
void Draw(unsigned seed, size_t side, std::span<uint8_t> out) {
  std::mt19937 random(seed);
  const auto uniform = [&random](double low, double high) {
    return low + (high - low) * static_cast<double>(random()) / static_cast<double>(std::mt19937::max());
  };
  for (size_t c = 0; c < 3; ++c) {
    const double fx = uniform(0.5, 6) / static_cast<double>(side);
    const double fy = uniform(0.5, 6) / static_cast<double>(side);
    const double base = uniform(70, 180);
    const double height = uniform(20, 70);
    for (size_t y = 0; y < side; ++y) {
      for (size_t x = 0; x < side; ++x) {
        const double wave =
            std::sin(6.28 * fx * static_cast<double>(x)) * std::cos(6.28 * fy * static_cast<double>(y));
        out[(y * side + x) * 3 + c] =
            static_cast<uint8_t>(std::clamp(base + height * wave + uniform(-12, 12), 0.0, 255.0));
      }
    }
  }
}

Status DecodeInto(decode::Decoder& decoder, const std::string& file, const preprocess::Spec& spec,
                  std::span<uint8_t> out) {
  decode::DecodeJob job;
  job.options.jpeg_scaling = decode::JpegScaling::kExact;
  ASSIGN_OR_RETURN(const std::string bytes,
                   ReadFile(file, static_cast<uint64_t>(job.options.limits.max_file_bytes)));
  job.encoded = {reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()};
  job.spec = &spec;
  job.out = out;
  return decoder.Decode(job).status();
}

}  // namespace

std::vector<PixelSlot> ModelPhotos::views() const {
  std::vector<PixelSlot> views;
  for (const SlotRef& slot : slots) views.push_back(slot.view());
  return views;
}

Result<ModelPhotos> LoadPhotos(const std::vector<std::string>& files, const preprocess::Spec& spec) {
  ModelPhotos photos;
  photos.made_up = files.empty();
  const int count = photos.made_up ? kMadeUp : static_cast<int>(files.size());
  ASSIGN_OR_RETURN(photos.pool, SlotPool::Create(spec.slot_bytes(), count));
  if (photos.made_up) {
    for (unsigned i = 0; i < kMadeUp; ++i) {
      photos.slots.push_back(*photos.pool->TryAcquire());
      Draw(i, static_cast<size_t>(spec.crop), photos.slots.back().pixels());
    }
    return photos;
  }
  const std::unique_ptr<decode::Decoder> decoder = decode::MakeInProcessDecoder();
  for (const std::string& file : files) {
    SlotRef slot = *photos.pool->TryAcquire();
    if (Status status = DecodeInto(*decoder, file, spec, slot.pixels()); !status.ok()) {
      photos.refused.emplace_back(file, std::move(status));
      continue;
    }
    if (std::filesystem::path(file).filename().string().find(kCatsName) != std::string::npos) {
      photos.cats = photos.slots.size();
    }
    photos.slots.push_back(std::move(slot));
  }
  if (photos.slots.empty()) {
    const auto& [file, status] = photos.refused.front();
    return Status(Code::kInvalidRequest,
                  "none of the photos can be decoded; " + file + ": " + status.message());
  }
  return photos;
}

}  // namespace photovec::engine
