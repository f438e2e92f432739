// SPDX-License-Identifier: MIT
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "device/cuda/platform.h"
#include "encode/encoder.h"
#include "unit/encode/cpu_test_model.h"

/// What tests of the plug-in's encoder share, on a GPU and on the emulated one.
namespace photovec::encode::cuda {

/// The plug-in's; null where it is not found. Defined by each test program.
device::Platform* ThePlatform();
/// Whether cases of hundreds of tokens are run; likewise.
bool WithLargeCases();

inline model::VisionConfig Config(int image, int patch, int dim, int heads, int layers) {
  model::VisionConfig config;
  config.architecture = "CLIPVisionModelWithProjection";
  config.image_size = image;
  config.patch_size = patch;
  config.hidden_size = dim;
  config.heads = heads;
  config.layers = layers;
  config.mlp_size = 4 * dim;
  config.projection_dim = dim / 2;
  return config;
}

inline std::vector<std::vector<uint8_t>> RandomImages(int count, int size) {
  std::mt19937 random(5);
  std::vector<std::vector<uint8_t>> images;
  for (int i = 0; i < count; ++i) {
    images.emplace_back(static_cast<size_t>(size) * static_cast<size_t>(size) * 3);
    const auto base = static_cast<uint32_t>(random() % 160);
    for (uint8_t& value : images.back()) value = static_cast<uint8_t>(base + random() % 96);
  }
  return images;
}

inline std::vector<PixelSlot> Slots(const std::vector<std::vector<uint8_t>>& images) {
  std::vector<PixelSlot> slots;
  for (const auto& image : images) slots.push_back({image.data(), PixelSlot::kHost});
  return slots;
}

inline Status WaitFor(device::DeviceStream& stream, int side) {
  for (;;) {
    ASSIGN_OR_RETURN(const bool done, stream.Done(side));
    if (done) return Status::Ok();
    std::this_thread::yield();
  }
}

struct OnGpu {
  std::unique_ptr<device::DeviceModel> model;
  std::unique_ptr<device::DeviceStream> stream;
  int dim = 0;

  std::vector<float> Encode(std::span<const PixelSlot> slots, int side = 0) {
    Status status = stream->Start(side, slots);
    if (status.ok()) status = WaitFor(*stream, side);
    EXPECT_TRUE(status.ok()) << status.message();
    return Output(side, slots.size());
  }
  std::vector<float> EncodeTexts(std::span<const TokenIds> texts, int side = 0) {
    Status status = stream->StartTexts(side, texts);
    if (status.ok()) status = WaitFor(*stream, side);
    EXPECT_TRUE(status.ok()) << status.message();
    return Output(side, texts.size());
  }
  std::vector<float> Output(int side, size_t count) const {
    const auto rows = stream->output(side).first(count * static_cast<size_t>(dim));
    return {rows.begin(), rows.end()};
  }
};

inline OnGpu Load(const model::VisionModel& model, Precision precision,
                  device::DeviceStreamOptions stream_options, const model::TextModel* text = nullptr) {
  OnGpu gpu;
  gpu.dim = model.config.embedding_dim();
  device::DeviceModelOptions options;
  options.precision = precision;
  options.log = [](const std::string& line) { std::fprintf(stderr, "note: %s\n", line.c_str()); };
  auto loaded = ThePlatform()->Load(0, model, text, options);
  EXPECT_TRUE(loaded.ok()) << loaded.status().message();
  if (!loaded.ok()) return gpu;
  gpu.model = std::move(*loaded);
  auto stream = gpu.model->CreateStream(stream_options);
  EXPECT_TRUE(stream.ok()) << stream.status().message();
  if (stream.ok()) gpu.stream = std::move(*stream);
  return gpu;
}

inline double Cosine(std::span<const float> a, std::span<const float> b) {
  double aa = 0;
  double bb = 0;
  double ab = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    aa += double{a[i]} * double{a[i]};
    bb += double{b[i]} * double{b[i]};
    ab += double{a[i]} * double{b[i]};
  }
  return ab / std::sqrt(aa * bb);
}

inline double LeastCosine(Precision precision) {
  switch (precision) {
    case Precision::kF32:
      return 0.9999999;
    case Precision::kF16:
      return 0.99999;
    case Precision::kFp8:
      return 0.995;
    default:
      return 0.9998;
  }
}

inline bool IsHopper() {
  if (ThePlatform() == nullptr) return false;  // every test says so
  const auto devices = ThePlatform()->Devices();
  return devices.ok() && !devices->empty() && devices->front().major == 9 && devices->front().minor == 0;
}

inline std::vector<Precision> Precisions() {
  std::vector<Precision> precisions = {Precision::kF32, Precision::kF16, Precision::kBF16};
  if (IsHopper()) precisions.push_back(Precision::kFp8);
  return precisions;
}

inline std::string NameOfPrecision(const testing::TestParamInfo<Precision>& info) {
  return std::string(info.param == Precision::kF32   ? "f32"
                     : info.param == Precision::kF16 ? "f16"
                     : info.param == Precision::kFp8 ? "fp8"
                                                     : "bf16");
}

class OnDevice : public testing::TestWithParam<Precision> {
 protected:
  void SetUp() override {
    ASSERT_NE(ThePlatform(), nullptr) << "set PHOTOVEC_CUDA_PLUGIN; see the loader's message";
  }
};

}  // namespace photovec::encode::cuda
