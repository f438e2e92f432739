// SPDX-License-Identifier: MIT
#include "model/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "model/model_config.h"
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
  ExpectError(R"({"architectures":["Siglip2Model"]})", "Siglip2Model", "NaFlex", "siglip2-base-patch16-224");
  ExpectError(R"({"architectures":["JinaCLIPModel"]})", "JinaCLIPModel", "EVA-02", "CLIPModel");
  ExpectError(R"({"architectures":["Qwen3VLForConditionalGeneration"]})", "Qwen3VL", "language models", "");
  ExpectError(R"({"architectures":["CLIPTextModelWithProjection"]})", "text tower alone", "", "");
  ExpectError(R"({"model_type":"siglip","vision_config":{"vision_use_head":false}})", "vision_use_head",
              "false", "true");
  ExpectError(R"({"model_type":"siglip","vision_config":{"hidden_size":1000000000}})", "hidden_size",
              "1000000000", "65536");
  ExpectError(R"({"model_type":"siglip","vision_config":{"image_size":[224,256]}})", "image_size",
              "[224,256]", "twice");
  ExpectError(R"({"model_type":"siglip","text_config":{"num_attention_heads":7}})",
              "text_config.hidden_size 768", "num_attention_heads 7", "");
  ExpectError(R"({"model_type":"siglip","text_config":{"hidden_act":"relu"}})", "text_config.hidden_act",
              "relu", "");
  ExpectError(R"({"model_type":"dinov2","qkv_bias":false})", "qkv_bias", "false", "true");
  ExpectError(R"({"model_type":"dinov2","mlp_ratio":-4})", "mlp_ratio", "-4", "above 0");
  ExpectError(R"({"model_type":"dinov3_vit","key_bias":true})", "key_bias", "true", "false");
  ExpectError(R"({"model_type":"dinov3_vit","num_register_tokens":-1})", "num_register_tokens", "-1", "0 to");
  ExpectError(R"({"model_type":"dinov3_vit","hidden_size":6,"num_attention_heads":6})", "is 1",
              "multiples of 4", "");
  ExpectError(R"({"architectures":["SiglipModel"],"model_type":"clip"})", "model_type", "clip",
              "SiglipModel");
  ExpectError(R"({"architectures":["CLIPModel"],"model_type":7})", "model_type", "7", "CLIPModel");
  ExpectError(R"({"architecture":"vit_small_patch16_dinov3.lvd1689m"})", "vit_small_patch16_dinov3", "timm",
              "");
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

TEST(ParseConfig, SiglipRestsOnItsOwnDefaults) {
  // google/siglip2-so400m-patch14-384 says hardly more.
  const VisionConfig config = Parse(R"({"model_type":"siglip","text_config":{"vocab_size":256000},
      "vision_config":{"hidden_size":1152,"image_size":384,"intermediate_size":4304,"num_attention_heads":16,
      "num_hidden_layers":27,"patch_size":14}})");
  EXPECT_EQ(config.architecture, "SiglipModel");
  EXPECT_EQ(config.grid(), 27);  // 378 of the 384 pixels
  EXPECT_EQ(config.head_dim(), 72);
  EXPECT_EQ(config.activation, Activation::kGeluTanh);
  EXPECT_FLOAT_EQ(config.layer_norm_eps, 1e-6F);
  EXPECT_EQ(config.pooling, Pooling::kAttention);
  EXPECT_TRUE(config.has_patch_bias && config.has_post_norm);
  EXPECT_FALSE(config.has_class_token || config.has_pre_norm);
  EXPECT_EQ(config.embedding_dim(), 1152);
  const VisionConfig bare = Parse(R"({"architectures":["SiglipModel"]})");
  EXPECT_EQ(bare.patch_size, 16);
  EXPECT_EQ(bare.tokens(), 196);
  const VisionConfig tower =
      Parse(R"({"model_type":"siglip_vision_model","image_size":[256,256],"patch_size":[16,16]})");
  EXPECT_EQ(tower.tokens(), 256);
}

TEST(ParseConfig, TextTowersRestOnTheirOwnDefaults) {
  const auto clip = ParseModelConfig(R"({"architectures":["CLIPModel"],"projection_dim":768,
      "text_config":{"hidden_size":768,"num_attention_heads":12,"intermediate_size":3072}})");
  ASSERT_TRUE(clip.ok() && clip->text);
  EXPECT_EQ(clip->text->vocabulary_size, 49408);
  EXPECT_EQ(clip->text->max_tokens, 77);
  EXPECT_EQ(clip->text->layers, 12);
  EXPECT_EQ(clip->text->projection_dim, 768);
  EXPECT_TRUE(clip->text->causal);
  const auto siglip = ParseModelConfig(R"({"model_type":"siglip","text_config":{"hidden_size":1152,
      "num_attention_heads":16,"max_position_embeddings":16,"projection_size":1536}})");
  ASSERT_TRUE(siglip.ok() && siglip->text);
  EXPECT_EQ(siglip->text->vocabulary_size, 32000);
  EXPECT_EQ(siglip->text->max_tokens, 16);
  EXPECT_EQ(siglip->text->embedding_dim(), 1536);
  EXPECT_FALSE(siglip->text->causal);
  EXPECT_EQ(siglip->text->activation, Activation::kGeluTanh);
}

TEST(ParseConfig, DinoKnowsRegistersGatesAndLayerScale) {
  const VisionConfig giant =
      Parse(R"({"architectures":["Dinov2Model"],"hidden_size":1536,"num_hidden_layers":40,
      "num_attention_heads":24,"image_size":518,"use_swiglu_ffn":true,"hidden_act":"gelu"})");
  EXPECT_EQ(giant.mlp_size, 4096);
  EXPECT_TRUE(giant.gated_mlp && giant.has_layer_scale && giant.has_class_token && giant.has_patch_bias);
  EXPECT_EQ(giant.activation, Activation::kSilu);
  EXPECT_EQ(giant.tokens(), 1 + 37 * 37);
  const VisionConfig registers = Parse(R"({"model_type":"dinov2_with_registers","patch_size":14})");
  EXPECT_EQ(registers.register_tokens, 4);
  EXPECT_EQ(registers.tokens(), 1 + 4 + 256);
  const VisionConfig third =
      Parse(R"({"architectures":["DINOv3ViTModel"],"hidden_size":768,"num_attention_heads":12,
      "intermediate_size":3072,"num_register_tokens":4,"use_gated_mlp":true,"hidden_act":"silu"})");
  EXPECT_EQ(third.positions, Positions::kRotary);
  EXPECT_FLOAT_EQ(third.rope_theta, 100);
  EXPECT_FLOAT_EQ(third.layer_norm_eps, 1e-5F);
  EXPECT_TRUE(third.gated_mlp);
  EXPECT_FALSE(third.has_key_bias);
  EXPECT_EQ(third.tokens(), 1 + 4 + 196);
}

ModelConfig ParseOpenClip(std::string_view text) {
  const auto config = ParseOpenClipConfig(text);
  EXPECT_TRUE(config.ok()) << config.status().ToString();
  return config.ok() ? *config : ModelConfig{};
}

TEST(ParseOpenClipConfig, ReadsTowersOfItsOwn) {
  // ViT-bigG-14 of open_clip 3.3.0.
  const ModelConfig big =
      ParseOpenClip(R"({"model_cfg":{"embed_dim":1280,"vision_cfg":{"image_size":224,"layers":48,
      "width":1664,"head_width":104,"mlp_ratio":4.9231,"patch_size":14},"text_cfg":{"context_length":77,
      "vocab_size":49408,"width":1280,"heads":20,"layers":32}},"preprocess_cfg":{}})");
  EXPECT_EQ(big.vision->heads, 16);
  EXPECT_EQ(big.vision->head_dim(), 104);
  EXPECT_EQ(big.vision->mlp_size, 8192);
  EXPECT_EQ(big.vision->activation, Activation::kGeluErf);
  EXPECT_EQ(big.vision->embedding_dim(), 1280);
  EXPECT_EQ(big.text->mlp_size, 5120);
  EXPECT_TRUE(big.text->causal);
  const ModelConfig quick =
      ParseOpenClip(R"({"model_cfg":{"embed_dim":512,"quick_gelu":true,"vision_cfg":{},"text_cfg":{}}})");
  EXPECT_EQ(quick.vision->activation, Activation::kQuickGelu);
  EXPECT_EQ(quick.text->activation, Activation::kQuickGelu);
}

TEST(ParseOpenClipConfig, ReadsSiglipsTowers) {
  const auto with = [](const std::string& name, int width) {
    return ParseOpenClip(R"({"model_cfg":{"embed_dim":)" + std::to_string(width) + R"(,"init_logit_bias":-10,
        "custom_text":true,"vision_cfg":{"image_size":384,"timm_model_name":")" +
                         name + R"(",
        "timm_model_pretrained":false,"timm_pool":"map","timm_proj":"none"},"text_cfg":{"context_length":64,
        "vocab_size":32000,"hf_tokenizer_name":"x","tokenizer_kwargs":{"clean":"canonicalize"},"width":1152,"heads":16,
        "layers":27,"mlp_ratio":3.7362,"no_causal_mask":true,"proj_bias":true,"pool_type":"last",
        "norm_kwargs":{"eps":1e-6},"act_kwargs":{"approximate":"tanh"}}}})");
  };
  const ModelConfig so400m = with("vit_so400m_patch14_siglip_384", 1152);
  EXPECT_EQ(so400m.vision->grid(), 27);
  EXPECT_EQ(so400m.vision->mlp_size, 4304);
  EXPECT_EQ(so400m.vision->pooling, Pooling::kAttention);
  EXPECT_EQ(so400m.vision->activation, Activation::kGeluErf);  // as timm builds it
  EXPECT_EQ(so400m.text->activation, Activation::kGeluTanh);
  EXPECT_EQ(so400m.text->mlp_size, 4304);
  EXPECT_FLOAT_EQ(so400m.text->layer_norm_eps, 1e-6F);
  EXPECT_FALSE(so400m.text->causal);
  EXPECT_TRUE(so400m.text->has_projection_bias);
  EXPECT_EQ(so400m.logit_bias, "logit_bias");
  EXPECT_EQ(with("vit_giantopt_patch16_siglip_384", 1536).vision->head_dim(), 96);
  EXPECT_EQ(with("vit_large_patch16_siglip_512", 1024).vision->activation, Activation::kGeluTanh);
  EXPECT_EQ(with("vit_large_patch16_siglip_384", 1024).vision->activation, Activation::kGeluErf);
}

TEST(ParseOpenClipConfig, RefusesByNameWhatItIsNot) {
  const auto expect = [](const std::string& model, const std::string& key, const std::string& found) {
    const auto config = ParseOpenClipConfig("{\"model_cfg\":{" + model + "}}");
    ASSERT_FALSE(config.ok()) << model;
    EXPECT_EQ(config.status().code(), Code::kInvalidRequest);
    EXPECT_THAT(config.status().message(), AllOf(HasSubstr(key), HasSubstr(found)));
  };
  const auto vision = [](const std::string& keys) {
    return R"("embed_dim":512,"vision_cfg":{)" + keys + "}";
  };
  const auto text = [](const std::string& keys) { return R"("embed_dim":512,"text_cfg":{)" + keys + "}"; };
  expect(vision(R"("timm_model_name":"fastvit_mci2")"), "vision_cfg.timm_model_name", "MobileCLIP");
  expect(vision(R"("timm_model_name":"vit_base_mci_224")"), "vit_base_mci_224", "MobileCLIP");
  expect(vision(R"("timm_model_name":"eva02_base_patch16_clip_224")"), "eva02_base", "EVA");
  expect(vision(R"("timm_model_name":"vit_pe_core_large_patch14_336")"), "vit_pe_core", "PE-Core");
  expect(vision(R"("timm_model_name":"vit_base_patch16_siglip_gap_224")"), "siglip_gap", "supported");
  expect(vision(R"("timm_model_name":"vit_base_patch16_siglip_224","timm_proj":"none")"), "timm_pool", "map");
  expect(vision(R"("timm_model_name":"vit_base_patch16_siglip_224","timm_proj":"none","timm_pool":"map")"),
         "768", "embed_dim is 512");
  expect(vision(R"("layers":[3,4,6,3])"), "vision_cfg.layers", "ResNet");
  expect(vision(R"("pool_type":"avg")"), "vision_cfg.pool_type", "tok");
  expect(vision(R"("qk_norm":true)"), "vision_cfg.qk_norm", "left out");
  expect(vision(R"("from_the_future":{"x":1})"), "from_the_future", "left out");
  expect(vision(R"("width":1000000000)"), "vision_cfg.width", "65536");
  expect(vision(R"("head_width":100)"), "width 768", "head_width 100");
  expect(vision(R"("mlp_ratio":0.0001)"), "mlp_ratio", "no width");
  expect(vision(R"("act_kwargs":{"approximate":"cubic"})"), "act_kwargs.approximate", "tanh");
  expect(text(R"("pool_type":"first")"), "text_cfg.pool_type", "argmax");
  expect(text(R"("no_causal_mask":true)"), "text_cfg.pool_type", "last");
  expect(text(R"("embed_cls":true)"), "text_cfg.embed_cls", "left out");
  expect(text(R"("vocab_size":99999999)"), "text_cfg.vocab_size", "99999999");
  expect(text(R"("proj_type":"none","width":256,"heads":4)"), "proj_type", "embed_dim");
  expect(R"("embed_dim":512,"multimodal_cfg":{"width":512})", "multimodal_cfg", "left out");
  expect(R"("vision_cfg":{})", "embed_dim", "missing");
  const auto none = ParseOpenClipConfig("{}");
  EXPECT_THAT(none.status().message(), HasSubstr("model_cfg"));
  // A language model of HuggingFace: images alone.
  EXPECT_FALSE(
      ParseOpenClip(
          R"({"model_cfg":{"embed_dim":512,"vision_cfg":{},"text_cfg":{"hf_model_name":"xlm-roberta-base"}}})")
          .text);
}

TEST(VisionConfig, FlopsAgreeWithThePublishedCounts) {
  // GFLOP an image with 2 FLOP a multiply-add, as in open_clip's docs/model_profile.csv.
  const auto gflop = [](const char* preset) { return FindPreset(preset)->FlopsPerImage() / 1e9; };
  EXPECT_NEAR(gflop("clip-vit-b-32"), 8.82, 0.005);
  EXPECT_NEAR(gflop("clip-vit-b-16"), 35.13, 0.005);
  EXPECT_NEAR(gflop("clip-vit-l-14"), 162.03, 0.005);
  EXPECT_NEAR(gflop("clip-vit-l-14-336"), 381.92, 0.005);
  EXPECT_LT(gflop("tiny"), 0.1);
  // The others by hand from their shapes: what --help says of them.
  EXPECT_NEAR(gflop("siglip-b-16"), 35.5, 0.5);
  EXPECT_NEAR(gflop("siglip-so400m-14-384"), 670, 5);
  EXPECT_NEAR(gflop("dinov2-b-14"), 46, 1);
  EXPECT_NEAR(gflop("dinov3-s-16"), 9, 0.5);
  EXPECT_NEAR(gflop("clip-vit-h-14"), 334, 5);
}

TEST(Presets, UnknownNameListsTheKnownOnes) {
  const auto found = FindPreset("clip-vit-z-1");
  ASSERT_FALSE(found.ok());
  EXPECT_THAT(found.status().message(),
              AllOf(HasSubstr("clip-vit-z-1"), HasSubstr("tiny, tiny-text"), HasSubstr("clip-vit-b-32")));
}

}  // namespace
}  // namespace photovec::model
