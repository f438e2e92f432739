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
                       "size": {"shortest_edge": 100, "longest_edge": null}})");
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
        BadSpec{R"({"do_center_crop": false})", "do_center_crop", "false"},
        BadSpec{R"({"do_rescale": 1})", "do_rescale", "1"},
        BadSpec{R"({"do_normalize": "yes"})", "do_normalize", "\"yes\""},
        BadSpec{R"({"size": 0})", "size", "0"}, BadSpec{R"({"size": -3})", "size", "-3"},
        BadSpec{R"({"size": 4097})", "size", "4097"}, BadSpec{R"({"size": 224.5})", "size", "2.245E2"},
        BadSpec{R"({"size": 99999999999999999999})", "size", "1E20"},
        BadSpec{R"({"size": {"height": 224, "width": 336}})", "size", "{\"height\":224"},
        BadSpec{R"({"size": {"height": 224}})", "size", "{\"height\":224}"},
        BadSpec{R"({"size": {"shortest_edge": 100, "longest_edge": 4000}})", "size",
                "{\"shortest_edge\":100"},
        BadSpec{R"({"size": {"shortest_edge": 100, "height": 100, "width": 100}})", "size",
                "{\"shortest_edge\":100"},
        BadSpec{R"({"size": {"max_height": 100, "max_width": 100}})", "size", "{\"max_height\":100"},
        BadSpec{R"({"size": {"shortest_edge": "224"}})", "size", "{\"shortest_edge\":\"224\"}"},
        BadSpec{R"({"size": [224, 336]})", "size", "[224,336]"},
        BadSpec{R"({"size": 224, "use_square_size": true})", "use_square_size", "true"},
        BadSpec{R"({"crop_size": {"height": 224, "width": 336}})", "crop_size", "{\"height\":224"},
        BadSpec{R"({"crop_size": {"shortest_edge": 224}})", "crop_size", "{\"shortest_edge\":224}"},
        BadSpec{R"({"crop_size": [1, 2, 3]})", "crop_size", "[1,2,3]"},
        BadSpec{R"({"crop_size": "big"})", "crop_size", "\"big\""},
        BadSpec{R"({"resample": 0})", "resample", "0"},
        BadSpec{R"({"resample": "nearest"})", "resample", "\"nearest\""},
        BadSpec{R"({"resample": true})", "resample", "true"},
        BadSpec{R"({"do_pad": true})", "do_pad", "true"},
        // One number is the shortest edge for SigLIP's processor, and nothing crops.
        BadSpec{R"({"image_processor_type": "SiglipImageProcessor", "size": 384})", "do_center_crop",
                "false"},
        BadSpec{R"({"image_processor_type": "SiglipImageProcessor", "do_center_crop": true})", "crop_size",
                "null"},
        BadSpec{R"({"image_processor_type": "Tipsv2ImageProcessor", "do_normalize": true})", "image_mean",
                "null"},
        BadSpec{R"({"image_processor_type": "Siglip2ImageProcessor"})", "image_processor_type",
                "\"Siglip2ImageProcessor\""},
        BadSpec{R"({"image_processor_type": "CLIPImageProcessorFastFast"})", "image_processor_type",
                "\"CLIPImageProcessorFastFast\""},
        BadSpec{R"({"rescale_factor": 0})", "rescale_factor", "0"},
        BadSpec{R"({"rescale_factor": 1e300})", "rescale_factor", "1E300"},
        BadSpec{R"({"image_mean": [0.5, 0.5]})", "image_mean", "["},
        BadSpec{R"({"image_mean": ["a", 0.5, 0.5]})", "image_mean", "[\"a\""},
        BadSpec{R"({"image_std": [1, 1, 0]})", "image_std", "[1,1,0]"},
        BadSpec{R"({"image_std": -1})", "image_std", "-1"},
        BadSpec{R"({"image_processor_type": "ConvNextImageProcessor"})", "image_processor_type",
                "\"ConvNextImageProcessor\""},
        BadSpec{R"({"feature_extractor_type": 7})", "feature_extractor_type", "7"}));

struct Family {
  std::string_view text;
  std::string_view model_type;
  std::string_view described;
};

class SpecFamilies : public ::testing::TestWithParam<Family> {};

TEST_P(SpecFamilies, AreReadAsTheirOwnLibraryReadsThem) {
  const Result<Spec> spec = ParseSpec(GetParam().text, GetParam().model_type);
  ASSERT_TRUE(spec.ok()) << spec.status().ToString();
  EXPECT_EQ(Describe(*spec), GetParam().described);
}

constexpr std::string_view kSiglip224 =
    "mode=fixed filter=bicubic resize_short=224 crop=224 rescale=0.003921569 mean=0.5,0.5,0.5 "
    "std=0.5,0.5,0.5";
constexpr std::string_view kDinoV3 =
    "mode=fixed filter=bilinear resize_short=224 crop=224 rescale=0.003921569 "
    "mean=0.485,0.456,0.406 std=0.229,0.224,0.225";
constexpr std::string_view kClip224 =
    "mode=shortest_edge filter=bicubic resize_short=224 crop=224 rescale=0.003921569 "
    "mean=0.48145467,0.4578275,0.40821072 std=0.26862955,0.2613026,0.2757771";

INSTANTIATE_TEST_SUITE_P(
    Processors, SpecFamilies,
    ::testing::Values(
        Family{R"({"image_processor_type": "SiglipImageProcessor"})", "", kSiglip224},
        Family{R"({"image_processor_type": "SiglipImageProcessorFast"})", "clip", kSiglip224},
        Family{R"({"feature_extractor_type": "SiglipFeatureExtractor"})", "", kSiglip224},
        Family{R"({})", "siglip", kSiglip224}, Family{"{}", "siglip_vision_model", kSiglip224},
        Family{R"({"image_processor_type": "SiglipImageProcessorPil", "size": {"height": 384, "width": 384},
                   "resample": 2, "do_center_crop": null})",
               "",
               "mode=fixed filter=bilinear resize_short=384 crop=384 rescale=0.003921569 mean=0.5,0.5,0.5 "
               "std=0.5,0.5,0.5"},
        // facebook/dinov2-*: all keys are there.
        Family{R"({"crop_size": {"height": 224, "width": 224}, "do_center_crop": true, "do_convert_rgb": true,
                   "do_normalize": true, "do_rescale": true, "do_resize": true,
                   "image_mean": [0.485, 0.456, 0.406], "image_processor_type": "BitImageProcessor",
                   "image_std": [0.229, 0.224, 0.225], "resample": 3, "rescale_factor": 0.00392156862745098,
                   "size": {"shortest_edge": 256}})",
               "dinov2",
               "mode=shortest_edge filter=bicubic resize_short=256 crop=224 rescale=0.003921569 "
               "mean=0.485,0.456,0.406 std=0.229,0.224,0.225"},
        Family{"{}", "dinov2_with_registers", kClip224}, Family{"{}", "clip", kClip224},
        // facebook/dinov3-vit*: written by a Fast processor, nulls and all.
        Family{R"({"crop_size": null, "data_format": "channels_first", "default_to_square": true,
                   "disable_grouping": null, "do_center_crop": null, "do_convert_rgb": null,
                   "do_normalize": true, "do_rescale": true, "do_resize": true,
                   "image_mean": [0.485, 0.456, 0.406], "image_processor_type": "DINOv3ViTImageProcessorFast",
                   "image_std": [0.229, 0.224, 0.225], "resample": 2, "rescale_factor": 0.00392156862745098,
                   "size": {"height": 224, "width": 224}})",
               "dinov3_vit", kDinoV3},
        Family{R"({"size": 224})", "dinov3_vit", kDinoV3},
        Family{
            R"({"image_processor_type": "Tipsv2ImageProcessor"})", "",
            "mode=fixed filter=bilinear resize_short=448 crop=448 rescale=0.003921569 mean=0,0,0 std=1,1,1"},
        // transformers 5 writes one file for both halves.
        Family{R"({"image_processor": {"image_processor_type": "SiglipImageProcessor", "resample": 3},
                   "processor_class": "SiglipProcessor"})",
               "", kSiglip224},
        Family{
            R"({"size": [256, 256], "resample": "PILImageResampling.BILINEAR", "do_normalize": false})", "",
            "mode=fixed filter=bilinear resize_short=256 crop=224 rescale=0.003921569 mean=0,0,0 std=1,1,1"},
        Family{
            R"({"size": 256, "default_to_square": true, "resample": "lanczos", "do_normalize": false})", "",
            "mode=fixed filter=lanczos resize_short=256 crop=224 rescale=0.003921569 mean=0,0,0 std=1,1,1"}));

TEST(Spec, NaFlexIsRefusedByName) {
  for (const Result<Spec>& spec :
       {ParseSpec("{}", "siglip2"), ParseSpec(R"({"image_processor_type": "Siglip2ImageProcessorFast"})")}) {
    ASSERT_FALSE(spec.ok());
    EXPECT_THAT(spec.status().message(), HasSubstr("NaFlex"));
  }
}

class SpecOpenClip : public ::testing::TestWithParam<Family> {};

TEST_P(SpecOpenClip, IsReadAsOpenClipReadsIt) {
  const Result<Spec> spec = ParseOpenClipSpec(GetParam().text);
  ASSERT_TRUE(spec.ok()) << spec.status().ToString();
  EXPECT_EQ(Describe(*spec), GetParam().described);
}

INSTANTIATE_TEST_SUITE_P(
    OpenClip, SpecOpenClip,
    ::testing::Values(
        Family{R"({"model_cfg": {"vision_cfg": {"image_size": 224}}})", "",
               "mode=shortest_edge filter=bicubic resize_short=224 crop=224 rescale=0.003921569 "
               "crop_rounding=half_even "
               "mean=0.48145467,0.4578275,0.40821072 std=0.26862955,0.2613026,0.2757771"},
        // The model's size counts, not the other.
        Family{R"({"model_cfg": {"vision_cfg": {"image_size": [384, 384]}},
                   "preprocess_cfg": {"size": [224, 224], "mode": "RGB", "mean": [0.5, 0.5, 0.5],
                                      "std": 0.5, "interpolation": "bicubic", "resize_mode": "squash",
                                      "fill_color": 0}})",
               "",
               "mode=fixed filter=bicubic resize_short=384 crop=384 rescale=0.003921569 mean=0.5,0.5,0.5 "
               "std=0.5,0.5,0.5"},
        Family{R"({"preprocess_cfg": {"mean": null, "std": [1, 1, 1], "interpolation": "bilinear",
                                      "resize_mode": "longest"}})",
               "",
               "mode=longest_edge filter=bilinear resize_short=224 crop=224 rescale=0.003921569 "
               "crop_rounding=half_even "
               "mean=0.48145467,0.4578275,0.40821072 std=1,1,1"}));

TEST(OpenClipSpec, ErrorsNameTheKeyAndWhatItHolds) {
  for (const BadSpec& bad : {
           BadSpec{R"({"model_cfg": 3})", "model_cfg", "3"},
           BadSpec{R"({"model_cfg": {"vision_cfg": {"image_size": [224, 336]}}})", "image_size", "[224,336]"},
           BadSpec{R"({"model_cfg": {"vision_cfg": {"image_size": 1000000000}}})", "image_size",
                   "1000000000"},
           BadSpec{R"({"preprocess_cfg": {"interpolation": "nearest"}})", "interpolation", "\"nearest\""},
           BadSpec{R"({"preprocess_cfg": {"resize_mode": 1}})", "resize_mode", "1"},
           BadSpec{R"({"preprocess_cfg": {"resize_mode": "longest", "fill_color": 127}})", "fill_color",
                   "127"},
           BadSpec{R"({"preprocess_cfg": {"mode": "L"}})", "mode", "\"L\""},
           BadSpec{R"({"preprocess_cfg": {"mean": [1, 2]}})", "mean", "[1"},
           BadSpec{R"({"preprocess_cfg": {"std": 0}})", "std", "0"},
       }) {
    const Result<Spec> spec = ParseOpenClipSpec(bad.text);
    ASSERT_FALSE(spec.ok()) << bad.text;
    EXPECT_EQ(spec.status().code(), Code::kInvalidRequest);
    EXPECT_THAT(spec.status().message(),
                HasSubstr("\"" + std::string(bad.key) + "\" holds " + std::string(bad.found)));
    EXPECT_THAT(spec.status().message(), HasSubstr("supported: "));
  }
}

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
  Spec rounded = base;
  rounded.rounding = CropRounding::kHalfEven;
  EXPECT_NE(Describe(base), Describe(rounded));
  EXPECT_EQ(Describe(SquashVariant(base)), Describe(SquashVariant(rounded)));
  for (const ResizeMode mode : {ResizeMode::kFixed, ResizeMode::kLongestEdge}) {
    Spec moded = base;
    moded.mode = mode;
    EXPECT_NE(Describe(base), Describe(moded));
  }
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
  void Write(std::string_view text, const std::string& name = "preprocessor_config.json") {
    std::ofstream(dir_ / name, std::ios::binary) << text;
  }
  std::filesystem::path dir_;
};

TEST_F(LoadSpecTest, ReadsTheFile) {
  Write(kDictionaries);
  const Result<Spec> spec = LoadSpec(dir_.string());
  ASSERT_TRUE(spec.ok()) << spec.status().ToString();
  EXPECT_EQ(spec->crop, 336);
}

TEST_F(LoadSpecTest, TheNestedProcessorComesFirst) {
  Write(kDictionaries);
  Write(R"({"processor_class": "CLIPProcessor"})", "processor_config.json");
  Result<Spec> spec = LoadSpec(dir_.string());
  ASSERT_TRUE(spec.ok()) << spec.status().ToString();
  EXPECT_EQ(spec->crop, 336) << "before transformers 5 that file says nothing of images";
  Write(R"({"image_processor": {"image_processor_type": "SiglipImageProcessor"}})", "processor_config.json");
  spec = LoadSpec(dir_.string());
  ASSERT_TRUE(spec.ok()) << spec.status().ToString();
  EXPECT_EQ(Describe(*spec), kSiglip224);
  std::filesystem::remove(dir_ / "preprocessor_config.json");
  EXPECT_TRUE(LoadSpec(dir_.string()).ok());
  Write(R"({"image_processor": {"size": 0}})", "processor_config.json");
  spec = LoadSpec(dir_.string());
  ASSERT_FALSE(spec.ok());
  EXPECT_THAT(spec.status().message(), HasSubstr("processor_config.json: image_processor: \"size\" holds 0"));
  Write("{", "processor_config.json");
  EXPECT_THAT(LoadSpec(dir_.string()).status().message(), HasSubstr("processor_config.json: "));
}

TEST_F(LoadSpecTest, TheModelTypeTellsTheProcessor) {
  Write("{}");
  Write(R"({"model_type": "siglip"})", "config.json");
  EXPECT_EQ(Describe(*LoadSpec(dir_.string())), kSiglip224);
  for (const std::string_view text : {"{", R"({"model_type": 3})", R"({"model_type": null})", "[]"}) {
    Write(text, "config.json");
    EXPECT_EQ(Describe(*LoadSpec(dir_.string())), kClip224) << text;
  }
}

TEST_F(LoadSpecTest, OpenClipsFileCountsWithItsWeights) {
  Write(R"({"preprocess_cfg": {"resize_mode": "squash"}})", "open_clip_config.json");
  EXPECT_EQ(LoadSpec(dir_.string())->mode, ResizeMode::kFixed) << "alone";
  Write(kDictionaries);
  EXPECT_EQ(LoadSpec(dir_.string())->mode, ResizeMode::kFixed) << "no weights of transformers";
  Write("", "model.safetensors.index.json");
  EXPECT_EQ(LoadSpec(dir_.string())->mode, ResizeMode::kShortestEdge) << "weights of transformers";
  std::filesystem::remove(dir_ / "preprocessor_config.json");
  EXPECT_EQ(LoadSpec(dir_.string())->mode, ResizeMode::kFixed) << "weights, but no preprocessing";
  Write(R"({"preprocess_cfg": {"resize_mode": "fit"}})", "open_clip_config.json");
  EXPECT_THAT(LoadSpec(dir_.string()).status().message(),
              HasSubstr("open_clip_config.json: \"resize_mode\" holds \"fit\""));
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
