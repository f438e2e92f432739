// SPDX-License-Identifier: MIT
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "bulk/stage_summary.h"
#include "cli/progress.h"
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
  parts.jpeg_scaling = "fast";
  parts.alpha = "drop";
  parts.color = "ignore";
  return parts;
}

TEST(Fingerprint, IsTwelveHexDigitsAndStable) {
  const std::string id = Fingerprint(Parts());
  EXPECT_EQ(id.size(), 12U);
  EXPECT_EQ(id.find_first_not_of("0123456789abcdef"), std::string::npos);
  EXPECT_EQ(id, Fingerprint(Parts()));
}

TEST(Fingerprint, ChangesWithEveryIngredient) {
  const std::vector<std::function<void(FingerprintParts&)>> changes = {
      [](auto& p) { p.weights_sha256[0] = 'b'; },
      [](auto& p) { p.jpeg_scaling = "exact"; },
      [](auto& p) { p.alpha = "white"; },
      [](auto& p) { p.color = "srgb"; },
      [](auto& p) { p.config.activation = model::Activation::kGeluErf; },
      [](auto& p) { p.config.layer_norm_eps = 1e-6F; },
      [](auto& p) { p.config.heads = 6; },
      [](auto& p) { p.config.projection_dim = 0; },
      [](auto& p) { p.config.has_pre_norm = false; },
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

TEST(Plan, StreamsFollowCoresAndQuota) {
  const auto shape = [](int cores, double quota) {
    const Plan plan = MakePlan(MachineOf(cores, quota, uint64_t{8} << 30), {});
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

TEST(Plan, WhatIsSetWins) {
  EngineOptions options;
  options.streams = 2;
  options.decoders = 7;
  options.memory_budget_bytes = 123;
  options.precision = "f32";
  const Plan plan = MakePlan(MachineOf(8, 8, uint64_t{64} << 30), options);
  EXPECT_EQ(plan.streams, 2);
  EXPECT_EQ(plan.threads_per_stream, 4) << "two streams share eight cores";
  EXPECT_EQ(plan.decoders, 7);
  EXPECT_EQ(plan.memory_budget_bytes, 123U);
  EXPECT_EQ(plan.precision, "f32");
}

TEST(Plan, MoreThreadsThanCpusAreNotPinned) {
  EngineOptions options;
  options.streams = 4;
  const Plan plan = MakePlan(MachineOf(2, 2, uint64_t{8} << 30), options);
  EXPECT_EQ(plan.streams, 4);
  EXPECT_EQ(plan.threads_per_stream, 1);
  EXPECT_FALSE(plan.pin_threads);
  EXPECT_THAT(plan.streams_why, HasSubstr("not pinned"));
  options.streams = 2;
  EXPECT_TRUE(MakePlan(MachineOf(2, 2, uint64_t{8} << 30), options).pin_threads);
}

TEST(Plan, BudgetIsAQuarterUpToTwoGiB) {
  EXPECT_EQ(MakePlan(MachineOf(2, 2, uint64_t{4} << 30), {}).memory_budget_bytes, uint64_t{1} << 30);
  EXPECT_EQ(MakePlan(MachineOf(2, 2, uint64_t{64} << 30), {}).memory_budget_bytes, uint64_t{2} << 30);
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

TEST(StageSummary, CountsAndTimes) {
  bulk::StageSummary summary;
  StageTimes times;
  const TimePoint begin = Clock::now();
  times.MarkAt(Border::kAdmitted, begin);
  times.MarkAt(Border::kFetchStart, begin + std::chrono::milliseconds(2));
  times.MarkAt(Border::kCollected, begin + std::chrono::milliseconds(10));
  summary.Add(Status::Ok(), times);
  summary.Add({Code::kNotFound, "gone"}, StageTimes{});
  summary.Add({Code::kNotFound, "gone"}, StageTimes{});
  EXPECT_EQ(summary.images(), 3);
  EXPECT_EQ(summary.failed(), 2);
  EXPECT_EQ(summary.FailuresText(), "not_found 2");
  EXPECT_THAT(summary.Json(), HasSubstr(R"("admit_wait":{"count":1,"mean_ms":2.000)"));
  EXPECT_THAT(summary.Json(), HasSubstr(R"("total":{"count":1,"mean_ms":10.000)"));
  EXPECT_THAT(summary.Json(), HasSubstr(R"("decode":{"count":0)"));
}

TEST(Progress, Texts) {
  EXPECT_EQ(cli::Grouped(0), "0");
  EXPECT_EQ(cli::Grouped(999), "999");
  EXPECT_EQ(cli::Grouped(1234567), "1,234,567");
  EXPECT_EQ(cli::Grouped(-1234), "-1,234");
  EXPECT_EQ(cli::ProgressText(1234, 3, 5000, 83.1), "1,234/5,000 images  83.1 img/s  ETA 0:45  3 failed");
  EXPECT_EQ(cli::ProgressText(10, 0, -1, 2.0), "10 images  2.0 img/s");
  EXPECT_EQ(cli::ProgressText(0, 0, 7200, 1.0), "0/7,200 images  1.0 img/s  ETA 2:00:00");
}

}  // namespace
}  // namespace photovec::engine
