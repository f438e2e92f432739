// SPDX-License-Identifier: MIT
#include "encode/cpu/cpu_encoder.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <thread>
#include <vector>

#include "base/machine.h"
#include "cpu_test_model.h"
#include "encode/reference/reference_encoder.h"

namespace photovec::encode {
namespace {

using test::Distance;
using test::HasBf16;
using test::RandomImages;
using test::RandomModel;
using Floats = std::vector<float>;

Floats Encode(Encoder& encoder, int stream, std::span<const PixelSlot> slots) {
  Floats out(slots.size() * static_cast<size_t>(encoder.info().embedding_dim));
  const auto ticket = encoder.stream(stream).Submit(slots, out);
  EXPECT_TRUE(ticket.ok()) << ticket.status().ToString();
  if (ticket.ok()) {
    const Status status = encoder.stream(stream).Wait(*ticket);
    EXPECT_TRUE(status.ok()) << status.ToString();
  }
  return out;
}

EncoderOptions Options(Precision precision, int threads = 1) {
  EncoderOptions options;
  options.precision = precision;
  options.streams = 1;
  options.threads_per_stream = threads;
  options.max_batch = 8;
  options.pin_threads = false;
  options.normalization = test::ClipNormalization();
  return options;
}

std::unique_ptr<Encoder> Make(const model::VisionModel& model, const EncoderOptions& options) {
  auto encoder = CreateCpuEncoder(model, nullptr, options);
  EXPECT_TRUE(encoder.ok()) << encoder.status().ToString();
  return encoder.ok() ? std::move(encoder).value() : nullptr;
}

// A model, some images, and the oracle's vectors of them, which take long and are therefore computed once.
class Oracle {
 public:
  Oracle(const model::VisionConfig& config, int images)
      : model_(config),
        pictures_(images, config.image_size),
        dim_(static_cast<size_t>(config.embedding_dim())) {
    auto reference = CreateReferenceEncoder(model_.get(), nullptr, Options(Precision::kF32));
    EXPECT_TRUE(reference.ok());
    if (reference.ok()) expected_ = Encode(**reference, 0, pictures_.slots());
  }
  Distance Of(Precision precision, int threads = 1) const {
    auto encoder = Make(model_.get(), Options(precision, threads));
    if (encoder == nullptr || expected_.empty()) return {1e9, -1};
    return test::Compare(Encode(*encoder, 0, pictures_.slots()), expected_, dim_);
  }

 private:
  const RandomModel model_;
  const RandomImages pictures_;
  const size_t dim_;
  Floats expected_;
};

TEST(CpuEncoder, EqualsTheReferenceInF32) {
  EXPECT_LT(Oracle(test::TinyConfig(), 5).Of(Precision::kF32).max_abs, 2e-6);
}

// The oracle needs seconds for each image and layer, hence few of both.
TEST(CpuEncoder, EqualsTheReferenceInTheShapesOfB32) {
  model::VisionConfig config = test::B32Config();
  config.layers = 2;
  const Oracle oracle(config, 1);
  EXPECT_LT(oracle.Of(Precision::kF32).max_abs, 3e-6);
  if (HasBf16()) {
    EXPECT_GT(oracle.Of(Precision::kBF16).min_cosine, 0.9999);
  }
}

using Config = model::VisionConfig;

void BeSiglip(Config& c) {
  c.pooling = model::Pooling::kAttention;
  c.has_class_token = c.has_pre_norm = false;
  c.has_patch_bias = true;
  c.activation = model::Activation::kGeluTanh;
  c.layer_norm_eps = 1e-6F;
  c.projection_dim = 0;
}

void BeDinoV2(Config& c) {
  c.has_pre_norm = false;
  c.has_patch_bias = c.has_layer_scale = true;
  c.register_tokens = 4;
  c.activation = model::Activation::kGeluErf;
  c.projection_dim = 0;
}

void BeDinoV3(Config& c) {
  BeDinoV2(c);
  c.positions = model::Positions::kRotary;
  c.has_key_bias = false;
}

void BeGated(Config& c) {
  c.gated_mlp = true;
  c.activation = model::Activation::kSilu;
}

// Every way in which families differ, one by one.
TEST(CpuEncoder, EqualsTheReferenceForEveryKindOfModel) {
  std::vector<std::pair<std::string, model::VisionConfig>> cases;
  const auto add = [&](const char* name, auto change) {
    model::VisionConfig config = test::TinyConfig();
    change(config);
    cases.emplace_back(name, config);
  };
  add("gelu", [](Config& c) { c.activation = model::Activation::kGeluErf; });
  add("tanh gelu", [](Config& c) { c.activation = model::Activation::kGeluTanh; });
  add("no projection", [](Config& c) { c.projection_dim = 0; });
  add("no projection, no post norm", [](Config& c) { c.projection_dim = 0, c.has_post_norm = false; });
  add("projection, no post norm", [](Config& c) { c.has_post_norm = false; });
  add("no pre norm", [](Config& c) { c.has_pre_norm = false; });
  add("patch bias", [](Config& c) { c.has_patch_bias = true; });
  add("layer scale", [](Config& c) { c.has_layer_scale = true; });
  add("odd sizes", [](Config& c) {
    c.image_size = 42, c.patch_size = 14, c.hidden_size = 120, c.heads = 3, c.mlp_size = 200,
    c.projection_dim = 50;
  });
  add("one layer", [](Config& c) { c.layers = 1; });
  add("257 tokens", [](Config& c) { c.image_size = 128, c.layers = 2; });
  add("wide heads", [](Config& c) { c.heads = 1; });
  add("narrow heads", [](Config& c) { c.heads = 8; });
  add("SigLIP", BeSiglip);
  add("SigLIP of one layer", [](Config& c) { BeSiglip(c), c.layers = 1; });
  add("SigLIP with a projection", [](Config& c) { BeSiglip(c), c.projection_dim = 48; });
  add("SigLIP over bare rows", [](Config& c) { BeSiglip(c), c.has_post_norm = false; });
  add("SigLIP with a class token", [](Config& c) { BeSiglip(c), c.has_class_token = true; });
  add("pixels beyond the last patch", [](Config& c) { c.image_size = 39; });
  add("DINOv2", BeDinoV2);
  add("registers behind a pre norm", [](Config& c) { c.register_tokens = 3; });
  add("gated", BeGated);
  add("gated, one layer", [](Config& c) { BeGated(c), c.layers = 1; });
  add("gated, odd", [](Config& c) { BeGated(c), c.mlp_size = 264; });
  add("DINOv3", BeDinoV3);
  add("DINOv3, gated", [](Config& c) { BeDinoV3(c), BeGated(c); });
  add("DINOv3 of one layer", [](Config& c) { BeDinoV3(c), c.layers = 1; });
  add("DINOv3, narrow heads", [](Config& c) { BeDinoV3(c), c.hidden_size = 120, c.heads = 10; });
  for (const int head : {72, 80, 88, 96, 104}) {
    add("uncommon heads", [head](Config& c) { c.hidden_size = 2 * head; });
  }
  for (const auto& [name, config] : cases) {
    const Oracle oracle(config, 3);
    EXPECT_LT(oracle.Of(Precision::kF32).max_abs, 4e-6) << name;
    EXPECT_LT(oracle.Of(Precision::kF32, 2).max_abs, 4e-6) << name << ", two threads";
    if (!HasBf16()) continue;
    EXPECT_GT(oracle.Of(Precision::kBF16).min_cosine, 0.9995) << name;
  }
}

TEST(CpuEncoder, ManyHeadsOfSo400m) {
  Config config = test::TinyConfig();
  BeSiglip(config);
  config.hidden_size = 1152;
  config.heads = 16;
  config.mlp_size = 4304;
  config.layers = 1;
  config.image_size = 30;
  config.patch_size = 14;
  const Oracle oracle(config, 1);
  EXPECT_LT(oracle.Of(Precision::kF32).max_abs, 4e-6);
  if (HasBf16()) {
    EXPECT_GT(oracle.Of(Precision::kBF16).min_cosine, 0.9995);
  }
}

void ExpectSameBits(const model::VisionConfig& config, Precision precision,
                    const std::vector<size_t>& batches) {
  const RandomModel model(config);
  const RandomImages pictures(17, config.image_size);
  const std::span<const PixelSlot> slots = pictures.slots();
  const auto dim = static_cast<size_t>(config.embedding_dim());
  auto encoder = Make(model.get(), Options(precision));
  Floats alone;
  for (size_t i = 0; i < slots.size(); ++i) {
    const Floats one = Encode(*encoder, 0, slots.subspan(i, 1));
    alone.insert(alone.end(), one.begin(), one.end());
  }
  for (int threads = 1; threads <= 3; ++threads) {
    EncoderOptions options = Options(precision, threads);
    options.max_batch = 17;
    auto other = Make(model.get(), options);
    for (const size_t batch : batches) {
      for (const size_t first : {size_t{0}, slots.size() - batch}) {
        const Floats together = Encode(*other, 0, slots.subspan(first, batch));
        EXPECT_TRUE(std::equal(together.begin(), together.end(),
                               alone.begin() + static_cast<std::ptrdiff_t>(first * dim)))
            << config.tokens() << " tokens, batch " << batch << " from " << first << ", " << threads
            << " threads";
      }
    }
  }
}

TEST(CpuEncoder, NeighboursAndThreadsNeverChangeABit) {
  for (const Precision precision : {Precision::kF32, Precision::kBF16}) {
    if (precision == Precision::kBF16 && !HasBf16()) continue;
    ExpectSameBits(test::TinyConfig(), precision, {1, 2, 3, 4, 5, 7, 8, 11, 16, 17});
    model::VisionConfig b32 = test::B32Config();
    b32.layers = 2;
    ExpectSameBits(b32, precision, {2, 3, 8, 17});
    model::VisionConfig l14 = test::TinyConfig();  // 257 tokens, patch product with a ragged depth
    l14.image_size = 224;
    l14.patch_size = 14;
    l14.hidden_size = 256;
    l14.heads = 4;
    l14.mlp_size = 1024;
    ExpectSameBits(l14, precision, {1, 2, 3});
    for (const auto change : {BeSiglip, BeDinoV3, BeGated}) {
      model::VisionConfig config = test::TinyConfig();
      change(config);
      ExpectSameBits(config, precision, {2, 3, 16, 17});
    }
  }
}

TEST(CpuEncoder, StreamsGiveTheSameBitsAtTheSameTime) {
  const RandomModel model(test::TinyConfig());
  const RandomImages pictures(8, 32);
  EncoderOptions options = Options(Precision::kF32);
  options.streams = 3;
  auto encoder = Make(model.get(), options);
  ASSERT_TRUE(encoder->Warmup().ok());
  const Floats expected = Encode(*encoder, 0, pictures.slots());
  std::vector<std::thread> threads;
  std::vector<int> right(3);
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back([&, i] {
      for (int round = 0; round < 20; ++round) {
        right[static_cast<size_t>(i)] += Encode(*encoder, i, pictures.slots()) == expected ? 1 : 0;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(right, std::vector<int>(3, 20));
}

TEST(CpuEncoder, NeedsNothingOfTheCheckpointAfterwards) {
  const RandomImages pictures(2, 32);
  RandomModel source(test::TinyConfig());
  std::unique_ptr<Encoder> encoder;
  Floats before;
  {
    model::VisionModel model = source.Take();
    encoder = Make(model, Options(Precision::kF32));
    before = Encode(*encoder, 0, pictures.slots());
    // What a truncated or overwritten file would do to mapped weights.
    auto* patch = const_cast<float*>(static_cast<const float*>(model.weights.patch.data));
    std::fill(patch, patch + model.weights.patch.elements(), 1e30F);
    auto* fc1 = const_cast<float*>(static_cast<const float*>(model.weights.blocks[0].fc1.weight.data));
    std::fill(fc1, fc1 + model.weights.blocks[0].fc1.weight.elements(), 1e30F);
  }
  EXPECT_EQ(Encode(*encoder, 0, pictures.slots()), before);
}

TEST(CpuEncoder, DescribesItself) {
  const RandomModel model(test::TinyConfig());
  auto encoder = Make(model.get(), Options(Precision::kF32, 2));
  const EncoderInfo& info = encoder->info();
  EXPECT_EQ(info.backend, "cpu");
  EXPECT_EQ(info.precision, "f32");
  EXPECT_EQ(info.image_size, 32);
  EXPECT_EQ(info.embedding_dim, 64);
  EXPECT_EQ(info.max_batch, 8);
  EXPECT_NE(info.detail.find("oneDNN"), std::string::npos) << info.detail;
  EXPECT_NE(info.detail.find("1 stream x 2 threads"), std::string::npos) << info.detail;
  EXPECT_GT(info.packed_bytes, 4U * (192 * 128 + 3 * (4 * 128 * 128 + 2 * 128 * 256) + 128 * 64));
  EXPECT_LT(info.executed_flops_per_image, 0.85 * test::TinyConfig().FlopsPerImage());
  EXPECT_GT(info.executed_flops_per_image, 0.6 * test::TinyConfig().FlopsPerImage());
}

TEST(CpuEncoder, RefusesWhatItCannotDo) {
  const RandomModel model(test::TinyConfig());
  const auto code = [&](auto change) {
    EncoderOptions options = Options(Precision::kF32);
    change(options);
    const auto encoder = CreateCpuEncoder(model.get(), nullptr, options);
    return encoder.ok() ? Code::kOk : encoder.status().code();
  };
  EXPECT_EQ(code([](EncoderOptions&) {}), Code::kOk);
  EXPECT_EQ(code([](EncoderOptions& o) { o.max_batch = 65; }), Code::kInvalidRequest);
  EXPECT_EQ(code([](EncoderOptions& o) { o.max_batch = -1; }), Code::kInvalidRequest);
  EXPECT_EQ(code([](EncoderOptions& o) { o.streams = -1; }), Code::kInvalidRequest);
  EXPECT_EQ(code([](EncoderOptions& o) { o.threads_per_stream = 100000; }), Code::kInvalidRequest);
  EXPECT_EQ(code([](EncoderOptions& o) { o.streams = 1000, o.pin_threads = true; }), Code::kInvalidRequest);
  if (!HasBf16()) {
    EXPECT_EQ(code([](EncoderOptions& o) { o.precision = Precision::kBF16; }), Code::kInvalidRequest);
  }
}

TEST(CpuEncoder, RefusesWrongBatchesAndTickets) {
  const RandomModel model(test::TinyConfig());
  const RandomImages pictures(9, 32);
  auto encoder = Make(model.get(), Options(Precision::kF32));
  EncoderStream& stream = encoder->stream(0);
  EXPECT_EQ(stream.depth(), 1);
  Floats out(9 * 64);
  const std::span<const PixelSlot> slots = pictures.slots();
  EXPECT_EQ(stream.Submit(slots, out).status().code(), Code::kInternal);
  EXPECT_EQ(stream.Submit({}, {}).status().code(), Code::kInternal);
  EXPECT_EQ(stream.Submit(slots.first(2), std::span(out).first(64)).status().code(), Code::kInternal);
  const PixelSlot gpu{slots[0].data, 0};
  EXPECT_EQ(stream.Submit({&gpu, 1}, std::span(out).first(64)).status().code(), Code::kInternal);
  EXPECT_EQ(stream.Wait({1}).code(), Code::kInternal);
  const auto ticket = stream.Submit(slots.first(2), std::span(out).first(128));
  ASSERT_TRUE(ticket.ok());
  EXPECT_EQ(stream.Submit(slots.first(1), std::span(out).first(64)).status().code(), Code::kInternal);
  EXPECT_TRUE(stream.Wait(*ticket).ok());
  EXPECT_EQ(stream.Wait(*ticket).code(), Code::kInternal);
}

TEST(CpuEncoder, PinsTheCallingThreadOnlyWhenAsked) {
  const RandomModel model(test::TinyConfig());
  const RandomImages pictures(1, 32);
  for (const bool pin : {false, true}) {
    EncoderOptions options = Options(Precision::kF32);
    options.pin_threads = pin;
    auto encoder = Make(model.get(), options);
    ASSERT_TRUE(encoder->Warmup().ok());
    const size_t before = ProbeMachine().cpus.size();
    std::thread([&] {
      Encode(*encoder, 0, pictures.slots());
      EXPECT_EQ(ProbeMachine().cpus.size(), pin ? 1U : before);
    }).join();
    EXPECT_EQ(ProbeMachine().cpus.size(), before);
  }
}

}  // namespace
}  // namespace photovec::encode
