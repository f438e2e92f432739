// SPDX-License-Identifier: MIT
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "engine/machine_plan.h"
#include "engine/machine_report.h"
#include "engine/model_setup.h"

namespace photovec::engine {
namespace {

using ::testing::HasSubstr;

FingerprintParts Parts() {
  FingerprintParts parts;
  parts.weights_sha256 = std::string(64, 'a');
  parts.config.image_size = 224;
  parts.config.patch_size = 32;
  parts.config.hidden_size = 768;
  parts.config.layers = 12;
  parts.config.heads = 12;
  parts.config.mlp_size = 3072;
  parts.config.projection_dim = 512;
  return parts;
}

TEST(Fingerprint, IsTwelveHexDigitsAndStable) {
  const std::string id = Fingerprint(Parts());
  EXPECT_EQ(id.size(), 12U);
  EXPECT_EQ(id.find_first_not_of("0123456789abcdef"), std::string::npos);
  EXPECT_EQ(id, Fingerprint(Parts()));
}

// Vectors that people keep carry these: as photovec 0.1 wrote them, for ever, but for srgb, which got other
// pixels (HDR, code points).
TEST(Fingerprint, StaysWhatItWas) {
  EXPECT_EQ(Fingerprint(Parts()), "f619d7f96423");
  const std::vector<std::pair<std::function<void(FingerprintParts&)>, std::string>> variants = {
      {[](auto& p) { p.jpeg_scaling = decode::JpegScaling::kExact; }, "5f301401740e"},
      {[](auto& p) { p.alpha = decode::AlphaMode::kWhite; }, "62a76090a61f"},
      {[](auto& p) { p.color = decode::ColorMode::kSrgb; }, "77c6acbb1230"},
      {[](auto& p) { p.decode_device = DecodeDevice::kGpu; }, "1fd13648205d"},
      {[](auto& p) { p.decode_device = DecodeDevice::kMixed; }, "080f86ab6c92"},
  };
  FingerprintParts all = Parts();
  for (size_t i = 0; i < variants.size(); ++i) {
    FingerprintParts parts = Parts();
    variants[i].first(parts);
    EXPECT_EQ(Fingerprint(parts), variants[i].second) << "variant " << i;
    variants[i].first(all);
  }
  all.decode_device = DecodeDevice::kGpu;
  EXPECT_EQ(Fingerprint(all), "fa6c90eb0e47");
}

TEST(Fingerprint, ChangesWithEveryIngredient) {
  const std::vector<std::function<void(FingerprintParts&)>> changes = {
      [](auto& p) { p.weights_sha256[0] = 'b'; },
      [](auto& p) { p.jpeg_scaling = decode::JpegScaling::kExact; },
      [](auto& p) { p.alpha = decode::AlphaMode::kWhite; },
      [](auto& p) { p.color = decode::ColorMode::kSrgb; },
      [](auto& p) { p.decode_device = DecodeDevice::kGpu; },
      [](auto& p) { p.decode_device = DecodeDevice::kMixed; },
      [](auto& p) { p.config.activation = model::Activation::kGeluErf; },
      [](auto& p) { p.config.layer_norm_eps = 1e-6F; },
      [](auto& p) { p.config.heads = 6; },
      [](auto& p) { p.config.projection_dim = 0; },
      [](auto& p) { p.config.has_pre_norm = false; },
      [](auto& p) { p.config.register_tokens = 4; },
      [](auto& p) { p.config.gated_mlp = true; },
      [](auto& p) { p.config.has_key_bias = false; },
      [](auto& p) { p.config.positions = model::Positions::kRotary; },
      [](auto& p) {
        p.config.positions = model::Positions::kRotary;
        p.config.rope_theta = 10000;
      },
      [](auto& p) { p.spec.mode = preprocess::ResizeMode::kSquash; },
      [](auto& p) { p.spec.filter = preprocess::Filter::kBilinear; },
      [](auto& p) { p.spec.resize_short = 256; },
      [](auto& p) { p.spec.crop = 336; },
      [](auto& p) { p.spec.normalization.mean[1] = 0.4F; },
      [](auto& p) { p.spec.normalization.std[2] = 0.9F; },
      [](auto& p) { p.spec.normalization.rescale = 1.0F; },
  };
  std::set<std::string> seen = {Fingerprint(Parts())};
  for (size_t i = 0; i < changes.size(); ++i) {
    FingerprintParts parts = Parts();
    changes[i](parts);
    EXPECT_TRUE(seen.insert(Fingerprint(parts)).second) << "change " << i << " does not show";
  }
}

TEST(ModelChoice, NamesAndFolders) {
  const auto named = ParseModelChoice("clip=/models/b32");
  ASSERT_TRUE(named.ok());
  EXPECT_EQ(named->name, "clip");
  EXPECT_EQ(named->dir, "/models/b32");
  const auto plain = ParseModelChoice("/models/b32/");
  ASSERT_TRUE(plain.ok());
  EXPECT_EQ(plain->name, "b32");
  EXPECT_EQ(ParseModelChoice("openai/clip=/m")->name, "openai/clip");
  EXPECT_FALSE(ParseModelChoice("=dir").ok());
  EXPECT_FALSE(ParseModelChoice("name=").ok());
}

TEST(ModelChoice, AnExistingFolderWithAnEqualsSignIsAFolder) {
  const auto dir = std::filesystem::path(::testing::TempDir()) / "photovec a=b";
  std::filesystem::create_directories(dir);
  const auto choice = ParseModelChoice(dir.string());
  ASSERT_TRUE(choice.ok());
  EXPECT_EQ(choice->dir, dir.string());
  EXPECT_EQ(choice->name, "photovec a=b");
  std::filesystem::remove_all(dir);
}

TEST(ModelChoice, NoneOrTwiceTheSameNameIsAnError) {
  EXPECT_THAT(ParseModelChoices({}).status().message(), HasSubstr("--model DIR"));
  EXPECT_THAT(ParseModelChoices({"/a/clip", "/b/clip"}).status().message(),
              HasSubstr("two models are called 'clip'"));
}

TEST(ModelSetup, MissingFolderIsNamed) {
  const auto loaded = SetUpModel({"x", "/nonexistent/model"}, {}, MakePlan(ProbeMachine(), {}), false);
  ASSERT_FALSE(loaded.ok());
  EXPECT_THAT(loaded.status().message(), HasSubstr("/nonexistent/model"));
}

Machine MachineOf(int cores, double quota, uint64_t memory_bytes) {
  Machine machine;
  machine.physical_cores = cores;
  machine.cpus.resize(static_cast<size_t>(cores));
  machine.cpu_quota = quota;
  machine.memory_bytes = memory_bytes;
  return machine;
}

TEST(MachinePlan, StreamsFollowCoresAndQuota) {
  const auto shape = [](int cores, double quota) {
    const MachinePlan plan = MakePlan(MachineOf(cores, quota, uint64_t{8} << 30), {});
    return std::to_string(plan.streams) + "x" + std::to_string(plan.threads_per_stream) + " " +
           std::to_string(plan.decoders);
  };
  EXPECT_EQ(shape(1, 1), "1x1 1");
  EXPECT_EQ(shape(2, 2), "2x1 2");
  EXPECT_EQ(shape(8, 8), "4x2 8");
  EXPECT_EQ(shape(64, 64), "16x4 64");
  EXPECT_EQ(shape(64, 3.5), "3x1 3") << "a container with 3.5 CPUs of 64";
  EXPECT_EQ(shape(2, 0.5), "1x1 1");
}

TEST(MachinePlan, WhatIsSetWins) {
  EngineOptions options;
  options.streams = 2;
  options.decoders = 7;
  options.memory_budget_bytes = 123;
  options.precision = model::Precision::kF32;
  const MachinePlan plan = MakePlan(MachineOf(8, 8, uint64_t{64} << 30), options);
  EXPECT_EQ(plan.streams, 2);
  EXPECT_EQ(plan.threads_per_stream, 4) << "two streams share eight cores";
  EXPECT_EQ(plan.decoders, 7);
  EXPECT_EQ(plan.memory_budget_bytes, 123U);
  EXPECT_EQ(plan.precision, model::Precision::kF32);
}

TEST(MachinePlan, MoreThreadsThanCpusAreNotPinned) {
  EngineOptions options;
  options.streams = 4;
  const MachinePlan plan = MakePlan(MachineOf(2, 2, uint64_t{8} << 30), options);
  EXPECT_EQ(plan.streams, 4);
  EXPECT_EQ(plan.threads_per_stream, 1);
  EXPECT_FALSE(plan.pin_threads);
  EXPECT_THAT(plan.streams_why, HasSubstr("not pinned"));
  options.streams = 2;
  EXPECT_TRUE(MakePlan(MachineOf(2, 2, uint64_t{8} << 30), options).pin_threads);
}

TEST(MachinePlan, BudgetIsAQuarterUpToTwoGiB) {
  EXPECT_EQ(MakePlan(MachineOf(2, 2, uint64_t{4} << 30), {}).memory_budget_bytes, uint64_t{1} << 30);
  EXPECT_EQ(MakePlan(MachineOf(2, 2, uint64_t{64} << 30), {}).memory_budget_bytes, uint64_t{2} << 30);
}

TEST(MachinePlan, BudgetIsWhatModelAndDecodersLeave) {
  constexpr uint64_t kMiB = uint64_t{1} << 20;
  EngineOptions options;
  const auto fit = [&](uint64_t memory, const MemoryNeeds& needs, MachinePlan* plan) {
    const Machine machine = MachineOf(2, 2, memory);
    *plan = MakePlan(machine, options);
    return FitBudget(machine, options, needs, *plan);
  };
  MachinePlan plan;
  EXPECT_EQ(fit(1536 * kMiB, {400 * kMiB, 30 * kMiB, 0}, &plan), "") << "a container of 1.5 GiB";
  EXPECT_EQ(plan.memory_budget_bytes, 384 * kMiB) << "a quarter fits";
  EXPECT_EQ(plan.decode_memory_bytes / kMiB, 520U) << "and half of what the model leaves for the decoders";
  EXPECT_EQ(fit(1536 * kMiB, {1000 * kMiB, 30 * kMiB, 0}, &plan), "");
  EXPECT_LT(plan.memory_budget_bytes, 200 * kMiB) << "less is left";
  EXPECT_LT(plan.decode_memory_bytes, 200 * kMiB) << "half of it";
  EXPECT_THAT(plan.memory_why, HasSubstr("leave of 1.5 GiB"));
  EXPECT_THAT(fit(768 * kMiB, {600 * kMiB, 30 * kMiB, 0}, &plan), HasSubstr("A lower --decode-memory"));
  EXPECT_EQ(plan.memory_budget_bytes, 64 * kMiB) << "a server must be able to work at all";
  EXPECT_EQ(plan.decode_memory_bytes, 64 * kMiB);
  EXPECT_EQ(fit(uint64_t{4096} * kMiB, {400 * kMiB, 30 * kMiB, 0}, &plan), "");
  EXPECT_EQ(plan.decode_memory_bytes / kMiB, 1800U);
  fit(uint64_t{256} << 30, {400 * kMiB, 30 * kMiB, 0}, &plan);
  EXPECT_EQ(plan.decode_memory_bytes, uint64_t{2560} * kMiB) << "2 GiB and 256 MiB for each decoder";
  options.decode_memory_bytes = 300 * kMiB;
  fit(1536 * kMiB, {400 * kMiB, 30 * kMiB, 0}, &plan);
  EXPECT_EQ(plan.decode_memory_bytes, 300 * kMiB) << "as set";
  options.memory_budget_bytes = 1024 * kMiB;
  EXPECT_THAT(fit(1536 * kMiB, {400 * kMiB, 30 * kMiB, 0}, &plan), HasSubstr("--memory-budget"));
  EXPECT_EQ(plan.memory_budget_bytes, 1024 * kMiB) << "as set";
}

TEST(MachineReport, LibraryFileNames) {
  EXPECT_EQ(ParseLibraryFile("libjpeg.so.62.3.0").name, "jpeg");
  EXPECT_EQ(ParseLibraryFile("libjpeg.so.62.3.0").version, "62.3.0");
  EXPECT_EQ(ParseLibraryFile("libdnnl.so").version, "");
  EXPECT_EQ(ParseLibraryFile("photovec").name, "photovec");
}

TEST(MachineReport, ChecksSeeThisSystem) {
  const auto checks = CheckSystem();
  ASSERT_FALSE(checks.empty());
  EXPECT_EQ(checks[0].name, "memfd");
  EXPECT_TRUE(checks[0].ok) << checks[0].detail;
  for (const Check& check : checks) EXPECT_FALSE(check.detail.empty()) << check.name;
}

}  // namespace
}  // namespace photovec::engine
