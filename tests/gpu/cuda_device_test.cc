// SPDX-License-Identifier: MIT
// The plug-in on a real GPU against the reference encoder: shapes, precisions, activations, batches, copies.
#include <dlfcn.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <random>
#include <string>
#include <thread>

#include "device/cuda/platform.h"
#include "encode/reference/reference_encoder.h"
#include "unit/encode/cpu_test_model.h"

namespace photovec::encode::cuda {
namespace {

using model::Activation;
using model::VisionConfig;

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

VisionConfig Config(int image, int patch, int dim, int heads, int layers) {
  VisionConfig config;
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

std::vector<std::vector<uint8_t>> RandomImages(int count, int size) {
  std::mt19937 random(5);
  std::vector<std::vector<uint8_t>> images;
  for (int i = 0; i < count; ++i) {
    images.emplace_back(static_cast<size_t>(size) * static_cast<size_t>(size) * 3);
    const auto base = static_cast<uint32_t>(random() % 160);
    for (uint8_t& value : images.back()) value = static_cast<uint8_t>(base + random() % 96);
  }
  return images;
}

std::vector<PixelSlot> Slots(const std::vector<std::vector<uint8_t>>& images) {
  std::vector<PixelSlot> slots;
  for (const auto& image : images) slots.push_back({image.data(), PixelSlot::kHost});
  return slots;
}

Status WaitFor(device::DeviceStream& stream, int side) {
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
    const auto rows = stream->output(side).first(slots.size() * static_cast<size_t>(dim));
    return {rows.begin(), rows.end()};
  }
};

OnGpu Load(const model::VisionModel& model, Precision precision, int max_batch) {
  OnGpu gpu;
  gpu.dim = model.config.embedding_dim();
  device::DeviceModelOptions options;
  options.precision = precision;
  options.log = [](const std::string& text) { std::fprintf(stderr, "note: %s\n", text.c_str()); };
  auto loaded = ThePlatform()->Load(0, model, options);
  EXPECT_TRUE(loaded.ok()) << loaded.status().message();
  if (!loaded.ok()) return gpu;
  gpu.model = std::move(*loaded);
  auto stream = gpu.model->CreateStream({max_batch});
  EXPECT_TRUE(stream.ok()) << stream.status().message();
  if (stream.ok()) gpu.stream = std::move(*stream);
  return gpu;
}

double Cosine(std::span<const float> a, std::span<const float> b) {
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

struct Case {
  std::string name;
  VisionConfig config;
};

VisionConfig With(VisionConfig config, Activation activation) {
  config.activation = activation;
  return config;
}

VisionConfig Plain(VisionConfig config) {  // no projection, no pre-norm
  config.projection_dim = 0;
  config.has_pre_norm = false;
  return config;
}

std::vector<Case> Cases() {
  return {
      {"tiny", Config(224, 32, 128, 2, 2)},
      {"one_block", Config(64, 16, 128, 2, 1)},
      {"T257", Config(224, 14, 128, 2, 2)},
      {"T577", Config(336, 14, 128, 2, 2)},
      {"T730", Config(378, 14, 128, 2, 2)},
      {"heads_of_80", Config(112, 14, 320, 4, 2)},
      {"heads_of_72", Config(112, 14, 288, 4, 2)},
      {"heads_of_16", Config(64, 16, 64, 4, 3)},
      {"wide", Config(64, 16, 768, 12, 3)},
      {"gelu", With(Config(64, 16, 128, 2, 3), Activation::kGeluErf)},
      {"gelu_tanh", With(Config(64, 16, 128, 2, 3), Activation::kGeluTanh)},
      {"no_projection", Plain(Config(64, 16, 128, 2, 3))},
  };
}

class OnDevice : public testing::TestWithParam<Precision> {
 protected:
  void SetUp() override {
    ASSERT_NE(ThePlatform(), nullptr) << "set PHOTOVEC_CUDA_PLUGIN; see the loader's message";
  }
};

double LeastCosine(Precision precision) {
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

TEST_P(OnDevice, GivesTheReferencesVectors) {
  for (const Case& c : Cases()) {
    const test::RandomModel model(c.config);
    const auto images = RandomImages(3, c.config.image_size);
    EncoderOptions reference_options;
    auto reference = CreateReferenceEncoder(model.get(), nullptr, reference_options);
    ASSERT_TRUE(reference.ok());
    OnGpu gpu = Load(model.get(), GetParam(), 4);
    ASSERT_NE(gpu.stream, nullptr) << c.name;
    const auto dim = static_cast<size_t>(gpu.dim);
    std::vector<float> expected(images.size() * dim);
    const auto slots = Slots(images);
    const auto ticket = (*reference)->stream(0).Submit(slots, expected);
    ASSERT_TRUE(ticket.ok() && (*reference)->stream(0).Wait(*ticket).ok());
    const auto got = gpu.Encode(slots);
    double worst = 1;
    for (size_t i = 0; i < images.size(); ++i) {
      worst = std::min(
          worst, Cosine(std::span(got).subspan(i * dim, dim), std::span(expected).subspan(i * dim, dim)));
    }
    std::printf("  %-14s cosine >= %.8f\n", c.name.c_str(), worst);
    EXPECT_GE(worst, LeastCosine(GetParam())) << c.name;
  }
}

TEST_P(OnDevice, NeighboursAndPlacesChangeNothing) {
  const VisionConfig config = Config(224, 32, 768, 12, 2);
  const test::RandomModel model(config);
  auto images = RandomImages(64, config.image_size);
  OnGpu gpu = Load(model.get(), GetParam(), 64);
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

TEST_P(OnDevice, PixelsMayLieAnywhere) {
  const VisionConfig config = Config(64, 16, 128, 2, 2);
  const test::RandomModel model(config);
  OnGpu gpu = Load(model.get(), GetParam(), 8);
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

TEST_P(OnDevice, BothSidesAndTwoStreamsAtOnce) {
  const VisionConfig config = Config(224, 32, 256, 4, 4);
  const test::RandomModel model(config);
  OnGpu gpu = Load(model.get(), GetParam(), 16);
  ASSERT_NE(gpu.stream, nullptr);
  auto second = gpu.model->CreateStream({16});
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

TEST_P(OnDevice, TooMuchForTheMemoryIsSaidAndHarmless) {
  const VisionConfig config = Config(336, 14, 1024, 16, 2);
  const test::RandomModel model(config);
  OnGpu gpu = Load(model.get(), GetParam(), 2);
  ASSERT_NE(gpu.stream, nullptr);
  const auto huge = gpu.model->CreateStream({60'000});
  ASSERT_FALSE(huge.ok());
  EXPECT_EQ(huge.status().code(), Code::kDeviceOutOfMemory) << huge.status().message();
  const auto images = RandomImages(1, config.image_size);
  EXPECT_TRUE(gpu.stream->Start(0, Slots(images)).ok());
  EXPECT_TRUE(WaitFor(*gpu.stream, 0).ok());
}

bool IsHopper() {
  if (ThePlatform() == nullptr) return false;  // every test says so
  const auto devices = ThePlatform()->Devices();
  return devices.ok() && !devices->empty() && devices->front().major == 9 && devices->front().minor == 0;
}

std::vector<Precision> Precisions() {
  std::vector<Precision> precisions = {Precision::kF32, Precision::kF16, Precision::kBF16};
  if (IsHopper()) precisions.push_back(Precision::kFp8);
  return precisions;
}

TEST(Fp8, IsForHopperAlone) {
  ASSERT_NE(ThePlatform(), nullptr) << "set PHOTOVEC_CUDA_PLUGIN; see the loader's message";
  const test::RandomModel model(Config(64, 16, 128, 2, 2));
  device::DeviceModelOptions options;
  options.precision = Precision::kFp8;
  const auto loaded = ThePlatform()->Load(0, model.get(), options);
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
  OnGpu f16 = Load(model.get(), Precision::kF16, 3);
  OnGpu fp8 = Load(model.get(), Precision::kFp8, 3);
  ASSERT_TRUE(f16.stream != nullptr && fp8.stream != nullptr);
  EXPECT_LT(fp8.model->weight_bytes(), f16.model->weight_bytes() * 2 / 3);
  for (const int batch : {0, 3}) {
    const auto ceiling = fp8.model->GemmCeiling(batch);
    ASSERT_TRUE(ceiling.ok()) << ceiling.status().message();
    std::printf("  fp8 products, batch %d: %.0f TFLOP/s\n", batch, *ceiling / 1e12);
    EXPECT_GT(*ceiling, 0);
  }
}

INSTANTIATE_TEST_SUITE_P(Precisions, OnDevice, testing::ValuesIn(Precisions()), [](const auto& info) {
  return std::string(info.param == Precision::kF32   ? "f32"
                     : info.param == Precision::kF16 ? "f16"
                     : info.param == Precision::kFp8 ? "fp8"
                                                     : "bf16");
});

}  // namespace
}  // namespace photovec::encode::cuda
