// SPDX-License-Identifier: MIT
// The plug-in's vectors against the reference encoder's: every shape, part and activation that a family has.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "encode/reference/reference_encoder.h"
#include "gpu/on_device.h"

namespace photovec::encode::cuda {
namespace {

using model::Activation;
using model::VisionConfig;

// Of a tiny model with random weights a vector may be the small difference of large numbers, in one shape
// with one seed, in another with the next. With this one it is so in none.
constexpr uint32_t kSeed = 9;

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

VisionConfig Heads(int head_dim) { return Config(112, 14, 2 * head_dim, 2, 2); }

// A pool instead of a class token; the grid leaves a strip of pixels out, as patch 14 does at 384.
VisionConfig Siglip(VisionConfig config) {
  config = Plain(With(config, Activation::kGeluTanh));
  config.architecture = "SiglipModel";
  config.has_class_token = false;
  config.has_patch_bias = true;
  config.pooling = model::Pooling::kAttention;
  config.layer_norm_eps = 1e-6F;
  return config;
}

VisionConfig PoolOfBareRows(VisionConfig config) {
  config.has_post_norm = false;
  return config;
}

VisionConfig Dinov2(VisionConfig config, int registers) {
  config = Plain(With(config, Activation::kGeluErf));
  config.architecture = "Dinov2Model";
  config.has_patch_bias = true;
  config.has_layer_scale = true;
  config.register_tokens = registers;
  config.layer_norm_eps = 1e-6F;
  return config;
}

VisionConfig GatedMlp(VisionConfig config, int mlp_size) {
  config.gated_mlp = true;
  config.mlp_size = mlp_size;
  return With(config, Activation::kSilu);
}

VisionConfig Dinov3(VisionConfig config, bool key_bias) {
  config = Dinov2(config, 4);
  config.architecture = "DINOv3ViTModel";
  config.positions = model::Positions::kRotary;
  config.has_key_bias = key_bias;
  return config;
}

std::vector<Case> Cases() {
  std::vector<Case> cases = {
      {"tiny", Config(224, 32, 128, 2, 2)},
      {"one_block", Config(64, 16, 128, 2, 1)},
      {"T257", Config(224, 14, 128, 2, 2)},
      {"T577", Config(336, 14, 128, 2, 2)},
      {"T730", Config(378, 14, 128, 2, 2)},
      {"heads_of_16", Config(64, 16, 64, 4, 3)},
      {"wide", Config(64, 16, 768, 12, 3)},
      {"gelu", With(Config(64, 16, 128, 2, 3), Activation::kGeluErf)},
      {"gelu_tanh", With(Config(64, 16, 128, 2, 3), Activation::kGeluTanh)},
      {"silu", With(Config(64, 16, 128, 2, 3), Activation::kSilu)},
      {"no_projection", Plain(Config(64, 16, 128, 2, 3))},
      {"siglip", Siglip(Config(118, 14, 144, 2, 2))},
      {"siglip_p16", Siglip(Config(60, 16, 128, 2, 2))},
      {"siglip_one_block", Siglip(Config(64, 16, 128, 2, 1))},
      {"pool_of_bare_rows", PoolOfBareRows(Siglip(Config(64, 16, 128, 2, 2)))},
      {"T729_siglip", Siglip(Config(384, 14, 144, 2, 2))},
      {"dinov2", Dinov2(Config(112, 14, 128, 2, 2), 0)},
      {"dinov2_registers", Dinov2(Config(112, 14, 128, 2, 2), 4)},
      {"dinov2_swiglu", GatedMlp(Dinov2(Config(112, 14, 192, 3, 2), 4), 512)},
      {"swiglu_one_block", GatedMlp(Dinov2(Config(64, 16, 128, 2, 1), 0), 344)},
      {"dinov3", Dinov3(Config(128, 16, 128, 2, 2), false)},
      {"dinov3_key_bias", Dinov3(Config(64, 16, 128, 2, 2), true)},
      {"dinov3_one_block", Dinov3(Config(64, 16, 128, 2, 1), true)},
      {"dinov3_gated", GatedMlp(Dinov3(Config(64, 16, 128, 2, 2), false), 352)},
  };
  for (const int head_dim : {64, 72, 80, 88, 96, 104, 128}) {
    cases.push_back({"heads_of_" + std::to_string(head_dim), Heads(head_dim)});
  }
  return cases;
}

bool Runs(const VisionConfig& config) {
  return WithLargeCases() || (config.tokens() <= 200 && config.hidden_size < 768);
}

// What fp8 cannot do is refused, by name.
bool RefusesFp8(const VisionConfig& config, Precision precision) {
  return precision == Precision::kFp8 && (config.hidden_size % 16 != 0 || config.mlp_size % 16 != 0);
}

std::unique_ptr<Encoder> Reference(const model::VisionModel& model, const model::TextModel* text) {
  auto made = CreateReferenceEncoder(model, text, EncoderOptions());
  EXPECT_TRUE(made.ok()) << made.status().message();
  return std::move(*made);
}

double WorstCosine(const std::vector<float>& got, const std::vector<float>& expected, size_t dim) {
  return test::Compare(got, expected, dim).min_cosine;
}

TEST_P(OnDevice, GivesTheReferencesVectors) {
  for (const Case& c : Cases()) {
    if (!Runs(c.config) || RefusesFp8(c.config, GetParam())) continue;
    const test::RandomModel model(c.config, kSeed);
    const auto images = RandomImages(3, c.config.image_size);
    const auto reference = Reference(model.get(), nullptr);
    OnGpu gpu = Load(model.get(), GetParam(), {.max_batch = 4});
    ASSERT_NE(gpu.stream, nullptr) << c.name;
    const auto dim = static_cast<size_t>(gpu.dim);
    std::vector<float> expected(images.size() * dim);
    const auto slots = Slots(images);
    const auto ticket = reference->stream(0).Submit(slots, expected);
    ASSERT_TRUE(ticket.ok() && reference->stream(0).Wait(*ticket).ok());
    const double worst = WorstCosine(gpu.Encode(slots), expected, dim);
    std::printf("  %-18s cosine >= %.8f\n", c.name.c_str(), worst);
    // Three bits of fp8 do not average out over so few columns.
    const double error = 1 - LeastCosine(GetParam());
    EXPECT_GE(worst, 1 - (GetParam() == Precision::kFp8 ? 4 : 1) * error) << c.name;
  }
}

// A short text has few rows whose errors cancel out, and one token sees nobody else; fp8 is for images alone.
double LeastTextCosine(Precision precision) {
  return 1 - 4 * (1 - LeastCosine(precision == Precision::kFp8 ? Precision::kF16 : precision));
}

struct TextCase {
  std::string name;
  model::TextConfig config;
};

model::TextConfig TextOf(bool causal, int max_tokens, int dim, int heads, int layers) {
  model::TextConfig config;
  config.architecture = "CLIPTextModelWithProjection";
  config.hidden_size = dim;
  config.heads = heads;
  config.layers = layers;
  config.mlp_size = 4 * dim;
  config.vocabulary_size = 120;
  config.max_tokens = max_tokens;
  config.projection_dim = 64;
  config.causal = causal;
  config.has_projection_bias = !causal;
  if (!causal) config.activation = Activation::kGeluTanh;
  return config;
}

model::TextConfig Unprojected(model::TextConfig config) {
  config.projection_dim = 0;
  return config;
}

std::vector<TextCase> TextCases() {
  return {{"clip", TextOf(true, 24, 128, 2, 2)},
          {"clip_77", TextOf(true, 77, 128, 2, 2)},
          {"clip_one_block", TextOf(true, 24, 128, 2, 1)},
          {"clip_heads_of_80", TextOf(true, 24, 160, 2, 2)},
          {"siglip_64", TextOf(false, 64, 128, 2, 2)},
          {"siglip_16", TextOf(false, 16, 144, 2, 2)},
          {"siglip_one_block", TextOf(false, 16, 128, 2, 1)},
          {"no_projection", Unprojected(TextOf(false, 16, 64, 4, 2))}};
}

// Texts of many lengths, or all of max_tokens.
std::vector<std::vector<int32_t>> RandomTexts(const model::TextConfig& config) {
  std::mt19937 random(3);
  std::vector<std::vector<int32_t>> texts;
  for (const int wanted : {7, 1, config.max_tokens, 2, 12, 5}) {
    texts.emplace_back(static_cast<size_t>(config.causal ? wanted : config.max_tokens));
    for (int32_t& id : texts.back()) {
      id = static_cast<int32_t>(random() % static_cast<uint32_t>(config.vocabulary_size));
    }
  }
  return texts;
}

TEST_P(OnDevice, TextsGiveTheReferencesVectors) {
  const test::RandomModel images(Config(64, 16, 128, 2, 1));
  for (const TextCase& c : TextCases()) {
    const model::TextModel text = test::RandomText(c.config);
    const auto reference = Reference(images.get(), &text);
    OnGpu gpu =
        Load(images.get(), GetParam(),
             {.max_texts = 8, .max_text_tokens = c.config.causal ? 120 : 8 * c.config.max_tokens}, &text);
    ASSERT_NE(gpu.stream, nullptr) << c.name;
    const auto storage = RandomTexts(c.config);
    const std::vector<TokenIds> texts(storage.begin(), storage.end());
    const auto dim = static_cast<size_t>(gpu.dim);
    std::vector<float> expected(texts.size() * dim);
    const auto ticket = reference->stream(0).SubmitTexts(texts, expected);
    ASSERT_TRUE(ticket.ok() && reference->stream(0).Wait(*ticket).ok()) << ticket.status().message();
    const std::vector<float> together = gpu.EncodeTexts(texts);
    std::vector<float> alone;
    for (const TokenIds& one : texts) {
      const auto vector = gpu.EncodeTexts({&one, 1}, 1);
      alone.insert(alone.end(), vector.begin(), vector.end());
    }
    const double worst = std::min(WorstCosine(together, expected, dim), WorstCosine(alone, expected, dim));
    std::printf("  %-18s cosine >= %.8f\n", c.name.c_str(), worst);
    EXPECT_GE(worst, LeastTextCosine(GetParam())) << c.name;
  }
}

// Neither where a text stands in a batch nor who stands beside it changes a bit within one graph.
TEST_P(OnDevice, NeighboursOfATextChangeNothing) {
  const test::RandomModel images(Config(64, 16, 128, 2, 1));
  for (const bool causal : {true, false}) {
    const model::TextModel text = test::RandomText(TextOf(causal, 16, 128, 2, 2));
    OnGpu gpu = Load(images.get(), GetParam(), {.max_texts = 8, .max_text_tokens = 128}, &text);
    ASSERT_NE(gpu.stream, nullptr);
    const auto storage = RandomTexts(text.config);
    std::vector<TokenIds> texts(storage.begin(), storage.end());
    const auto dim = static_cast<std::ptrdiff_t>(gpu.dim);
    const auto forward = gpu.EncodeTexts(texts, 0);
    std::reverse(texts.begin(), texts.end());
    const auto backward = gpu.EncodeTexts(texts, 1);
    for (std::ptrdiff_t i = 0; i < static_cast<std::ptrdiff_t>(texts.size()); ++i) {
      EXPECT_TRUE(std::equal(forward.begin() + i * dim, forward.begin() + (i + 1) * dim,
                             backward.end() - (i + 1) * dim))
          << "text " << i << (causal ? ", causal" : "");
    }
  }
}

// Both sides of a stream in flight, one with images, the other with texts.
TEST_P(OnDevice, ImagesAndTextsShareAStream) {
  const test::RandomModel model(Config(64, 16, 128, 2, 2));
  const model::TextModel text = test::RandomText(TextOf(true, 24, 128, 2, 2));
  OnGpu gpu = Load(model.get(), GetParam(), {.max_batch = 3, .max_texts = 6, .max_text_tokens = 60}, &text);
  ASSERT_NE(gpu.stream, nullptr);
  const auto images = RandomImages(3, 64);
  const auto slots = Slots(images);
  const auto storage = RandomTexts(text.config);
  const std::vector<TokenIds> texts(storage.begin(), storage.end());
  const auto image_vectors = gpu.Encode(slots);
  const auto text_vectors = gpu.EncodeTexts(texts);
  for (int round = 0; round < 2; ++round) {
    ASSERT_TRUE(gpu.stream->Start(0, slots).ok());
    ASSERT_TRUE(gpu.stream->StartTexts(1, texts).ok());
    ASSERT_TRUE(WaitFor(*gpu.stream, 0).ok());
    ASSERT_TRUE(WaitFor(*gpu.stream, 1).ok());
    EXPECT_EQ(gpu.Output(0, slots.size()), image_vectors);
    EXPECT_EQ(gpu.Output(1, texts.size()), text_vectors);
  }
}

TEST_P(OnDevice, AStreamSaysWhatItDoesNotTake) {
  const test::RandomModel model(Config(64, 16, 128, 2, 1));
  const model::TextModel text = test::RandomText(TextOf(true, 24, 128, 2, 1));
  OnGpu texts_alone = Load(model.get(), GetParam(), {.max_texts = 2, .max_text_tokens = 24}, &text);
  OnGpu images_alone = Load(model.get(), GetParam(), {.max_batch = 2});
  ASSERT_TRUE(texts_alone.stream != nullptr && images_alone.stream != nullptr);
  const auto images = RandomImages(1, 64);
  const std::vector<int32_t> ids(24);
  const TokenIds one(ids);
  const std::vector<TokenIds> two = {one, one};
  EXPECT_EQ(texts_alone.stream->Start(0, Slots(images)).code(), Code::kInternal);
  EXPECT_EQ(texts_alone.stream->StartTexts(0, two).code(), Code::kInternal) << "48 tokens";
  EXPECT_EQ(images_alone.stream->StartTexts(0, {&one, 1}).code(), Code::kInternal);
  EXPECT_FALSE(images_alone.model->CreateStream({.max_texts = 1, .max_text_tokens = 24}).ok());
}

TEST_P(OnDevice, RefusesWhatItCannotRunByName) {
  const auto refused = [&](const VisionConfig& config, const char* names) {
    model::VisionModel model;  // its weights are not looked at
    model.config = config;
    device::DeviceModelOptions options;
    options.precision = GetParam();
    const auto loaded = ThePlatform()->Load(0, model, nullptr, options);
    EXPECT_EQ(loaded.status().code(), Code::kNotImplemented) << names;
    EXPECT_NE(loaded.status().message().find(names), std::string::npos) << loaded.status().message();
    EXPECT_NE(loaded.status().message().find("--device cpu"), std::string::npos) << loaded.status().message();
  };
  refused(Config(32, 16, 4096, 32, 1), "hidden size 4096");
  refused(Config(32, 16, 120, 10, 1), "heads of 12");
  refused(Dinov3(Config(32, 16, 48, 2, 1), false), "rotary positions in heads of sixteens, not of 24");
  VisionConfig no_pool = Config(32, 16, 128, 2, 1);
  no_pool.has_class_token = false;
  refused(no_pool, "pool a class token");
}

INSTANTIATE_TEST_SUITE_P(Precisions, OnDevice, testing::ValuesIn(Precisions()), NameOfPrecision);

}  // namespace
}  // namespace photovec::encode::cuda
