// SPDX-License-Identifier: MIT
#include "model/text_model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <cmath>
#include <fstream>
#include <sstream>
#include <string>

#include "base/json/reader.h"
#include "checkpoint_tensors.h"
#include "model/random/model_files.h"

namespace photovec::model {
namespace {

using testing::AllOf;
using testing::HasSubstr;

constexpr const char* kTokens = "text_model.embeddings.token_embedding.weight";

class TextModelTest : public ModelFolderTest {
 protected:
  TextModel Load() {
    auto model = LoadTextModel(dir_);
    EXPECT_TRUE(model.ok()) << model.status().ToString();
    EXPECT_TRUE(model.ok() && model->has_value());
    return model.ok() && *model ? std::move(**model) : TextModel{};
  }
  void ExpectNone() {
    const auto model = LoadTextModel(dir_);
    ASSERT_TRUE(model.ok()) << model.status().ToString();
    EXPECT_FALSE(model->has_value());
  }
  void ExpectLoadError(const std::string& first, const std::string& second = "",
                       const std::string& third = "") {
    const auto model = LoadTextModel(dir_);
    ASSERT_FALSE(model.ok());
    EXPECT_EQ(model.status().code(), Code::kInvalidRequest);
    EXPECT_THAT(model.status().message(), AllOf(HasSubstr(first), HasSubstr(second), HasSubstr(third)));
  }
  /// Changes config.json.
  void ChangeConfig(const std::function<void(boost::json::object&)>& change) {
    std::ifstream file(dir_ + "/config.json");
    std::ostringstream text;
    text << file.rdbuf();
    auto object = json::ParseObject(text.str());
    ASSERT_TRUE(object.ok());
    change(*object);
    WriteText("config.json", boost::json::serialize(*object));
  }
};

TEST_F(TextModelTest, LoadsClipsTower) {
  WritePreset("tiny-text");
  const TextModel model = Load();
  EXPECT_TRUE(model.config.causal);
  EXPECT_EQ(model.config.max_tokens, 77);
  EXPECT_EQ(model.config.embedding_dim(), 64);
  EXPECT_EQ(model.weights.token_embedding.shape, (std::vector<int64_t>{514, 64}));
  EXPECT_EQ(model.weights.position.shape, (std::vector<int64_t>{77, 64}));
  ASSERT_EQ(model.weights.blocks.size(), 2U);
  EXPECT_TRUE(model.weights.projection.weight.present());
  EXPECT_FALSE(model.weights.projection.bias.present());
  EXPECT_NEAR(model.score.scale, 100, 0.1);
  EXPECT_FALSE(model.score.sigmoid);
}

TEST_F(TextModelTest, LoadsSiglipsTower) {
  WritePreset("tiny-siglip");
  const TextModel model = Load();
  EXPECT_FALSE(model.config.causal);
  EXPECT_TRUE(model.weights.projection.bias.present());
  EXPECT_TRUE(model.score.sigmoid);
  EXPECT_FLOAT_EQ(model.score.bias, -16);
}

// The rest of the file may go, and its name, too.
TEST_F(TextModelTest, TokenRowsOutliveTheRestAndTheFilesName) {
  WritePreset("tiny-siglip");
  const std::vector<float> rows = Read().at(kTokens).values;
  TextModel model = Load();
  const TensorView tokens = model.weights.token_embedding;
  const std::weak_ptr<const void> rest = model.storage;
  model.storage.reset();
  EXPECT_TRUE(rest.expired());
  std::filesystem::remove(dir_ + "/model.safetensors");
  EXPECT_EQ(tokens.ToFloats(), rows);
}

TEST_F(TextModelTest, FoldersOfImagesAloneHaveNone) {
  WritePreset("tiny");
  ExpectNone();
  WritePreset("tiny-dinov2");
  ExpectNone();
  WritePreset("tiny-text");
  Change([](TestTensors& tensors) {
    std::erase_if(tensors, [](const auto& tensor) { return tensor.first.starts_with("text_"); });
  });
  ExpectNone();  // somebody cut the tower off and left the config as it was
}

TEST_F(TextModelTest, TowersWithoutTheirPrefixLoad) {
  WritePreset("tiny-text");
  const std::string sha = Load().weights_sha256;
  Change([](TestTensors& tensors) {
    std::erase_if(tensors, [](const auto& tensor) {
      return tensor.first.starts_with("visi") || tensor.first.starts_with("visual") ||
             tensor.first == "logit_scale";
    });
    Rename(tensors, {{"text_model.", ""}});
  });
  ChangeConfig([](boost::json::object& config) {
    boost::json::object text = config["text_config"].as_object();
    text["architectures"] = {"CLIPTextModelWithProjection"};
    config = std::move(text);
  });
  EXPECT_NE(Load().weights_sha256, sha);  // the scale of scores is not there
  EXPECT_EQ(Load().config.embedding_dim(), 64);
}

TEST_F(TextModelTest, TowersOfTwoSpacesAreRefused) {
  WritePreset("tiny-siglip");
  ChangeConfig(
      [](boost::json::object& config) { config["text_config"].as_object()["projection_size"] = 96; });
  ExpectLoadError(dir_ + "/config.json", "images have 128 numbers, those of texts 96", "one space");
}

TEST_F(TextModelTest, AVocabularyOfAnotherSizeIsNamed) {
  WritePreset("tiny-text");
  ChangeConfig([](boost::json::object& config) { config["text_config"].as_object()["vocab_size"] = 49408; });
  ExpectLoadError(std::string("'") + kTokens + "' has shape [514, 64]", "expected [49408, 64]",
                  "config.json");
}

TEST_F(TextModelTest, MissingTensorsAndBadNumbersAreNamed) {
  WritePreset("tiny-siglip");
  Change([](TestTensors& tensors) { tensors.erase("text_model.head.bias"); });
  ExpectLoadError("'text_model.head.bias' is missing", "[128]");
  WritePreset("tiny-siglip");
  Change([](TestTensors& tensors) { tensors.erase("logit_bias"); });
  ExpectLoadError("'logit_bias' is missing");
  WritePreset("tiny-siglip");
  Change([](TestTensors& tensors) { tensors.at(kTokens).values[130] = std::nanf(""); });
  ExpectLoadError(kTokens, "NaN", "element 130");
  WritePreset("tiny-siglip");
  Change([](TestTensors& tensors) { tensors.at("logit_scale").values[0] = 1000; });
  ExpectLoadError("'logit_scale'", "exponential");
}

}  // namespace
}  // namespace photovec::model
