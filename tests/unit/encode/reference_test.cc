// SPDX-License-Identifier: MIT
#include "encode/reference/reference_encoder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "encode/factory.h"

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

  std::vector<float> Embed(uint8_t red, uint8_t green) {
    EncoderOptions options;
    options.normalization = {.rescale = 1.0F, .mean = {0, 0, 0}, .std = {1, 1, 1}};
    auto encoder = CreateReferenceEncoder(model, nullptr, options);
    EXPECT_TRUE(encoder.ok());
    const std::vector<uint8_t> pixels = {red, green, 0};
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
  hand.model.config.has_class_token = false;
  hand.model.weights.position = hand.View({1, 2}, {0, 0});
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
