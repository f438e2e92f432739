// SPDX-License-Identifier: MIT
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "base/json/reader.h"
#include "checkpoint_tensors.h"
#include "model/model_config.h"
#include "model/model_folder.h"
#include "model/position_grid.h"
#include "model/random/model_files.h"
#include "model/text_model.h"
#include "model/vision_model.h"

namespace photovec::model {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class FamilyTest : public ModelFolderTest {
 protected:
  VisionModel Load(int image_size = 0) {
    auto model = LoadVisionModel(dir_, image_size);
    EXPECT_TRUE(model.ok()) << model.status().ToString();
    return model.ok() ? std::move(model).value() : VisionModel{};
  }
  void ExpectLoadError(const std::string& first, const std::string& second = "",
                       const std::string& third = "") {
    const auto model = LoadVisionModel(dir_);
    ASSERT_FALSE(model.ok());
    EXPECT_EQ(model.status().code(), Code::kInvalidRequest);
    EXPECT_THAT(model.status().message(), AllOf(HasSubstr(first), HasSubstr(second), HasSubstr(third)));
  }
};

TEST(Presets, ConfigsComeBackAsTheyWereWritten) {
  for (const Preset& preset : Presets()) {
    for (const Preset& variant : {preset, ImagesOnly(preset)}) {
      const std::string text = ModelFiles(variant, DType::kF32).back().text;
      const auto config = ParseModelConfig(text);
      ASSERT_TRUE(config.ok()) << preset.name << config.status().ToString();
      EXPECT_EQ(config->vision, variant.config) << preset.name;
      EXPECT_EQ(config->text, variant.text) << preset.name;
    }
  }
}

TEST_F(FamilyTest, PrefixesOfAProgramThatWrapsTheModelAreSkipped) {
  WritePreset("tiny-text");
  const std::string digest = Load().weights_sha256;
  const std::string words = (*LoadTextModel(dir_))->weights_sha256;
  const TestTensors plain = Read();
  for (const std::string prefix : {"clip.", "model.", "module."}) {
    TestTensors wrapped;
    for (const auto& [name, tensor] : plain) wrapped.emplace(prefix + name, tensor);
    wrapped["classifier.weight"] = {{2}, {1, 2}};
    Write(wrapped);
    EXPECT_EQ(Load().weights_sha256, digest) << prefix;
    const auto text = LoadTextModel(dir_);
    ASSERT_TRUE(text.ok() && text->has_value()) << prefix << text.status().ToString();
    EXPECT_EQ((*text)->weights_sha256, words) << prefix;
  }
  Change([](TestTensors& tensors) { tensors.erase("module.visual_projection.weight"); });
  ExpectLoadError("'module.visual_projection.weight' is missing");
  Change([](TestTensors& tensors) { Rename(tensors, {{"module.", "stranger."}}); });
  ExpectLoadError("'vision_model.");
}

TEST_F(FamilyTest, DoublesGiveTheWeightsThatSinglesGive) {
  WritePreset("tiny-text");
  const std::string digest = Load().weights_sha256;
  const std::string words = (*LoadTextModel(dir_))->weights_sha256;
  WriteDoubles(Read());
  EXPECT_EQ(Load().weights_sha256, digest);
  const auto text = LoadTextModel(dir_);
  ASSERT_TRUE(text.ok() && text->has_value());
  EXPECT_EQ((*text)->weights_sha256, words);
  std::vector<float> row(static_cast<size_t>((*text)->config.hidden_size));
  (*text)->weights.token_embedding.CopyRowTo(3, row);  // it is not mapped, but in memory
  EXPECT_NE(row, std::vector<float>(row.size()));
  TestTensors broken = {};
  broken["logit_scale"] = {{}, {1}};
  WriteDoubles(broken);
  ExpectLoadError("is missing");
}

TEST_F(FamilyTest, ConfigsSayWhetherVectorsCanBeShortened) {
  const auto config = [](const std::string& keys) {
    return ParseModelConfig(R"({"architectures":["CLIPVisionModel"])" + keys + "}");
  };
  EXPECT_FALSE(config("")->any_shorter);
  EXPECT_TRUE(config(R"(,"is_matryoshka":true)")->any_shorter);
  const auto sizes = config(R"(,"is_matryoshka":true,"matryoshka_dimensions":[64,128])");
  EXPECT_FALSE(sizes->any_shorter);
  EXPECT_EQ(sizes->shorter, (std::vector<int>{64, 128}));
  for (const char* wrong : {"7", "[]", "[0]", "[-1]", "[1.5]", R"(["64"])"}) {
    EXPECT_THAT(config(R"(,"matryoshka_dimensions":)" + std::string(wrong)).status().message(),
                HasSubstr("matryoshka_dimensions"))
        << wrong;
  }
}

TEST_F(ModelFolderTest, SentenceTransformersKeepTheModelInASubFolder) {
  EXPECT_EQ(ModelFolder(dir_).value(), dir_) << "who loads it says what is missing";
  const std::string clip =
      R"({"idx":0,"name":"0","path":"0_CLIPModel","type":"sentence_transformers.models.CLIPModel"})";
  const auto list = [&](const std::string& more) { WriteText("modules.json", "[" + clip + more + "]"); };
  list("");
  EXPECT_EQ(ModelFolder(dir_).value(), dir_ + "/0_CLIPModel");
  list(R"(,{"idx":1,"name":"1","path":"1_Normalize","type":"sentence_transformers.models.Normalize"})");
  EXPECT_EQ(ModelFolder(dir_).value(), dir_ + "/0_CLIPModel");
  const auto error = [&] { return ModelFolder(dir_).status().message(); };
  list(R"(,{"idx":1,"name":"1","path":"1_Dense","type":"sentence_transformers.models.Dense"})");
  EXPECT_THAT(error(), AllOf(HasSubstr("modules.json"), HasSubstr("models.Dense"), HasSubstr("sub-folder")));
  for (const char* path : {"", "..", "a/b", "/etc"}) {
    WriteText("modules.json",
              R"([{"path":")" + std::string(path) + R"(","type":"sentence_transformers.models.CLIPModel"}])");
    EXPECT_THAT(error(), HasSubstr("not the name of a sub-folder")) << path;
  }
  for (const char* text : {"{}", "[]", "[1]", R"([{"path":"0","type":"x.WordEmbeddings"}])", "", "[{}]"}) {
    WriteText("modules.json", text);
    EXPECT_THAT(error(), HasSubstr("modules.json")) << text;
  }
  WriteText("config.json", "{}");
  EXPECT_EQ(ModelFolder(dir_).value(), dir_) << "a folder of transformers, whatever lies beside it";
}

TEST_F(FamilyTest, SiglipHasAPoolingHeadAndNoClassToken) {
  WritePreset("tiny-siglip");
  const VisionModel model = Load();
  EXPECT_EQ(model.config.tokens(), 49);
  EXPECT_EQ(model.config.embedding_dim(), 128);
  EXPECT_EQ(model.weights.position.shape, (std::vector<int64_t>{49, 128}));
  EXPECT_FALSE(model.weights.class_token.present() || model.weights.pre_norm.gamma.present());
  EXPECT_TRUE(model.weights.patch_bias.present());
  const AttentionPool& pool = model.weights.pool;
  EXPECT_EQ(pool.probe.shape, (std::vector<int64_t>{128}));
  const TestTensors file = Read();
  const std::vector<float>& fused = file.at("vision_model.head.attention.in_proj_weight").values;
  const std::vector<float> keys(fused.begin() + 128 * 128, fused.begin() + 2 * 128 * 128);
  EXPECT_EQ(pool.k.weight.ToFloats(), keys);
  const std::vector<float>& biases = file.at("vision_model.head.attention.in_proj_bias").values;
  EXPECT_EQ(pool.v.bias.ToFloats(), std::vector<float>(biases.begin() + 256, biases.end()));
}

TEST_F(FamilyTest, PatchesThatDoNotFillThePictureAreRoundedDown) {
  WritePreset("tiny-siglip");
  const std::string sha = Load().weights_sha256;
  auto text = json::ParseObject(ModelFiles(*PresetNamed("tiny-siglip"), DType::kF32).back().text);
  ASSERT_TRUE(text.ok());
  (*text)["vision_config"].as_object()["image_size"] = 250;
  WriteText("config.json", boost::json::serialize(*text));
  EXPECT_EQ(Load().config.grid(), 7);
  EXPECT_EQ(Load().weights_sha256, sha);
}

// The same weights under the other names that transformers has written.
TEST_F(FamilyTest, BothSpellingsOfDinoV2AreOneModel) {
  WritePreset("tiny-dinov2-reg");
  const VisionModel model = Load();
  EXPECT_EQ(model.config.tokens(), 1 + 4 + 37 * 37);
  EXPECT_EQ(model.weights.registers.shape, (std::vector<int64_t>{4, 128}));
  EXPECT_EQ(model.weights.position.shape, (std::vector<int64_t>{1 + 37 * 37, 128}));
  EXPECT_TRUE(model.weights.blocks[1].layer_scale2.present());
  Change([](TestTensors& tensors) {
    Rename(tensors, {{"attention.attention.query", "attention.q_proj"},
                     {"attention.attention.key", "attention.k_proj"},
                     {"attention.attention.value", "attention.v_proj"},
                     {"attention.output.dense", "attention.o_proj"}});
  });
  EXPECT_EQ(Load().weights_sha256, model.weights_sha256);
}

TEST_F(FamilyTest, BothSpellingsOfDinoV3AreOneModel) {
  WritePreset("tiny-dinov3");
  const VisionModel model = Load();
  EXPECT_EQ(model.config.positions, Positions::kRotary);
  EXPECT_FALSE(model.weights.position.present() || model.weights.blocks[0].k.bias.present());
  Change([](TestTensors& tensors) {
    Rename(tensors, {{"layer.0", "model.layer.0"}, {"layer.1", "model.layer.1"}});
  });
  EXPECT_EQ(Load().weights_sha256, model.weights_sha256);
  EXPECT_EQ(Load(320).config.tokens(), 5 + 100);
}

TEST_F(FamilyTest, BiasesThatDinoV3MayLackAreZero) {
  WritePreset("tiny-dinov3");
  Change([](TestTensors& tensors) {
    for (const char* name : {"q_proj", "v_proj"}) {
      for (const char* layer : {"0", "1"}) {
        tensors.erase("layer." + std::string(layer) + ".attention." + name + ".bias");
      }
    }
  });
  ExpectLoadError("'layer.0.attention.q_proj.bias' is missing", "[128]");
  auto config = json::ParseObject(ModelFiles(*PresetNamed("tiny-dinov3"), DType::kF32).back().text);
  ASSERT_TRUE(config.ok());
  (*config)["query_bias"] = (*config)["value_bias"] = false;
  WriteText("config.json", boost::json::serialize(*config));
  EXPECT_EQ(Load().weights.blocks[1].q.bias.ToFloats(), std::vector<float>(128));
  EXPECT_EQ(Load().weights.blocks[0].v.bias.ToFloats(), std::vector<float>(128));
}

/// Gives the random DINOv2 an MLP with a gate: 344 = two thirds of 512, rounded up to a multiple of 8.
void MakeGated(TestTensors& tensors) {
  for (const std::string stem : {"encoder.layer.0.mlp.", "encoder.layer.1.mlp."}) {
    for (const char* name : {"fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias"}) tensors.erase(stem + name);
    const auto add = [&](const std::string& name, std::vector<int64_t> shape) {
      TestTensor tensor{std::move(shape), {}};
      const size_t count = static_cast<size_t>(tensor.shape[0]) * (tensor.shape.size() > 1 ? 128U : 1U);
      const bool wide = tensor.shape.size() > 1 && tensor.shape[1] == 344;
      tensor.values.resize(wide ? 128U * 344U : count);
      for (size_t i = 0; i < tensor.values.size(); ++i) {
        tensor.values[i] = static_cast<float>(i % 1009) - 500.0F + static_cast<float>(name.size());
      }
      tensors[stem + name] = std::move(tensor);
    };
    for (const char* half : {"gate_proj", "up_proj"}) {
      add(std::string(half) + ".weight", {344, 128});
      add(std::string(half) + ".bias", {344});
    }
    add("down_proj.weight", {128, 344});
    add("down_proj.bias", {128});
  }
}

TEST_F(FamilyTest, GatedMlpsAreOneModelFusedOrNot) {
  WritePreset("tiny-dinov2");
  auto config = json::ParseObject(ModelFiles(*PresetNamed("tiny-dinov2"), DType::kF32).back().text);
  ASSERT_TRUE(config.ok());
  (*config)["use_swiglu_ffn"] = true;
  (*config)["image_size"] = 37 * 32;
  WriteText("config.json", boost::json::serialize(*config));
  Change([](TestTensors& tensors) {
    MakeGated(tensors);
    Rename(tensors, {{"attention.attention.query", "attention.q_proj"},
                     {"attention.attention.key", "attention.k_proj"},
                     {"attention.attention.value", "attention.v_proj"},
                     {"attention.output.dense", "attention.o_proj"}});
  });
  const VisionModel apart = Load();
  EXPECT_EQ(apart.config.mlp_size, 344);
  EXPECT_EQ(apart.config.activation, Activation::kSilu);
  const std::vector<float> up = apart.weights.blocks[1].up.weight.ToFloats();
  Change([](TestTensors& tensors) {
    Rename(tensors, {{"attention.q_proj", "attention.attention.query"},
                     {"attention.k_proj", "attention.attention.key"},
                     {"attention.v_proj", "attention.attention.value"},
                     {"attention.o_proj", "attention.output.dense"},
                     {"mlp.down_proj", "mlp.weights_out"}});
    for (const std::string stem : {"encoder.layer.0.mlp.", "encoder.layer.1.mlp."}) {
      for (const std::string part : {".weight", ".bias"}) {
        Fuse(tensors, {stem + "gate_proj" + part, stem + "up_proj" + part}, stem + "weights_in" + part);
      }
    }
  });
  const VisionModel fused = Load();
  EXPECT_EQ(fused.weights.blocks[1].up.weight.ToFloats(), up);
  EXPECT_EQ(fused.weights_sha256, apart.weights_sha256);
}

// A LAION model, say, which is published in both layouts.
TEST_F(FamilyTest, OpenClipsLayoutIsTheSameModel) {
  WritePreset("tiny-text");
  const std::string sha = Load().weights_sha256;
  const auto text = LoadTextModel(dir_);
  ASSERT_TRUE(text.ok() && text->has_value());
  TestTensors tensors = Read();
  for (const std::string tower : {"text_model", "vision_model"}) {
    for (const std::string layer : {"0", "1"}) {
      const std::string stem = tower + ".encoder.layers." + layer + ".self_attn.";
      for (const std::string part : {"weight", "bias"}) {
        Fuse(tensors, {stem + "q_proj." + part, stem + "k_proj." + part, stem + "v_proj." + part},
             stem + "in_proj_" + part);
      }
    }
  }
  Transpose(tensors.at("visual_projection.weight"));
  Transpose(tensors.at("text_projection.weight"));
  Rename(tensors, {{"visual_projection.weight", "visual.proj"},
                   {"text_projection.weight", "text_projection"},
                   {"vision_model.embeddings.patch_embedding", "visual.conv1"},
                   {"vision_model.embeddings.class_embedding", "visual.class_embedding"},
                   {"vision_model.embeddings.position_embedding.weight", "visual.positional_embedding"},
                   {"vision_model.pre_layrnorm", "visual.ln_pre"},
                   {"vision_model.post_layernorm", "visual.ln_post"},
                   {"vision_model.encoder.layers", "visual.transformer.resblocks"},
                   {"text_model.embeddings.token_embedding", "token_embedding"},
                   {"text_model.embeddings.position_embedding.weight", "positional_embedding"},
                   {"text_model.final_layer_norm", "ln_final"},
                   {"text_model.encoder.layers", "transformer.resblocks"},
                   {"self_attn", "attn"},
                   {"layer_norm1", "ln_1"},
                   {"layer_norm2", "ln_2"},
                   {"mlp.fc1", "mlp.c_fc"},
                   {"mlp.fc2", "mlp.c_proj"}});
  Write(tensors, "open_clip_model.safetensors");
  std::filesystem::remove(dir_ + "/model.safetensors");
  WriteText("open_clip_config.json", R"({"model_cfg":{"embed_dim":64,"quick_gelu":true,
      "vision_cfg":{"image_size":224,"layers":2,"width":128,"head_width":64,"patch_size":32},
      "text_cfg":{"context_length":77,"vocab_size":514,"width":64,"heads":2,"layers":2}},"preprocess_cfg":{}})");
  const VisionModel model = Load();  // config.json is there, too, but has no weights
  EXPECT_EQ(model.config.architecture, "open_clip");
  EXPECT_EQ(model.weights_sha256, sha);
  const auto both = LoadTextModel(dir_);
  ASSERT_TRUE(both.ok() && both->has_value()) << both.status().ToString();
  EXPECT_EQ((*both)->weights_sha256, (*text)->weights_sha256);
  EXPECT_FALSE((*both)->score.sigmoid);

  Rename(tensors, {{"transformer.resblocks", "text.transformer.resblocks"}});
  Rename(tensors, {{"visual.text.transformer", "visual.transformer"},
                   {"token_embedding", "text.token_embedding"},
                   {"ln_final", "text.ln_final"},
                   {"text_projection", "text.text_projection"}});
  tensors["text.positional_embedding"] = tensors.at("positional_embedding");
  tensors.erase("positional_embedding");
  Write(tensors, "open_clip_model.safetensors");
  std::filesystem::remove(dir_ + "/config.json");
  const auto custom = LoadTextModel(dir_);
  ASSERT_TRUE(custom.ok() && custom->has_value()) << custom.status().ToString();
  EXPECT_EQ((*custom)->weights_sha256, (*text)->weights_sha256);
}

TEST_F(FamilyTest, FusedTensorsOfAnotherSizeAreNamed) {
  WritePreset("tiny-siglip");
  Change([](TestTensors& tensors) {
    TestTensor& fused = tensors.at("vision_model.head.attention.in_proj_weight");
    fused.shape = {2 * 128, 128};
    fused.values.resize(2 * 128 * 128);
  });
  ExpectLoadError("in_proj_weight' has shape [256, 128]", "expected [384, 128]", "from config.json");
}

TEST_F(FamilyTest, PositionsAreFittedToThePicture) {
  WritePreset("tiny-dinov2");
  const VisionModel whole = Load();
  const VisionModel fitted = Load(224);
  EXPECT_EQ(fitted.config.image_size, 224);
  EXPECT_EQ(fitted.config.tokens(), 50);
  EXPECT_EQ(fitted.weights.position.shape, (std::vector<int64_t>{50, 128}));
  EXPECT_EQ(fitted.weights_sha256, whole.weights_sha256);
  const std::vector<float> all = whole.weights.position.ToFloats();
  const std::vector<float> few = fitted.weights.position.ToFloats();
  EXPECT_EQ(std::vector<float>(few.begin(), few.begin() + 128),
            std::vector<float>(all.begin(), all.begin() + 128));
  const std::vector<float> grid = ResampleGrid(std::span(all).subspan(128), 37, 7, GridResampling::kBicubic);
  EXPECT_EQ(std::vector<float>(few.begin() + 128, few.end()), grid);
  EXPECT_EQ(Load(37 * 32 + 31).weights.position.ToFloats(), all);  // the same grid
  const auto small = LoadVisionModel(dir_, 31);
  ASSERT_FALSE(small.ok());
  EXPECT_THAT(small.status().message(), HasSubstr("smaller than one patch of 32"));

  WritePreset("tiny");
  EXPECT_EQ(Load(336).config.image_size, 224);  // whoever asks has to compare
}

struct GridCase {
  int from, to;
  GridResampling how;
  std::vector<float> expected;
};

// torch 2.9.0 on a CPU: interpolate(grid, size=(to, to), align_corners=False), the first values.
TEST(ResampleGrid, AgreesWithTorch) {
  const std::vector<GridCase> cases = {
      {5,
       3,
       GridResampling::kBicubic,
       {-0.3924898F, -0.0648151F, -0.1620366F, -0.6435187F, 0.0137175F, -0.0358359F, -0.3055551F, 0.0787034F,
        1.0F, -0.5F, -0.5972231F, 0.8055558F, 0.6405177F, -0.748199F, -0.7407413F, 0.6620376F, 0.0282073F,
        -0.3985777F}},
      {5,
       3,
       GridResampling::kBicubicAntialias,
       {-0.2078697F, -0.126213F, 0.1281574F, -0.1462969F, 0.1179882F, 0.0089349F, 0.2286046F, -0.2066189F,
        0.2064413F, -0.0234721F, -0.3432021F, 0.3804113F, 0.4910651F, -0.5084023F, -0.2427548F, 0.4883363F,
        -0.091065F, -0.2320117F}},
      {5,
       3,
       GridResampling::kBilinearAntialias,
       {-0.1785715F, -0.1071429F, 0.0833333F, -0.1507937F, 0.1020408F, 0.0051021F, 0.1706349F, -0.1944444F,
        0.1851852F, -0.0246914F, -0.3095238F, 0.3293651F, 0.4948979F, -0.4999999F, -0.2222222F, 0.4166667F,
        -0.0663265F, -0.2193877F}},
      {3,
       5,
       GridResampling::kBicubic,
       {-1.4900008F, 0.024F, -1.2000079F, 0.5500081F, -0.6680001F, 0.8460003F, 0.0065675F, -0.4855684F}},
      {3,
       5,
       GridResampling::kBicubicAntialias,
       {-1.4386791F, 0.0188679F, -1.1618909F, 0.4373768F, -0.6320754F, 0.8254716F, 0.0231978F, -0.5742047F}},
      {4,
       2,
       GridResampling::kBicubic,
       {0.1765137F, -0.1015625F, 0.0070801F, 0.0351562F, -0.1257324F, -0.0976562F}},
  };
  for (const GridCase& test : cases) {
    std::vector<float> grid;
    for (int y = 0; y < test.from; ++y) {
      for (int x = 0; x < test.from; ++x) {
        for (int c = 0; c < 2; ++c)
          grid.push_back(static_cast<float>((7 * y + 3 * x + 5 * c) % 11) / 4 - 1.25F);
      }
    }
    const std::vector<float> out = ResampleGrid(grid, test.from, test.to, test.how);
    ASSERT_EQ(out.size(), static_cast<size_t>(test.to * test.to) * 2);
    for (size_t i = 0; i < test.expected.size(); ++i) {
      EXPECT_NEAR(out[i], test.expected[i], 3e-6) << test.from << " " << test.to << " at " << i;
    }
  }
}

TEST_F(FamilyTest, NumbersThatAreNoneAreNamed) {
  const std::string name = "embeddings.position_embeddings";
  for (const float bad :
       {std::nanf(""), std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity()}) {
    WritePreset("tiny-dinov2");
    Change([&](TestTensors& tensors) { tensors.at(name).values[65537] = bad; });
    ExpectLoadError(dir_ + "/model.safetensors", "'" + name + "' has a NaN or an infinity", "element 65537");
  }
  // Fused, and in half precision: the largest finite number is none of them.
  for (const DType dtype : {DType::kF16, DType::kBF16}) {
    WritePreset("tiny-siglip", dtype);
    EXPECT_TRUE(LoadVisionModel(dir_).ok());
    const auto patch = Load().weights.pool.v.weight;
    const auto file = MappedFile::Open(dir_ + "/model.safetensors");
    ASSERT_TRUE(file.ok());
    const auto header = ParseSafetensors((*file)->bytes());
    const auto& entry = header->at("vision_model.head.attention.in_proj_weight");
    const auto offset = entry.data.data() - (*file)->bytes().data() + (2 * 128 * 128 + 5) * 2;
    std::fstream out(dir_ + "/model.safetensors", std::ios::in | std::ios::out | std::ios::binary);
    const uint16_t largest = dtype == DType::kF16 ? 0x7BFF : 0x7F7F;
    const uint16_t infinity = static_cast<uint16_t>(largest + 1);
    out.seekp(offset).write(reinterpret_cast<const char*>(&largest), 2).flush();
    EXPECT_TRUE(LoadVisionModel(dir_).ok());
    out.seekp(offset).write(reinterpret_cast<const char*>(&infinity), 2).flush();
    ExpectLoadError("in_proj_weight' has a NaN or an infinity", "element 5");
  }
}

TEST_F(FamilyTest, OtherFormatsOfWeightsAreNamedWithTheWayOut) {
  WritePreset("tiny");
  std::filesystem::remove(dir_ + "/model.safetensors");
  const auto expect = [&](const std::string& file, const std::string& advice) {
    WriteText(file, "");
    const auto model = LoadVisionModel(dir_);
    ASSERT_FALSE(model.ok());
    EXPECT_EQ(model.status().code(), Code::kNotFound);
    EXPECT_THAT(model.status().message(), AllOf(HasSubstr(file + " is"), HasSubstr(advice)));
    std::filesystem::remove(dir_ + "/" + file);
  };
  expect("pytorch_model.bin", "save_pretrained");
  expect("open_clip_pytorch_model.bin", "open_clip.create_model");
  expect("model.onnx", "download model.safetensors");
}

TEST_F(FamilyTest, TheConfigThatSaysWhatTheModelIsWins) {
  WritePreset("tiny");
  const std::string sha = Load().weights_sha256;
  WriteText("open_clip_config.json", R"({"model_cfg":{"embed_dim":1}})");
  EXPECT_EQ(Load().weights_sha256, sha);  // LAION's folders have both
  WriteText("config.json", R"({"architecture":"vit_base_patch16_siglip_224","num_classes":0})");  // timm's
  ExpectLoadError(dir_ + "/model.safetensors", "'visual.conv1.weight' is missing");
}

}  // namespace
}  // namespace photovec::model
