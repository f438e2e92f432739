// SPDX-License-Identifier: MIT
// The plug-in on a real GPU: batches, places, copies, memory.
#include <dlfcn.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <vector>

#include "device/cuda/platform.h"
#include "gpu/on_device.h"

namespace photovec::encode::cuda {

device::Platform* ThePlatform() {
  static device::Platform* const platform = []() -> device::Platform* {
    const char* path = std::getenv("PHOTOVEC_CUDA_PLUGIN");
    void* library = path == nullptr ? nullptr : dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) return nullptr;
    const auto entry = reinterpret_cast<device::PluginEntry>(dlsym(library, device::kPluginSymbol));
    return entry == nullptr ? nullptr : entry(device::kPluginVersion, PHOTOVEC_VERSION);
  }();
  return platform;
}

bool WithLargeCases() { return true; }

namespace {

using model::VisionConfig;

class OnGpuAlone : public OnDevice {};

TEST_P(OnGpuAlone, NeighboursAndPlacesChangeNothing) {
  const VisionConfig config = Config(224, 32, 768, 12, 2);
  const test::RandomModel model(config);
  auto images = RandomImages(64, config.image_size);
  OnGpu gpu = Load(model.get(), GetParam(), {.max_batch = 64});
  ASSERT_NE(gpu.stream, nullptr);
  const auto dim = static_cast<size_t>(gpu.dim);
  for (const size_t batch : {3, 7, 16, 40, 64}) {
    auto slots = Slots(images);
    slots.resize(batch);
    const auto forward = gpu.Encode(slots, 0);
    std::reverse(slots.begin(), slots.end());
    const auto backward = gpu.Encode(slots, 1);
    for (size_t i = 0; i < batch; ++i) {
      EXPECT_TRUE(std::equal(forward.begin() + static_cast<std::ptrdiff_t>(i * dim),
                             forward.begin() + static_cast<std::ptrdiff_t>((i + 1) * dim),
                             backward.begin() + static_cast<std::ptrdiff_t>((batch - 1 - i) * dim)))
          << "image " << i << " of " << batch << " differs at the other end of the batch";
    }
    const auto alone = gpu.Encode(std::span(slots).last(1));
    EXPECT_GE(Cosine(alone, std::span(forward).first(dim)), 1 - (1 - LeastCosine(GetParam())) / 4) << batch;
  }
}

TEST_P(OnGpuAlone, PixelsMayLieAnywhere) {
  const VisionConfig config = Config(64, 16, 128, 2, 2);
  const test::RandomModel model(config);
  OnGpu gpu = Load(model.get(), GetParam(), {.max_batch = 8});
  ASSERT_NE(gpu.stream, nullptr);
  const auto images = RandomImages(8, config.image_size);
  const auto pageable = gpu.Encode(Slots(images));
  // Side by side in one pinned piece: one copy.
  std::vector<uint8_t> arena;
  for (const auto& image : images) arena.insert(arena.end(), image.begin(), image.end());
  ASSERT_TRUE(gpu.model->PinHost(arena).ok());
  std::vector<PixelSlot> slots;
  for (size_t i = 0; i < images.size(); ++i)
    slots.push_back({arena.data() + i * images[0].size(), PixelSlot::kHost});
  EXPECT_EQ(gpu.Encode(slots), pageable);
  gpu.model->UnpinHost(arena);
  const auto device = gpu.model->CopyToDevice(arena);
  ASSERT_TRUE(device.ok());
  for (size_t i = 0; i < slots.size(); ++i) slots[i] = {*device + i * images[0].size(), 0};
  EXPECT_EQ(gpu.Encode(slots), pageable);
}

TEST_P(OnGpuAlone, BothSidesAndTwoStreamsAtOnce) {
  const VisionConfig config = Config(224, 32, 256, 4, 4);
  const test::RandomModel model(config);
  OnGpu gpu = Load(model.get(), GetParam(), {.max_batch = 16});
  ASSERT_NE(gpu.stream, nullptr);
  auto second = gpu.model->CreateStream({.max_batch = 16});
  ASSERT_TRUE(second.ok());
  const auto images = RandomImages(16, config.image_size);
  const auto slots = Slots(images);
  const auto expected = gpu.Encode(slots);
  const auto run = [&](device::DeviceStream& stream) {
    for (int round = 0; round < 50; ++round) {
      const int side = round % 2;
      if (round >= 2) {
        ASSERT_TRUE(WaitFor(stream, side).ok());
        const auto rows = stream.output(side).first(expected.size());
        ASSERT_TRUE(std::equal(rows.begin(), rows.end(), expected.begin())) << "round " << round;
      }
      ASSERT_TRUE(stream.Start(side, slots).ok());
    }
    ASSERT_TRUE(WaitFor(stream, 0).ok());
    ASSERT_TRUE(WaitFor(stream, 1).ok());
  };
  std::thread other([&] { run(**second); });
  run(*gpu.stream);
  other.join();
  ASSERT_TRUE(gpu.model->StartClock().ok());
  (void)gpu.Encode(slots, 0);
  (void)gpu.Encode(slots, 1);
  const device::DeviceSpan one = gpu.stream->Span(0);
  const device::DeviceSpan two = gpu.stream->Span(1);
  EXPECT_TRUE(0 < one.begin_us && one.begin_us < one.end_us);
  EXPECT_TRUE(one.end_us <= two.begin_us && two.begin_us < two.end_us);
}

TEST_P(OnGpuAlone, TooMuchForTheMemoryIsSaidAndHarmless) {
  const VisionConfig config = Config(336, 14, 1024, 16, 2);
  const test::RandomModel model(config);
  OnGpu gpu = Load(model.get(), GetParam(), {.max_batch = 2});
  ASSERT_NE(gpu.stream, nullptr);
  const auto huge = gpu.model->CreateStream({.max_batch = 60'000});
  ASSERT_FALSE(huge.ok());
  EXPECT_EQ(huge.status().code(), Code::kDeviceOutOfMemory) << huge.status().message();
  const auto images = RandomImages(1, config.image_size);
  EXPECT_TRUE(gpu.stream->Start(0, Slots(images)).ok());
  EXPECT_TRUE(WaitFor(*gpu.stream, 0).ok());
}

TEST(Fp8, IsForHopperAlone) {
  ASSERT_NE(ThePlatform(), nullptr) << "set PHOTOVEC_CUDA_PLUGIN; see the loader's message";
  const test::RandomModel model(Config(64, 16, 128, 2, 2));
  device::DeviceModelOptions options;
  options.precision = Precision::kFp8;
  const auto loaded = ThePlatform()->Load(0, model.get(), nullptr, options);
  if (IsHopper()) {
    EXPECT_TRUE(loaded.ok()) << loaded.status().message();
  } else {
    ASSERT_FALSE(loaded.ok());
    EXPECT_EQ(loaded.status().code(), Code::kInvalidRequest);
    EXPECT_NE(loaded.status().message().find("--precision f16"), std::string::npos);
  }
}

// 65 rows an image: no multiple of the steps of fp8 products.
TEST(Fp8, TakesLessMemoryAndHasACeiling) {
  if (!IsHopper()) return;
  const test::RandomModel model(Config(112, 14, 320, 4, 6));
  OnGpu f16 = Load(model.get(), Precision::kF16, {.max_batch = 3});
  OnGpu fp8 = Load(model.get(), Precision::kFp8, {.max_batch = 3});
  ASSERT_TRUE(f16.stream != nullptr && fp8.stream != nullptr);
  EXPECT_LT(fp8.model->weight_bytes(), f16.model->weight_bytes() * 2 / 3);
  for (const int batch : {0, 3}) {
    const auto ceiling = fp8.model->GemmCeiling(batch);
    ASSERT_TRUE(ceiling.ok()) << ceiling.status().message();
    std::printf("  fp8 products, batch %d: %.0f TFLOP/s\n", batch, *ceiling / 1e12);
    EXPECT_GT(*ceiling, 0);
  }
}

INSTANTIATE_TEST_SUITE_P(Precisions, OnGpuAlone, testing::ValuesIn(Precisions()), NameOfPrecision);

}  // namespace
}  // namespace photovec::encode::cuda
