// SPDX-License-Identifier: MIT
#include "device/cuda/loader.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

namespace photovec::device {
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

TEST(PluginLoader, TakesTheFirstThatIsThere) {
  const auto found =
      LoadFirstPlugin({"/nowhere/libphotovec_cuda.so", PHOTOVEC_FAKE_CUDA_PLUGIN, "/nor/here.so"});
  EXPECT_TRUE(found.ok()) << found.status().message();
  const auto foreign = LoadFirstPlugin({PHOTOVEC_FOREIGN_CUDA_PLUGIN, PHOTOVEC_FAKE_CUDA_PLUGIN});
  EXPECT_FALSE(foreign.ok()) << "one that is there but does not fit is told, not passed over";
  const auto none = LoadFirstPlugin({"/nowhere/libphotovec_cuda.so", "libphotovec_no_such_thing.so"});
  EXPECT_EQ(none.status().code(), Code::kUnavailable);
  for (const std::string words :
       {"/nowhere/libphotovec_cuda.so, libphotovec_no_such_thing.so", "built without CUDA"}) {
    EXPECT_NE(none.status().message().find(words), std::string::npos) << none.status().message();
  }
}

TEST(PluginLoader, AMissingLibraryIsNotAMissingPlugin) {
  const auto missing = LoadPluginFile(PHOTOVEC_UNMET_CUDA_PLUGIN);
  EXPECT_NE(missing.status().message().find("libcublas_nowhere.so"), std::string::npos)
      << missing.status().message();
  EXPECT_NE(missing.status().message().find("LD_LIBRARY_PATH"), std::string::npos)
      << missing.status().message();
  const auto told = LoadFirstPlugin({PHOTOVEC_UNMET_CUDA_PLUGIN, PHOTOVEC_FAKE_CUDA_PLUGIN});
  EXPECT_EQ(told.status().message(), missing.status().message());
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
}  // namespace photovec::device
