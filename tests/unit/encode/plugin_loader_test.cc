// SPDX-License-Identifier: MIT
#include "encode/cuda/plugin_loader.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

namespace photovec::encode::cuda {
namespace {

TEST(PluginLoader, LoadsAPluginOfItsOwnBuild) {
  const auto platform = LoadPluginFile(PHOTOVEC_FAKE_CUDA_PLUGIN);
  ASSERT_TRUE(platform.ok()) << platform.status().message();
  const auto devices = (*platform)->Devices();
  ASSERT_TRUE(devices.ok());
  ASSERT_EQ(devices->size(), 1U);
  EXPECT_EQ(devices->front().name, "Fake GPU");
}

TEST(PluginLoader, RefusesAPluginOfAnotherBuild) {
  const auto platform = LoadPluginFile(PHOTOVEC_FOREIGN_CUDA_PLUGIN);
  EXPECT_EQ(platform.status().code(), Code::kUnavailable);
  EXPECT_NE(platform.status().message().find("of another build"), std::string::npos)
      << platform.status().message();
}

TEST(PluginLoader, SaysWhatTheLoaderSays) {
  const auto missing = LoadPluginFile("/nowhere/libphotovec_cuda.so");
  EXPECT_EQ(missing.status().code(), Code::kUnavailable);
  EXPECT_NE(missing.status().message().find("/nowhere/libphotovec_cuda.so"), std::string::npos);
  const std::string text = (std::filesystem::temp_directory_path() / "photovec-no-library.so").string();
  std::ofstream(text) << "not a library";
  EXPECT_EQ(LoadPluginFile(text).status().code(), Code::kUnavailable);
  std::filesystem::remove(text);
}

TEST(PluginLoader, LooksBesideTheProgramUnlessToldWhere) {
  unsetenv(kPluginVariable);
  const auto candidates = PluginCandidates();
  ASSERT_GE(candidates.size(), 2U);
  EXPECT_TRUE(candidates.front().ends_with("/libphotovec_cuda.so")) << candidates.front();
  EXPECT_EQ(candidates.back(), "libphotovec_cuda.so");
  setenv(kPluginVariable, "/a/plugin.so", 1);
  EXPECT_EQ(PluginCandidates(), std::vector<std::string>{"/a/plugin.so"});
  unsetenv(kPluginVariable);
}

}  // namespace
}  // namespace photovec::encode::cuda
