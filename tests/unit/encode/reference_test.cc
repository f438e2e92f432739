// SPDX-License-Identifier: MIT
#include "encode/reference/reference_encoder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numbers>
#include <string>
#include <vector>

#include "encode/factory.h"
#include "encode/reference/transformer.h"

namespace photovec::encode {
namespace {

using testing::HasSubstr;

/// One block of width 2 on 1x1 patches, small enough to follow by hand. Everything that is not set is zero.
struct HandModel {
  std::vector<std::vector<float>> storage;
  model::VisionModel model;

  TensorView View(std::vector<int64_t> shape, std::vector<float> values) {
    storage.push_back(std::move(values));
    TensorView view;
    view.shape = std::move(shape);
    view.data = storage.back().data();
    return view;
  }

  HandModel() {
    storage.reserve(64);
    model::VisionConfig& config = model.config;
    config.architecture = "CLIPVisionModel";
    config.image_size = 1;
    config.patch_size = 1;
    config.hidden_size = 2;
    config.layers = 1;
    config.heads = 1;
    config.mlp_size = 1;
    config.has_pre_norm = false;
    config.has_post_norm = false;
    model::VisionWeights& weights = model.weights;
    weights.patch = View({2, 3, 1, 1}, {1, 0, 0, 0, 1, 0});  // x = (red, green)
    weights.class_token = View({2}, {3, 1});
    weights.position = View({2, 2}, {0, 0, 0, 0});
    model::Block& block = weights.blocks.emplace_back();
    for (model::Norm* norm : {&block.norm1, &block.norm2}) *norm = {View({2}, {1, 1}), View({2}, {0, 0})};
    for (model::Linear* linear : {&block.q, &block.k, &block.v, &block.out}) {
      *linear = {View({2, 2}, {0, 0, 0, 0}), View({2}, {0, 0})};
    }
    block.fc1 = {View({1, 2}, {0, 0}), View({1}, {0})};
    block.fc2 = {View({2, 1}, {0, 0}), View({2}, {0, 0})};
  }

  /// No class token: the patch alone.
  void DropClassToken() {
    model.config.has_class_token = false;
    model.weights.class_token = {};
    model.weights.position = View({1, 2}, {0, 0});
  }

  std::vector<float> Embed(uint8_t red, uint8_t green) { return Embed(std::vector<uint8_t>{red, green, 0}); }
  std::vector<float> Embed(const std::vector<uint8_t>& pixels) {
    EncoderOptions options;
    options.normalization = {.rescale = 1.0F, .mean = {0, 0, 0}, .std = {1, 1, 1}};
    auto encoder = CreateReferenceEncoder(model, nullptr, options);
    EXPECT_TRUE(encoder.ok());
    const PixelSlot slot{pixels.data(), PixelSlot::kHost};
    std::vector<float> out(2);
    const auto ticket = (*encoder)->stream(0).Submit({&slot, 1}, out);
    EXPECT_TRUE(ticket.ok());
    EXPECT_TRUE((*encoder)->stream(0).Wait(*ticket).ok());
    return out;
  }
};

TEST(ReferenceEncoder, ResidualStreamPassesTheClassTokenThrough) {
  EXPECT_EQ(HandModel().Embed(10, 20), (std::vector<float>{3, 1}));
}

TEST(ReferenceEncoder, AttentionMixesValuesOfAllTokens) {
  HandModel hand;
  model::Block& block = hand.model.weights.blocks[0];
  block.v.weight = hand.View({2, 2}, {1, 0, 0, 1});
  block.out.weight = hand.View({2, 2}, {1, 0, 0, 1});
  // norm1 makes (1, -1) of the class token (3, 1), and (-1, 1) of the patch (10, 20). With q = k = 0 both
  // weigh one half, so the update is their mean, 0.
  const std::vector<float> even = hand.Embed(10, 20);
  EXPECT_NEAR(even[0], 3, 1e-4);
  // A patch (20, 10) becomes (1, -1) as well: the update is (1, -1).
  const std::vector<float> alike = hand.Embed(20, 10);
  EXPECT_NEAR(alike[0], 4, 1e-4);
  EXPECT_NEAR(alike[1], 0, 1e-4);
  // Queries and keys of norm 2^0.5 each: scores 2 / sqrt(2) for itself and -2 / sqrt(2) for the patch (-1,
  // 1).
  block.q.weight = hand.View({2, 2}, {1, 0, 0, 1});
  block.k.weight = hand.View({2, 2}, {1, 0, 0, 1});
  const double own = 1.0 / (1.0 + std::exp(-2.0 * std::sqrt(2.0)));
  EXPECT_NEAR(hand.Embed(10, 20)[0], 3 + own - (1 - own), 1e-4);
}

TEST(ReferenceEncoder, ActivationsAreThoseOfTheirNames) {
  HandModel hand;
  model::Block& block = hand.model.weights.blocks[0];
  block.fc1.bias = hand.View({1}, {-1.5F});  // the MLP's input is -1.5 whatever the image
  block.fc2.weight = hand.View({2, 1}, {1, 0});
  const auto update = [&](model::Activation activation) {
    hand.model.config.activation = activation;
    return hand.Embed(0, 0)[0] - 3.0F;
  };
  EXPECT_NEAR(update(model::Activation::kQuickGelu), -1.5 / (1 + std::exp(1.702 * 1.5)), 1e-6);
  EXPECT_NEAR(update(model::Activation::kGeluErf), -1.5 * 0.0668072, 1e-6);
  EXPECT_NEAR(update(model::Activation::kGeluTanh), -0.1004284, 1e-5);
}

TEST(ReferenceEncoder, NormalisesPixelsPerChannel) {
  HandModel hand;
  hand.DropClassToken();
  EncoderOptions options;
  options.normalization = {.rescale = 0.5F, .mean = {1, 2, 0}, .std = {2, 4, 1}};
  auto encoder = CreateReferenceEncoder(hand.model, nullptr, options);
  ASSERT_TRUE(encoder.ok());
  const std::vector<uint8_t> pixels = {10, 20, 0};
  const PixelSlot slot{pixels.data(), PixelSlot::kHost};
  std::vector<float> out(2);
  ASSERT_TRUE((*encoder)->stream(0).Wait(*(*encoder)->stream(0).Submit({&slot, 1}, out)).ok());
  EXPECT_EQ(out, (std::vector<float>{2, 2}));
}

/// Attention that weighs all tokens alike and adds their mean.
void AddMeans(HandModel& hand, float factor = 1) {
  for (model::Block& block : hand.model.weights.blocks) {
    block.v.weight = hand.View({2, 2}, {1, 0, 0, 1});
    block.out.weight = hand.View({2, 2}, {factor, 0, 0, factor});
  }
}

TEST(ReferenceEncoder, RegistersAreTokensWithoutPosition) {
  HandModel hand;
  AddMeans(hand);
  hand.model.config.register_tokens = 1;
  hand.model.weights.registers = hand.View({1, 2}, {2, 0});
  // Class token (1, -1), register (1, -1), patch (-1, 1).
  EXPECT_NEAR(hand.Embed(10, 20)[0], 3 + 1.0 / 3, 1e-4);
  hand.model.weights.position = hand.View({2, 2}, {0, 0, 20, 0});  // moves the patch to (1, -1)
  EXPECT_NEAR(hand.Embed(10, 20)[0], 4, 1e-4);
}

TEST(ReferenceEncoder, LayerScaleWeighsEveryColumnOfAnUpdate) {
  HandModel hand;
  AddMeans(hand);
  model::Block& block = hand.model.weights.blocks[0];
  block.fc1.bias = hand.View({1}, {1});
  block.fc2.weight = hand.View({2, 1}, {0, 1});
  hand.model.config.activation = model::Activation::kSilu;
  block.layer_scale1 = hand.View({2}, {0.5F, 2});
  block.layer_scale2 = hand.View({2}, {1, 10});
  const std::vector<float> out = hand.Embed(20, 10);
  EXPECT_NEAR(out[0], 3.5, 1e-4);
  EXPECT_NEAR(out[1], 1 - 2 + 10 / (1 + std::exp(-1.0)), 1e-4);
}

TEST(ReferenceEncoder, GatedMlpMultipliesTheActivatedGate) {
  HandModel hand;
  hand.model.config.gated_mlp = true;
  hand.model.config.activation = model::Activation::kSilu;
  model::Block& block = hand.model.weights.blocks[0];
  block.fc1.bias = hand.View({1}, {-1.5F});
  block.up = {hand.View({1, 2}, {0, 0}), hand.View({1}, {2})};
  block.fc2.weight = hand.View({2, 1}, {1, 0});
  EXPECT_NEAR(hand.Embed(0, 0)[0], 3 - 2 * 1.5 / (1 + std::exp(1.5)), 1e-6);
}

TEST(ReferenceEncoder, KeysMayHaveNoBias) {
  HandModel hand;
  AddMeans(hand);
  hand.model.config.has_key_bias = false;
  hand.model.weights.blocks[0].k.bias = {};
  EXPECT_NEAR(hand.Embed(20, 10)[0], 4, 1e-4);
}

TEST(ReferenceEncoder, AttentionPoolAsksWithItsProbe) {
  HandModel hand;
  hand.model.config.pooling = model::Pooling::kAttention;
  hand.model.config.has_post_norm = true;
  model::VisionWeights& weights = hand.model.weights;
  weights.post_norm = {hand.View({2}, {1, 1}), hand.View({2}, {0, 0})};
  model::AttentionPool& pool = weights.pool;
  pool.probe = hand.View({2}, {1, 0});
  for (model::Linear* linear : {&pool.q, &pool.k, &pool.v, &pool.out}) {
    *linear = {hand.View({2, 2}, {1, 0, 0, 1}), hand.View({2}, {0, 0})};
  }
  pool.norm = {hand.View({2}, {1, 1}), hand.View({2}, {0, 0})};
  pool.fc1 = {hand.View({1, 2}, {1, 0}), hand.View({1}, {0})};
  pool.fc2 = {hand.View({2, 1}, {0, 0}), hand.View({2}, {0, 0})};
  // Keys: class token (1, -1), patch (-1, 1). Nothing is added to the probe.
  const double own = 1.0 / (1.0 + std::exp(-std::sqrt(2.0)));
  EXPECT_NEAR(hand.Embed(10, 20)[0], own - (1 - own), 1e-4);
  EXPECT_NEAR(hand.Embed(10, 20)[1], (1 - own) - own, 1e-4);
  pool.fc2.weight = hand.View({2, 1}, {0, 5});  // of act(1): norm(h) is (1, -1)
  EXPECT_NEAR(hand.Embed(10, 20)[1], (1 - own) - own + 5 / (1 + std::exp(-1.702)), 1e-3);
}

TEST(ReferenceEncoder, PixelsBeyondTheLastWholePatchAreNotLookedAt) {
  HandModel hand;
  hand.DropClassToken();
  hand.model.config.image_size = 3;
  hand.model.config.patch_size = 2;
  std::vector<float> red(24);
  std::fill_n(red.begin(), 4, 1.0F);  // the sum of the red pixels
  hand.model.weights.patch = hand.View({2, 3, 2, 2}, red);
  std::vector<uint8_t> pixels(27);
  for (size_t i = 0; i < 9; ++i) pixels[i * 3] = static_cast<uint8_t>(i + 1);
  EXPECT_EQ(hand.Embed(pixels)[0], 1 + 2 + 4 + 5);
}

TEST(ReferenceRotary, TurnsPatchesByTheirPlaceAndNoPrefix) {
  model::VisionConfig config;
  config.patch_size = 1;
  config.image_size = 4;
  config.hidden_size = 8;
  config.heads = 2;
  const reference::Rotary rotary(config);
  reference::Matrix x(17, 8);
  for (int r = 0; r < x.rows; ++r) {
    for (int c = 0; c < 8; ++c) x.at(r, c) = static_cast<float>(c + 1);
  }
  rotary.Turn(x);
  const auto row = [&](int r) { return x.Row(r).values; };
  using testing::FloatNear;
  using testing::Pointwise;
  EXPECT_EQ(row(0), (std::vector<float>{1, 2, 3, 4, 5, 6, 7, 8}));  // class token
  // Centres are -3/4, -1/4, 1/4, 3/4 of a turn: (a, b) becomes (-b, a) at -3/4 and (b, -a) at -1/4.
  EXPECT_THAT(row(1), Pointwise(FloatNear(1e-5F), std::vector<float>{-3, -4, 1, 2, -7, -8, 5, 6}));
  EXPECT_THAT(row(2), Pointwise(FloatNear(1e-5F), std::vector<float>{-3, 4, 1, -2, -7, 8, 5, -6}));
  EXPECT_THAT(row(5), Pointwise(FloatNear(1e-5F), std::vector<float>{3, -4, -1, 2, 7, -8, -5, 6}));
}

TEST(ReferenceRotary, LaterPairsTurnMoreSlowly) {
  model::VisionConfig config;
  config.patch_size = 1;
  config.image_size = 2;
  config.hidden_size = 8;
  config.heads = 1;
  config.rope_theta = 16;
  config.has_class_token = false;
  reference::Matrix x(4, 8);
  x.at(0, 1) = 1;  // y, second pair: a quarter of the frequency; the centre is -1/2
  reference::Rotary(config).Turn(x);
  EXPECT_NEAR(x.at(0, 1), std::cos(-std::numbers::pi / 4), 1e-6);
  EXPECT_NEAR(x.at(0, 5), std::sin(-std::numbers::pi / 4), 1e-6);
}

/// Two blocks that add -2 times the mean of what a row sees; tokens and positions chosen by hand.
struct HandText {
  HandModel hand;
  model::TextModel text;

  HandText() {
    AddMeans(hand, -2);
    text.config.hidden_size = 2;
    text.config.layers = 2;
    text.config.heads = 1;
    text.config.mlp_size = 1;
    text.config.vocabulary_size = 3;
    text.config.max_tokens = 2;
    text.config.projection_dim = 2;
    text.config.has_projection_bias = true;
    text.weights.token_embedding = hand.View({3, 2}, {0, 0, 1.5F, 2, 15, 10});
    text.weights.position = hand.View({2, 2}, {0, 0, 5, 0});
    text.weights.blocks = {hand.model.weights.blocks[0], hand.model.weights.blocks[0]};
    text.weights.projection = {hand.View({2, 2}, {1, 1, 1, 0}), hand.View({2}, {3, 0})};
  }

  Result<std::vector<float>> Embed(const std::vector<std::vector<int32_t>>& texts) {
    auto encoder = CreateEncoder(Backend::kReference, hand.model, &text, {});
    EXPECT_TRUE(encoder.ok());
    const std::vector<TokenIds> ids(texts.begin(), texts.end());
    std::vector<float> out(texts.size() * 2);
    ASSIGN_OR_RETURN(const Ticket ticket, (*encoder)->stream(0).SubmitTexts(ids, out));
    RETURN_IF_ERROR((*encoder)->stream(0).Wait(ticket));
    return out;
  }
};

TEST(ReferenceText, ARowSeesThoseBeforeItOrAll) {
  HandText model;
  const auto causal = model.Embed({{1, 2}, {1}});
  ASSERT_TRUE(causal.ok());
  // Rows (1.5, 2) and (20, 10), normed (-1, 1) and (1, -1). Block 1: the first sees itself and becomes (3.5,
  // 0), the second sees a mean of 0. Block 2: both are (1, -1) now, and the last row becomes (18, 12).
  EXPECT_NEAR((*causal)[0], 18 + 12 + 3, 1e-3);
  EXPECT_NEAR((*causal)[1], 18, 1e-3);
  EXPECT_NEAR((*causal)[3], 1.5, 1e-3);  // alone: +2, then -2
  model.text.config.causal = false;
  const auto all = model.Embed({{1, 2}});
  ASSERT_TRUE(all.ok());
  EXPECT_NEAR((*all)[1], 20, 1e-3);  // both blocks see a mean of 0
}

TEST(ReferenceText, NormsTheLastRowAlone) {
  HandText model;
  model.text.weights.final_norm = {model.hand.View({2}, {2, 1}), model.hand.View({2}, {0.5F, 0})};
  EXPECT_NEAR((*model.Embed({{1, 2}}))[1], 2 * 1 + 0.5, 1e-3);  // of norm(18, 12) = (1, -1)
}

TEST(ReferenceText, TokenRowsMayBeHalves) {
  HandText model;
  const std::vector<uint16_t> rows = {
      0, 0, FloatToBFloat16(1.5F), FloatToBFloat16(2), FloatToBFloat16(15), FloatToBFloat16(10)};
  model.text.weights.token_embedding.dtype = DType::kBF16;
  model.text.weights.token_embedding.data = rows.data();
  EXPECT_NEAR((*model.Embed({{1, 2}}))[1], 18, 1e-3);
}

TEST(ReferenceText, RefusesWhatTheContractForbids) {
  HandText model;
  EXPECT_EQ(model.Embed({{}}).status().code(), Code::kInternal);
  EXPECT_EQ(model.Embed({{1, 1, 1}}).status().code(), Code::kInternal);
  EXPECT_THAT(model.Embed({{1, 3}}).status().message(), HasSubstr("token 3 of a vocabulary of 3"));
  EXPECT_THAT(model.Embed({{-1}}).status().message(), HasSubstr("token -1"));
  model.text.config.causal = false;
  EXPECT_THAT(model.Embed({{1}}).status().message(), HasSubstr("2 to 2 expected"));
  auto images_alone = CreateEncoder(Backend::kReference, model.hand.model, nullptr, {});
  ASSERT_TRUE(images_alone.ok());
  EXPECT_FALSE((*images_alone)->info().text);
  const std::vector<int32_t> ids = {1};
  const TokenIds text = ids;
  std::vector<float> out(2);
  EXPECT_THAT((*images_alone)->stream(0).SubmitTexts({&text, 1}, out).status().message(),
              HasSubstr("no text tower"));
}

TEST(ReferenceText, SaysWhatItTakesAndKeepsLanesForTexts) {
  HandText model;
  EncoderOptions options;
  options.text_streams = 2;
  auto encoder = CreateEncoder(Backend::kReference, model.hand.model, &model.text, options);
  ASSERT_TRUE(encoder.ok());
  EXPECT_EQ((*encoder)->stream_count(), 3);
  EXPECT_EQ((*encoder)->text_stream_count(), 2);
  ASSERT_TRUE((*encoder)->info().text);
  EXPECT_EQ((*encoder)->info().text->max_tokens, 2);
  EXPECT_TRUE((*encoder)->info().text->causal);
  EXPECT_GT((*encoder)->info().text->flops_per_token, 0);
}

TEST(ReferenceEncoder, RefusesWhatTheContractForbids) {
  HandModel hand;
  EncoderOptions options;
  options.max_batch = 2;
  auto encoder = CreateEncoder(Backend::kReference, hand.model, nullptr, options);
  ASSERT_TRUE(encoder.ok());
  EncoderStream& stream = (*encoder)->stream(0);
  const std::vector<uint8_t> pixels(3);
  const std::vector<PixelSlot> slots(3, {pixels.data(), PixelSlot::kHost});
  std::vector<float> out(6);
  EXPECT_EQ(stream.Submit(slots, out).status().code(), Code::kInternal);
  EXPECT_EQ(stream.Submit({slots.data(), 2}, out).status().code(), Code::kInternal);
  EXPECT_EQ(stream.Submit({}, {}).status().code(), Code::kInternal);
  EXPECT_EQ(stream.Wait(Ticket{1}).code(), Code::kInternal);
  const auto ticket = stream.Submit({slots.data(), 2}, {out.data(), 4});
  ASSERT_TRUE(ticket.ok());
  EXPECT_EQ(stream.Submit({slots.data(), 2}, {out.data(), 4}).status().code(), Code::kInternal);
  EXPECT_TRUE(stream.Wait(*ticket).ok());

  options.precision = Precision::kBF16;
  EXPECT_EQ(CreateEncoder(Backend::kReference, hand.model, nullptr, options).status().code(),
            Code::kInvalidRequest);
  options.precision = Precision::kF32;
  options.threads_per_stream = 2;
  EXPECT_EQ(CreateEncoder(Backend::kReference, hand.model, nullptr, options).status().code(),
            Code::kInvalidRequest);
}

TEST(Factory, NamesWhatThereIs) {
  EXPECT_EQ(JoinNames<Backend>(", "), "cpu, cuda, reference");
  HandModel hand;
  const auto encoder = CreateEncoder(Backend::kReference, hand.model, nullptr, {});
  ASSERT_TRUE(encoder.ok());
  EXPECT_EQ((*encoder)->info().backend, NameOf(Backend::kReference));
  EXPECT_EQ(*ParsePrecision("auto"), Precision::kAuto);
  EXPECT_EQ(*ParsePrecision("f32"), Precision::kF32);
  EXPECT_EQ(*ParsePrecision("bf16"), Precision::kBF16);
  EXPECT_EQ(*ParsePrecision("f16"), Precision::kF16);
  EXPECT_EQ(*ParsePrecision("fp8"), Precision::kFp8);
  const auto precision = ParsePrecision("int8");
  ASSERT_FALSE(precision.ok());
  EXPECT_EQ(precision.status().code(), Code::kInvalidRequest);
  EXPECT_THAT(precision.status().message(), HasSubstr("auto, f32, bf16, f16, fp8"));
}

}  // namespace
}  // namespace photovec::encode
