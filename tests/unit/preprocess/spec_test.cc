// SPDX-License-Identifier: MIT
#include "preprocess/spec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

namespace photovec::preprocess {
namespace {

using ::testing::HasSubstr;

// The file that openai/clip-vit-base-patch32 carries: integer sizes, no rescale_factor.
constexpr std::string_view kOpenAi = R"({
  "crop_size": 224, "do_center_crop": true, "do_normalize": true, "do_resize": true,
  "feature_extractor_type": "CLIPFeatureExtractor",
  "image_mean": [0.48145466, 0.4578275, 0.40821073],
  "image_std": [0.26862954, 0.26130258, 0.27577711],
  "resample": 3, "size": 224
})";

// As newer transformers save it, with other numbers.
constexpr std::string_view kDictionaries = R"({
  "_valid_processor_keys": ["images", "do_resize"],
  "crop_size": {"height": 336, "width": 336}, "do_center_crop": true, "do_convert_rgb": true,
  "do_normalize": true, "do_rescale": true, "do_resize": true, "image_processor_type": "CLIPImageProcessor",
  "image_mean": [0.5, 0.25, 0.125], "image_std": [0.5, 1, 2], "resample": 2,
  "rescale_factor": 0.00392156862745098, "size": {"shortest_edge": 400}
})";

TEST(Spec, ReadsIntegerSizes) {
  const Result<Spec> spec = ParseSpec(kOpenAi);
  ASSERT_TRUE(spec.ok()) << spec.status().ToString();
  EXPECT_EQ(spec->mode, ResizeMode::kShortestEdge);
  EXPECT_EQ(spec->filter, Filter::kBicubic);
  EXPECT_EQ(spec->resize_short, 224);
  EXPECT_EQ(spec->crop, 224);
  EXPECT_FLOAT_EQ(spec->normalization.rescale, 1.0F / 255.0F);
  EXPECT_FLOAT_EQ(spec->normalization.mean[0], 0.48145466F);
  EXPECT_FLOAT_EQ(spec->normalization.std[2], 0.27577711F);
  EXPECT_EQ(spec->slot_bytes(), 224U * 224U * 3U);
}

TEST(Spec, ReadsDictionaries) {
  const Result<Spec> spec = ParseSpec(kDictionaries);
  ASSERT_TRUE(spec.ok()) << spec.status().ToString();
  EXPECT_EQ(spec->filter, Filter::kBilinear);
  EXPECT_EQ(spec->resize_short, 400);
  EXPECT_EQ(spec->crop, 336);
  EXPECT_FLOAT_EQ(spec->normalization.rescale, 1.0F / 255.0F);
  EXPECT_EQ(spec->normalization.mean[1], 0.25F);
  EXPECT_EQ(spec->normalization.std[2], 2.0F);
}

TEST(Spec, MissingKeysAreClipDefaults) {
  for (const std::string_view text : {"{}", R"({"size": null, "crop_size": null, "image_mean": null})"}) {
    const Result<Spec> spec = ParseSpec(text);
    ASSERT_TRUE(spec.ok()) << spec.status().ToString();
    EXPECT_EQ(Describe(*spec), Describe(*ParseSpec(kOpenAi)));
  }
}

TEST(Spec, SwitchesAndScalars) {
  Result<Spec> spec = ParseSpec(R"({"do_rescale": false, "rescale_factor": 0.5, "do_normalize": false})");
  ASSERT_TRUE(spec.ok()) << spec.status().ToString();
  EXPECT_EQ(spec->normalization.rescale, 1.0F);
  EXPECT_EQ(spec->normalization.mean[0], 0.0F);
  EXPECT_EQ(spec->normalization.std[0], 1.0F);

  spec = ParseSpec(R"({"image_mean": 0.5, "image_std": 2, "resample": 1, "crop_size": [96, 96],
                       "size": {"shortest_edge": 100, "longest_edge": 4000}})");
  ASSERT_TRUE(spec.ok()) << spec.status().ToString();
  EXPECT_EQ(spec->normalization.mean[2], 0.5F);
  EXPECT_EQ(spec->normalization.std[1], 2.0F);
  EXPECT_EQ(spec->filter, Filter::kLanczos);
  EXPECT_EQ(spec->crop, 96);
  EXPECT_EQ(spec->resize_short, 100);
}

struct BadSpec {
  std::string_view text;
  std::string_view key;
  std::string_view found;
};

class SpecErrors : public ::testing::TestWithParam<BadSpec> {};

TEST_P(SpecErrors, NameTheKeyAndWhatItHolds) {
  const Result<Spec> spec = ParseSpec(GetParam().text);
  ASSERT_FALSE(spec.ok()) << GetParam().text;
  EXPECT_EQ(spec.status().code(), Code::kInvalidRequest);
  EXPECT_THAT(spec.status().message(), HasSubstr("\"" + std::string(GetParam().key) + "\""));
  EXPECT_THAT(spec.status().message(), HasSubstr("holds " + std::string(GetParam().found)));
  EXPECT_THAT(spec.status().message(), HasSubstr("supported: "));
}

INSTANTIATE_TEST_SUITE_P(
    All, SpecErrors,
    ::testing::Values(
        BadSpec{R"({"do_resize": false})", "do_resize", "false"},
        BadSpec{R"({"do_resize": null})", "do_resize", "false"},
        BadSpec{R"({"do_center_crop": false})", "do_center_crop", "false"},
        BadSpec{R"({"do_rescale": 1})", "do_rescale", "1"},
        BadSpec{R"({"do_normalize": "yes"})", "do_normalize", "\"yes\""},
        BadSpec{R"({"size": 0})", "size", "0"}, BadSpec{R"({"size": -3})", "size", "-3"},
        BadSpec{R"({"size": 4097})", "size", "4097"}, BadSpec{R"({"size": 224.5})", "size", "2.245E2"},
        BadSpec{R"({"size": 99999999999999999999})", "size", "1E20"},
        BadSpec{R"({"size": {"height": 224, "width": 224}})", "size", "{\"height\":224"},
        BadSpec{R"({"size": {"shortest_edge": "224"}})", "size", "{\"shortest_edge\":\"224\"}"},
        BadSpec{R"({"size": [224, 224]})", "size", "[224,224]"},
        BadSpec{R"({"size": 224, "use_square_size": true})", "use_square_size", "true"},
        BadSpec{R"({"crop_size": {"height": 224, "width": 336}})", "crop_size", "{\"height\":224"},
        BadSpec{R"({"crop_size": {"shortest_edge": 224}})", "crop_size", "{\"shortest_edge\":224}"},
        BadSpec{R"({"crop_size": [1, 2, 3]})", "crop_size", "[1,2,3]"},
        BadSpec{R"({"crop_size": "big"})", "crop_size", "\"big\""},
        BadSpec{R"({"resample": 0})", "resample", "0"},
        BadSpec{R"({"resample": "bicubic"})", "resample", "\"bicubic\""},
        BadSpec{R"({"resample": null})", "resample", "null"},
        BadSpec{R"({"rescale_factor": 0})", "rescale_factor", "0"},
        BadSpec{R"({"rescale_factor": 1e300})", "rescale_factor", "1E300"},
        BadSpec{R"({"image_mean": [0.5, 0.5]})", "image_mean", "["},
        BadSpec{R"({"image_mean": ["a", 0.5, 0.5]})", "image_mean", "[\"a\""},
        BadSpec{R"({"image_std": [1, 1, 0]})", "image_std", "[1,1,0]"},
        BadSpec{R"({"image_std": -1})", "image_std", "-1"},
        BadSpec{R"({"image_processor_type": "ConvNextImageProcessor"})", "image_processor_type",
                "\"ConvNextImageProcessor\""},
        BadSpec{R"({"feature_extractor_type": 7})", "feature_extractor_type", "7"}));

TEST(Spec, RefusesWhatIsNoJsonObject) {
  for (const std::string_view text : {"", "{", "[]", "3", "{\"size\": NaN}", "{} {}", "{\"size\": 224,}",
                                      "\xff\xfe", "{\"size\": 224, \"size\": 336}"}) {
    const Result<Spec> spec = ParseSpec(text);
    ASSERT_FALSE(spec.ok()) << text;
    EXPECT_EQ(spec.status().code(), Code::kInvalidRequest) << text;
    EXPECT_THAT(spec.status().message(), HasSubstr("JSON")) << text;
  }
  EXPECT_TRUE(ParseSpec("  {} \r\n\t").ok());
}

TEST(Spec, DepthIsBounded) {
  const std::string deep = "{\"size\":" + std::string(10'000, '[') + std::string(10'000, ']') + "}";
  const Result<Spec> spec = ParseSpec(deep);
  ASSERT_FALSE(spec.ok());
  EXPECT_EQ(spec.status().code(), Code::kInvalidRequest);
}

TEST(Spec, LongValuesAreCutInMessages) {
  const Result<Spec> spec = ParseSpec("{\"size\": \"" + std::string(5000, 'x') + "\"}");
  ASSERT_FALSE(spec.ok());
  EXPECT_LT(spec.status().message().size(), 400U);
}

TEST(Spec, SquashKeepsTheModelInput) {
  const Spec spec = *ParseSpec(kDictionaries);
  const Spec squash = SquashVariant(spec);
  EXPECT_EQ(squash.mode, ResizeMode::kSquash);
  EXPECT_EQ(squash.crop, spec.crop);
  EXPECT_EQ(squash.slot_bytes(), spec.slot_bytes());
  EXPECT_EQ(squash.normalization.std[1], spec.normalization.std[1]);
}

TEST(Spec, DescribeTellsSpecsApart) {
  const Spec base = *ParseSpec(kOpenAi);
  EXPECT_EQ(Describe(base),
            "mode=shortest_edge filter=bicubic resize_short=224 crop=224 rescale=0.003921569 "
            "mean=0.48145467,0.4578275,0.40821072 std=0.26862955,0.2613026,0.2757771");
  EXPECT_EQ(Describe(base).find('\n'), std::string::npos);
  Spec other = base;
  other.resize_short = 256;
  EXPECT_NE(Describe(base), Describe(other));
  EXPECT_EQ(Describe(SquashVariant(base)), Describe(SquashVariant(other)))
      << "squash does not depend on resize_short, so its fingerprint must not either";
  other = base;
  other.filter = Filter::kLanczos;
  EXPECT_NE(Describe(base), Describe(other));
  other = base;
  other.normalization.std[2] += 1e-7F;
  EXPECT_NE(Describe(base), Describe(other));
  EXPECT_NE(Describe(base), Describe(SquashVariant(base)));
}

class LoadSpecTest : public ::testing::Test {
 protected:
  void SetUp() override {
    dir_ = std::filesystem::path(::testing::TempDir()) /
           ("spec_" + std::string(::testing::UnitTest::GetInstance()->current_test_info()->name()));
    std::filesystem::create_directories(dir_);
  }
  void TearDown() override { std::filesystem::remove_all(dir_); }
  void Write(std::string_view text) {
    std::ofstream(dir_ / "preprocessor_config.json", std::ios::binary) << text;
  }
  std::filesystem::path dir_;
};

TEST_F(LoadSpecTest, ReadsTheFile) {
  Write(kDictionaries);
  const Result<Spec> spec = LoadSpec(dir_.string());
  ASSERT_TRUE(spec.ok()) << spec.status().ToString();
  EXPECT_EQ(spec->crop, 336);
}

TEST_F(LoadSpecTest, ErrorsNameTheFile) {
  Result<Spec> spec = LoadSpec(dir_.string());
  ASSERT_FALSE(spec.ok());
  EXPECT_EQ(spec.status().code(), Code::kNotFound);
  EXPECT_THAT(spec.status().message(), HasSubstr("preprocessor_config.json"));

  Write("{\"size\": 0}");
  spec = LoadSpec(dir_.string());
  ASSERT_FALSE(spec.ok());
  EXPECT_EQ(spec.status().code(), Code::kInvalidRequest);
  EXPECT_THAT(spec.status().message(), HasSubstr("preprocessor_config.json: \"size\" holds 0"));

  Write(std::string((1U << 20) + 1, ' '));
  spec = LoadSpec(dir_.string());
  ASSERT_FALSE(spec.ok());
  EXPECT_THAT(spec.status().message(), HasSubstr("larger than 1 MiB"));

  std::filesystem::remove(dir_ / "preprocessor_config.json");
  std::filesystem::create_directory(dir_ / "preprocessor_config.json");
  spec = LoadSpec(dir_.string());
  ASSERT_FALSE(spec.ok());
  EXPECT_EQ(spec.status().code(), Code::kNotFound);
}

}  // namespace
}  // namespace photovec::preprocess
