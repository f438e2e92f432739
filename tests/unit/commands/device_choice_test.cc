// SPDX-License-Identifier: MIT
#include "commands/device_choice.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace photovec::commands {
namespace {

using encode::cuda::DeviceInfo;
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
  EXPECT_EQ(gpu->backend, "cuda");
  EXPECT_EQ(gpu->devices, std::vector<int>{0});
  EXPECT_NE(gpu->why.find("GPU A"), std::string::npos);
  const auto cpu = ChooseDevice("auto", None);
  ASSERT_TRUE(cpu.ok());
  EXPECT_EQ(cpu->backend, "cpu");
  EXPECT_NE(cpu->why.find("no driver here"), std::string::npos) << cpu->why;
  EXPECT_EQ(ChooseDevice("cpu", NotAsked)->backend, "cpu");
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
  for (const std::string wrong : {"gpu", "cuda:", "cuda:x", "cuda:1x", "cuda:-1", ""}) {
    EXPECT_EQ(ChooseDevice(wrong, Two).status().code(), Code::kInvalidRequest) << wrong;
  }
}

}  // namespace
}  // namespace photovec::commands
