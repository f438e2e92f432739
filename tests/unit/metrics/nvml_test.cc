// SPDX-License-Identifier: MIT
#include "metrics/nvml.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

namespace photovec::metrics {
namespace {

using ::testing::HasSubstr;

TEST(Nvml, SaysThatThereIsNoDriver) {
  EXPECT_THAT(Nvml::Open("libno-such-nvml.so.1").status().message(), HasSubstr("no NVIDIA driver"));
}

TEST(Nvml, SaysWhichFunctionALibraryLacks) {
  EXPECT_THAT(Nvml::Open("libm.so.6").status().message(), HasSubstr("lacks nvmlInit_v2"));
}

TEST(Nvml, ReadsAllGpus) {
  const auto nvml = Nvml::Open(PHOTOVEC_FAKE_NVML);
  ASSERT_TRUE(nvml.ok()) << nvml.status().message();
  EXPECT_EQ((*nvml)->gpus(), 2);
  const auto sample = (*nvml)->Sample();
  ASSERT_TRUE(sample.ok());
  EXPECT_DOUBLE_EQ(sample->busy, 0.6);
  EXPECT_DOUBLE_EQ(sample->memory_bytes, 1200);
  EXPECT_DOUBLE_EQ(sample->power_watts, 141);
}

TEST(Nvml, SaysThatThereIsNoGpu) {
  setenv("FAKE_NVML_GPUS", "0", 1);
  const auto nvml = Nvml::Open(PHOTOVEC_FAKE_NVML);
  unsetenv("FAKE_NVML_GPUS");
  EXPECT_THAT(nvml.status().message(), HasSubstr("no GPU"));
}

TEST(Nvml, NamesTheCallThatFailed) {
  const auto nvml = Nvml::Open(PHOTOVEC_FAKE_NVML);
  ASSERT_TRUE(nvml.ok());
  setenv("FAKE_NVML_LOST", "1", 1);
  const auto sample = (*nvml)->Sample();
  unsetenv("FAKE_NVML_LOST");
  EXPECT_THAT(sample.status().message(), HasSubstr("nvmlDeviceGetUtilizationRates failed with code 15"));
}

}  // namespace
}  // namespace photovec::metrics
