// SPDX-License-Identifier: MIT
#include "model/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "model/presets.h"

namespace photovec::model {
namespace {

using testing::AllOf;
using testing::HasSubstr;

VisionConfig Parse(std::string_view text) {
  auto config = ParseConfig(text);
  EXPECT_TRUE(config.ok()) << config.status().ToString();
  return config.ok() ? *config : VisionConfig{};
}

void ExpectError(std::string_view text, std::string_view key, std::string_view found,
                 std::string_view supported) {
  const auto config = ParseConfig(text);
  ASSERT_FALSE(config.ok()) << text;
  EXPECT_EQ(config.status().code(), Code::kInvalidRequest);
  EXPECT_THAT(config.status().message(), AllOf(HasSubstr(std::string(key)), HasSubstr(std::string(found)),
                                               HasSubstr(std::string(supported))));
}

TEST(ParseConfig, ClipModelWithEmptyVisionConfigHasTransformersDefaults) {
  const VisionConfig config = Parse(R"({"architectures":["CLIPModel"],"vision_config":{}})");
  EXPECT_EQ(config.image_size, 224);
  EXPECT_EQ(config.patch_size, 32);
  EXPECT_EQ(config.hidden_size, 768);
  EXPECT_EQ(config.layers, 12);
  EXPECT_EQ(config.heads, 12);
  EXPECT_EQ(config.mlp_size, 3072);
  EXPECT_EQ(config.projection_dim, 512);
  EXPECT_EQ(config.activation, Activation::kQuickGelu);
  EXPECT_FLOAT_EQ(config.layer_norm_eps, 1e-5F);
  EXPECT_EQ(config.tokens(), 50);
  EXPECT_EQ(config.embedding_dim(), 512);
  EXPECT_TRUE(config.has_pre_norm && config.has_post_norm && config.has_class_token);
  EXPECT_FALSE(config.has_patch_bias || config.has_layer_scale);
}

TEST(ParseConfig, ClipModelTakesProjectionFromTheTopAndTheRestFromVisionConfig) {
  const VisionConfig config = Parse(R"({"architectures":["CLIPModel"],"projection_dim":768,"hidden_size":7,
      "vision_config":{"hidden_size":1024,"num_hidden_layers":24,"num_attention_heads":16,"patch_size":14,
      "intermediate_size":4096,"projection_dim":99,"hidden_act":"gelu","layer_norm_eps":1e-6}})");
  EXPECT_EQ(config.projection_dim, 768);
  EXPECT_EQ(config.hidden_size, 1024);
  EXPECT_EQ(config.activation, Activation::kGeluErf);
  EXPECT_FLOAT_EQ(config.layer_norm_eps, 1e-6F);
  EXPECT_EQ(config.tokens(), 257);
  EXPECT_EQ(config.head_dim(), 64);
}

TEST(ParseConfig, VisionConfigDictReplacesVisionConfigAsTransformersDoes) {
  const VisionConfig config =
      Parse(R"({"model_type":"clip","vision_config":{"hidden_size":1024,"patch_size":16},
      "vision_config_dict":{"patch_size":14}})");
  EXPECT_EQ(config.patch_size, 14);
  EXPECT_EQ(config.hidden_size, 768);
  EXPECT_EQ(Parse(R"({"model_type":"clip","vision_config":{"patch_size":16},"vision_config_dict":null})")
                .patch_size,
            16);
}

TEST(ParseConfig, VisionModelsAreFlatAndOnlyOneOfThemProjects) {
  const char* flat =
      R"({"architectures":["CLIPVisionModel"],"model_type":"clip_vision_model","hidden_size":64,
      "num_attention_heads":2,"projection_dim":32})";
  EXPECT_EQ(Parse(flat).projection_dim, 0);
  EXPECT_EQ(Parse(flat).embedding_dim(), 64);
  const VisionConfig projected = Parse(R"({"architectures":["CLIPVisionModelWithProjection"],
      "model_type":"clip_vision_model","hidden_size":64,"num_attention_heads":2,"projection_dim":32})");
  EXPECT_EQ(projected.projection_dim, 32);
  EXPECT_EQ(projected.architecture, "CLIPVisionModelWithProjection");
}

TEST(ParseConfig, KnowsEveryGeluSpelling) {
  const auto with = [](const char* name) {
    return Parse(R"({"model_type":"clip_vision_model","hidden_act":")" + std::string(name) + "\"}")
        .activation;
  };
  EXPECT_EQ(with("quick_gelu"), Activation::kQuickGelu);
  EXPECT_EQ(with("gelu"), Activation::kGeluErf);
  EXPECT_EQ(with("gelu_new"), Activation::kGeluTanh);
  EXPECT_EQ(with("gelu_pytorch_tanh"), Activation::kGeluTanh);
  EXPECT_EQ(ActivationName(Activation::kQuickGelu), "quick_gelu");
  EXPECT_EQ(ActivationName(Activation::kGeluErf), "gelu");
  EXPECT_EQ(ActivationName(Activation::kGeluTanh), "gelu_pytorch_tanh");
}

TEST(ParseConfig, ErrorsNameKeyValueAndWhatIsSupported) {
  ExpectError(R"({"architectures":["BertModel"]})", "architectures", "BertModel",
              "CLIPVisionModelWithProjection");
  ExpectError(R"({"model_type":"siglip2"})", "model_type", "siglip2", "NaFlex");
  ExpectError(R"({})", "architectures", "model_type", "HuggingFace");
  ExpectError(R"({"model_type":"clip","vision_config":{"hidden_act":"relu"}})", "vision_config.hidden_act",
              "relu", "quick_gelu, gelu");
  ExpectError(R"({"model_type":"clip","vision_config":{"patch_size":"16"}})", "vision_config.patch_size",
              "\"16\"", "integer");
  ExpectError(R"({"model_type":"clip","vision_config":[]})", "vision_config", "[]", "object");
  ExpectError(R"({"model_type":"clip_vision_model","num_hidden_layers":-1})", "num_hidden_layers", "-1",
              "1 to");
  ExpectError(R"({"model_type":"clip_vision_model","hidden_size":99999999999})", "hidden_size", "99999999999",
              "65536");
  ExpectError(R"({"model_type":"clip_vision_model","num_channels":1})", "num_channels", "1", "3");
  ExpectError(R"({"model_type":"clip_vision_model","layer_norm_eps":0})", "layer_norm_eps", "0", "above 0");
  ExpectError(R"({"model_type":"clip_vision_model","patch_size":225})", "image_size 224", "patch_size 225",
              "whole");
  ExpectError(R"({"model_type":"clip_vision_model","num_attention_heads":5})", "hidden_size 768",
              "num_attention_heads 5", "equal");
  ExpectError("[1]", "JSON object", "", "");
  ExpectError("{\"a\":", "JSON", "", "");
  ExpectError(R"({"model_type":"clip","model_type":"clip"})", "model_type", "twice", "");
}

TEST(VisionConfig, FlopsAgreeWithThePublishedCounts) {
  // GFLOP an image with 2 FLOP a multiply-add, as in open_clip's docs/model_profile.csv.
  const auto gflop = [](const char* preset) { return FindPreset(preset)->FlopsPerImage() / 1e9; };
  EXPECT_NEAR(gflop("clip-vit-b-32"), 8.82, 0.005);
  EXPECT_NEAR(gflop("clip-vit-b-16"), 35.13, 0.005);
  EXPECT_NEAR(gflop("clip-vit-l-14"), 162.03, 0.005);
  EXPECT_NEAR(gflop("clip-vit-l-14-336"), 381.92, 0.005);
  EXPECT_LT(gflop("tiny"), 0.1);
}

TEST(Presets, UnknownNameListsTheKnownOnes) {
  const auto found = FindPreset("clip-vit-z-1");
  ASSERT_FALSE(found.ok());
  EXPECT_THAT(found.status().message(), AllOf(HasSubstr("clip-vit-z-1"), HasSubstr("tiny, tiny-text"), HasSubstr("clip-vit-b-32")));
}

}  // namespace
}  // namespace photovec::model
