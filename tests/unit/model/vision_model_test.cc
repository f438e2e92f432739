// SPDX-License-Identifier: MIT
#include "model/vision_model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <sstream>
#include <string>

#include "model/random/init.h"
#include "model/random/source.h"
#include "model/random/tensors.h"
#include "model/safetensors.h"

namespace photovec::model {
namespace {

using testing::AllOf;
using testing::HasSubstr;

VisionConfig SmallConfig() {
  VisionConfig config;
  config.architecture = "CLIPVisionModelWithProjection";
  config.image_size = 32;
  config.patch_size = 8;
  config.hidden_size = 32;
  config.layers = 2;
  config.heads = 2;
  config.mlp_size = 64;
  config.projection_dim = 16;
  return config;
}

std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

class VisionModelTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "photovec-model-XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    dir_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(dir_); }

  void WriteModel(RandomInitOptions options = {}) {
    const Status status = WriteRandomModel(SmallConfig(), dir_, options);
    ASSERT_TRUE(status.ok()) << status.ToString();
  }
  VisionModel Load() {
    auto model = LoadVisionModel(dir_);
    EXPECT_TRUE(model.ok()) << model.status().ToString();
    return model.ok() ? std::move(model).value() : VisionModel{};
  }
  void ExpectLoadError(Code code, const std::string& first, const std::string& second = "",
                       const std::string& third = "") {
    const auto model = LoadVisionModel(dir_);
    ASSERT_FALSE(model.ok());
    EXPECT_EQ(model.status().code(), code);
    EXPECT_THAT(model.status().message(), AllOf(HasSubstr(first), HasSubstr(second), HasSubstr(third)));
  }

  using Tensors = std::vector<RandomTensor>;
  /// Writes the random tensors again, after `change` had its way with them, into DIR/name.
  void Rewrite(const std::string& file, const std::function<void(Tensors&)>& change) {
    Tensors tensors = RandomTensors(SmallConfig(), 7);
    change(tensors);
    std::vector<SafetensorsWriter::Declaration> declarations;
    for (const RandomTensor& tensor : tensors)
      declarations.push_back({tensor.name, DType::kF32, tensor.shape});
    auto writer = SafetensorsWriter::Create(dir_ + "/" + file, declarations);
    ASSERT_TRUE(writer.ok());
    for (const RandomTensor& tensor : tensors) {
      std::vector<float> row(tensor.row_size());
      for (int64_t r = 0; r < tensor.rows(); ++r) {
        tensor.fill(r, row);
        ASSERT_TRUE((*writer)->Append({reinterpret_cast<uint8_t*>(row.data()), row.size() * 4}).ok());
      }
    }
    ASSERT_TRUE((*writer)->Finish().ok());
  }
  void Rewrite(const std::function<void(Tensors&)>& change) { Rewrite("model.safetensors", change); }

  std::string dir_;
};

TEST_F(VisionModelTest, LoadsWhatInitModelWrites) {
  WriteModel();
  const VisionModel model = Load();
  EXPECT_EQ(model.config.architecture, "CLIPVisionModelWithProjection");
  EXPECT_EQ(model.config.tokens(), 17);
  EXPECT_EQ(model.config.embedding_dim(), 16);
  ASSERT_EQ(model.weights.blocks.size(), 2U);
  EXPECT_EQ(model.weights.patch.shape, (std::vector<int64_t>{32, 3, 8, 8}));
  EXPECT_EQ(model.weights.blocks[1].fc2.weight.name, "vision_model.encoder.layers.1.mlp.fc2.weight");
  EXPECT_TRUE(model.weights.projection.weight.present());
  EXPECT_FALSE(model.weights.projection.bias.present());
  EXPECT_FALSE(model.weights.patch_bias.present());
  EXPECT_FALSE(model.weights.blocks[0].layer_scale1.present());
  EXPECT_EQ(model.weights_sha256.size(), 64U);
}

TEST_F(VisionModelTest, SameSeedSameBytesWhateverTheThreads) {
  WriteModel({.seed = 7, .threads = 1});
  const std::string one = ReadFile(dir_ + "/model.safetensors");
  WriteModel({.seed = 7, .threads = 5});
  EXPECT_TRUE(one == ReadFile(dir_ + "/model.safetensors"));
  const std::string first = Load().weights_sha256;
  WriteModel({.seed = 8});
  EXPECT_NE(first, Load().weights_sha256);
  // The values themselves are part of what a seed promises, on every machine and in every release.
  EXPECT_EQ(first, "3e2db006befda88c3ebbc186f3d013e09a4faa8642a16156b9c5a91710f0366e");
}

TEST_F(VisionModelTest, HalfPrecisionFilesHoldTheRoundedValues) {
  WriteModel();
  const std::vector<float> full = Load().weights.blocks[0].q.weight.ToFloats();
  for (const DType dtype : {DType::kF16, DType::kBF16}) {
    WriteModel({.dtype = dtype});
    const VisionModel model = Load();
    EXPECT_EQ(model.weights.blocks[0].q.weight.dtype, dtype);
    const std::vector<float> half = model.weights.blocks[0].q.weight.ToFloats();
    for (size_t i = 0; i < full.size(); ++i) EXPECT_NEAR(full[i], half[i], std::fabs(full[i]) / 256 + 1e-7F);
  }
}

TEST_F(VisionModelTest, ShardsOtherTowersAndMissingPrefixMakeNoDifference) {
  WriteModel();
  const std::string sha = Load().weights_sha256;
  const auto text_tower = [](Tensors& tensors) {
    tensors.insert(tensors.begin(), {"text_model.embeddings.token_embedding.weight",
                                     {3, 4},
                                     [](int64_t, std::span<float> row) { row[0] = 1; }});
  };
  Rewrite(text_tower);
  EXPECT_EQ(Load().weights_sha256, sha);
  Rewrite([](Tensors& tensors) {
    for (RandomTensor& tensor : tensors) {
      if (tensor.name.starts_with("vision_model.")) tensor.name.erase(0, 13);
    }
  });
  EXPECT_EQ(Load().weights_sha256, sha);

  std::string map;
  const auto half = [&](bool second) {
    return [&map, second](Tensors& tensors) {
      std::erase_if(tensors, [&](const RandomTensor& t) {
        return (t.name.find("mlp") == std::string::npos) == second;
      });
      for (const RandomTensor& tensor : tensors) {
        map += (map.empty() ? "\"" : ",\"") + tensor.name + "\":\"" + (second ? "b" : "a") + ".safetensors\"";
      }
    };
  };
  Rewrite("a.safetensors", half(false));
  Rewrite("b.safetensors", half(true));
  std::filesystem::remove(dir_ + "/model.safetensors");
  std::ofstream(dir_ + "/model.safetensors.index.json") << "{\"metadata\":{},\"weight_map\":{" << map << "}}";
  EXPECT_EQ(Load().weights_sha256, sha);
}

TEST_F(VisionModelTest, MissingAndMisshapenTensorsAreNamed) {
  WriteModel();
  const std::string fc1 = "vision_model.encoder.layers.1.mlp.fc1.weight";
  Rewrite([&](Tensors& tensors) {
    std::erase_if(tensors, [&](const RandomTensor& t) { return t.name == fc1; });
  });
  ExpectLoadError(Code::kInvalidRequest, dir_ + "/model.safetensors", "'" + fc1 + "' is missing", "[64, 32]");
  Rewrite([&](Tensors& tensors) {
    for (RandomTensor& tensor : tensors) {
      if (tensor.name == fc1) tensor.shape = {32, 64};
    }
  });
  ExpectLoadError(Code::kInvalidRequest, "'" + fc1 + "' has shape [32, 64]", "expected [64, 32]");
  Rewrite([&](Tensors& tensors) {
    std::erase_if(tensors, [&](const RandomTensor& t) { return t.name.starts_with("visual_projection"); });
  });
  ExpectLoadError(Code::kInvalidRequest, "'visual_projection.weight' is missing", "[16, 32]");
}

TEST_F(VisionModelTest, LeadingOnesAreTheSameShape) {
  WriteModel();
  Rewrite([&](Tensors& tensors) {
    for (RandomTensor& tensor : tensors) {
      if (!tensor.name.ends_with("class_embedding")) continue;
      const auto fill = tensor.fill;
      tensor.shape = {1, 1, 32};
      tensor.fill = [fill](int64_t, std::span<float> row) {
        for (size_t i = 0; i < row.size(); ++i) fill(static_cast<int64_t>(i), row.subspan(i, 1));
      };
    }
  });
  EXPECT_EQ(Load().weights.class_token.shape, (std::vector<int64_t>{32}));
}

TEST_F(VisionModelTest, BrokenFoldersNameTheFile) {
  ExpectLoadError(Code::kNotFound, dir_ + "/config.json");
  std::ofstream(dir_ + "/config.json") << "{";
  ExpectLoadError(Code::kInvalidRequest, dir_ + "/config.json", "not valid JSON");
  WriteModel();
  std::filesystem::resize_file(dir_ + "/model.safetensors", 4000);
  ExpectLoadError(Code::kInvalidRequest, dir_ + "/model.safetensors");
  std::filesystem::remove(dir_ + "/model.safetensors");
  ExpectLoadError(Code::kNotFound, "model.safetensors", dir_);
}

TEST(RandomSource, HasUnitVarianceAndHeavyTails) {
  const RandomSource source(7, "x");
  constexpr int kCount = 200000;
  double sum = 0;
  double squares = 0;
  int beyond_four = 0;
  for (uint64_t i = 0; i < kCount; ++i) {
    const double t = source.HeavyTailed(i);
    sum += t;
    squares += t * t;
    beyond_four += std::fabs(t) > 4 ? 1 : 0;
  }
  EXPECT_NEAR(sum / kCount, 0, 0.01);
  EXPECT_NEAR(squares / kCount, 1, 0.1);
  EXPECT_GT(beyond_four, kCount / 600);  // a normal distribution has 13 of 200,000 there
  EXPECT_LT(beyond_four, kCount / 100);
  EXPECT_NE(RandomSource(7, "x").Bits(0), RandomSource(8, "x").Bits(0));
  EXPECT_NE(RandomSource(7, "x").Bits(0), RandomSource(7, "y").Bits(0));
}

TEST(RandomTensors, PlantsOutlierChannelsAndCentresFc2) {
  std::map<std::string, std::vector<float>> values;
  for (const RandomTensor& tensor : RandomTensors(SmallConfig(), 7)) {
    std::vector<float>& all = values[tensor.name];
    std::vector<float> row(tensor.row_size());
    for (int64_t r = 0; r < tensor.rows(); ++r) {
      tensor.fill(r, row);
      all.insert(all.end(), row.begin(), row.end());
    }
  }
  const auto large = [](float v) { return std::fabs(v) > 4; };
  EXPECT_EQ(std::ranges::count_if(values["vision_model.pre_layrnorm.bias"], large), 2);
  const auto tiny = [](float v) { return v < 0.2F; };
  EXPECT_GE(std::ranges::count_if(values["vision_model.post_layernorm.weight"], tiny), 2);
  const std::vector<float>& fc2 = values["vision_model.encoder.layers.0.mlp.fc2.weight"];
  double sum = 0;
  double size = 0;
  for (size_t i = 0; i < 64; ++i) {
    sum += fc2[i];
    size += std::fabs(fc2[i]);
  }
  EXPECT_LT(std::fabs(sum), 1e-5 * size);
}

}  // namespace
}  // namespace photovec::model
