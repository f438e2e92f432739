// SPDX-License-Identifier: MIT
#include "engine/device_choice.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

namespace photovec::engine {
namespace {

using device::DeviceInfo;
using Found = Result<std::vector<DeviceInfo>>;

Found Two() {
  DeviceInfo first;
  first.name = "GPU A";
  DeviceInfo second;
  second.name = "GPU B";
  second.index = 1;
  return std::vector<DeviceInfo>{first, second};
}
Found None() { return Status(Code::kUnavailable, "no driver here"); }
Found NotAsked() {
  ADD_FAILURE() << "nobody wanted a GPU";
  return None();
}

TEST(ChooseDevice, TakesTheFirstGpuByItselfAndElseTheCpu) {
  const auto gpu = ChooseDevice("auto", Two);
  ASSERT_TRUE(gpu.ok());
  EXPECT_EQ(gpu->backend, encode::Backend::kCuda);
  EXPECT_EQ(gpu->devices, std::vector<int>{0});
  EXPECT_NE(gpu->why.find("GPU A"), std::string::npos);
  const auto cpu = ChooseDevice("auto", None);
  ASSERT_TRUE(cpu.ok());
  EXPECT_EQ(cpu->backend, encode::Backend::kCpu);
  EXPECT_NE(cpu->why.find("no driver here"), std::string::npos) << cpu->why;
  EXPECT_EQ(ChooseDevice("cpu", NotAsked)->backend, encode::Backend::kCpu);
}

TEST(ChooseDevice, ObeysAnIndexAndAll) {
  EXPECT_EQ(ChooseDevice("cuda", Two)->devices, std::vector<int>{0});
  EXPECT_EQ(ChooseDevice("cuda:1", Two)->devices, std::vector<int>{1});
  EXPECT_EQ(ChooseDevice("cuda:all", Two)->devices, (std::vector<int>{0, 1}));
}

TEST(ChooseDevice, SaysWhatIsWrong) {
  EXPECT_EQ(ChooseDevice("cuda", None).status().code(), Code::kUnavailable);
  EXPECT_NE(ChooseDevice("cuda", None).status().message().find("no driver here"), std::string::npos);
  const auto absent = ChooseDevice("cuda:7", Two);
  EXPECT_EQ(absent.status().code(), Code::kInvalidRequest);
  EXPECT_NE(absent.status().message().find("2 CUDA devices"), std::string::npos) << absent.status().message();
  for (const std::string wrong : {"gpu", "cuda:", "cuda:x", "cuda:1x", "cuda:-1", "cuda:all ", "cpu:0", ""}) {
    EXPECT_EQ(ChooseDevice(wrong, Two).status().code(), Code::kInvalidRequest) << wrong;
  }
}

Machine EightCores() {
  Machine machine;
  machine.physical_cores = 8;
  machine.cpu_quota = 8;
  for (int cpu = 0; cpu < 8; ++cpu) machine.cpus.push_back(cpu);
  machine.memory_bytes = uint64_t{64} << 30;
  return machine;
}

TEST(PlanFor, AGpuHasTwoStreamsOfItsOwn) {
  EngineOptions options;
  auto plan = PlanFor(EightCores(), options, Two);
  ASSERT_TRUE(plan.ok());
  EXPECT_EQ(plan->backend, encode::Backend::kCuda);
  EXPECT_EQ(plan->streams, 2);
  EXPECT_EQ(plan->precision, model::Precision::kF16);
  EXPECT_FALSE(plan->pin_threads);
  EXPECT_EQ(plan->decoders, 8) << "decoders have all CPUs";
  options.device = "cuda:all";
  options.precision = model::Precision::kBF16;
  options.threads_per_stream = 4;
  plan = PlanFor(EightCores(), options, Two);
  ASSERT_TRUE(plan.ok());
  EXPECT_EQ(plan->devices, (std::vector<int>{0, 1}));
  EXPECT_EQ(plan->streams, 4);
  EXPECT_EQ(plan->precision, model::Precision::kBF16);
  EXPECT_EQ(plan->precision_why, "as set");
  EXPECT_NE(plan->streams_why.find("threads of a stream are for CPUs"), std::string::npos)
      << plan->streams_why;
  options.streams = 3;
  EXPECT_EQ(PlanFor(EightCores(), options, Two)->streams, 3);
}

TEST(PlanFor, WithoutAGpuItIsThePlanOfTheCpu) {
  const auto plan = PlanFor(EightCores(), {}, None);
  ASSERT_TRUE(plan.ok());
  EXPECT_EQ(plan->backend, encode::Backend::kCpu);
  EXPECT_EQ(plan->streams, MakePlan(EightCores(), {}).streams);
  EXPECT_NE(plan->device_why.find("no driver here"), std::string::npos) << plan->device_why;
  EngineOptions wish;
  wish.device = "cuda";
  EXPECT_EQ(PlanFor(EightCores(), wish, None).status().code(), Code::kUnavailable);
}

}  // namespace
}  // namespace photovec::engine
