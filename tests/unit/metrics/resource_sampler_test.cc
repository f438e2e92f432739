// SPDX-License-Identifier: MIT
#include "metrics/resource_sampler.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <future>
#include <string>
#include <thread>

#include "metrics/names.h"

namespace photovec::metrics {
namespace {

using ::testing::HasSubstr;

TEST(ParseProcStat, CountsBusyAndTotal) {
  const auto ticks = ParseProcStat("cpu  100 20 30 400 50 6 7 8 90 10\ncpu0 1 2 3 4\n");
  ASSERT_TRUE(ticks.has_value());
  EXPECT_EQ(ticks->busy, 100U + 20 + 30 + 6 + 7 + 8);
  EXPECT_EQ(ticks->total, ticks->busy + 400 + 50);
}

TEST(ParseProcStat, OldAndForeignForms) {
  EXPECT_EQ(ParseProcStat("cpu 1 2 3 4").value().total, 10U);  // kernels before 2.6 stop at idle
  EXPECT_FALSE(ParseProcStat("").has_value());
  EXPECT_FALSE(ParseProcStat("cpu0 1 2 3 4").has_value());
  EXPECT_FALSE(ParseProcStat("cpu 1 2 x").has_value());
}

class ResourceSamplerTest : public testing::Test {
 protected:
  double Read(std::string_view gauge) { return registry_->GetGauge(gauge, "", {})->Value(); }
  std::unique_ptr<Registry> registry_ = Registry::Create();
};

TEST_F(ResourceSamplerTest, ReportsThisProcess) {
  const ResourceSampler sampler(*registry_);
  const std::string text = registry_->PrometheusText();
  EXPECT_THAT(text, HasSubstr("photovec_build_info{version=\"" PHOTOVEC_VERSION "\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("# TYPE process_cpu_seconds_total counter\n"));
  EXPECT_GT(Read(name::kResidentBytes), 1e6);
  EXPECT_GE(Read(name::kMaxFds), Read(name::kOpenFds));
}

TEST_F(ResourceSamplerTest, FollowsThreadsFilesAndCpu) {
  std::thread([] {}).join();  // ThreadSanitizer starts a thread of its own with the first one
  const ResourceSampler sampler(*registry_);
  registry_->PrometheusText();
  const double threads = Read(name::kThreads);
  const double files = Read(name::kOpenFds);
  EXPECT_GE(threads, 1);
  EXPECT_GE(files, 3);

  std::promise<void> release;
  std::thread extra([done = release.get_future()]() mutable { done.get(); });
  const int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
  ASSERT_GE(fd, 0);
  registry_->PrometheusText();
  EXPECT_EQ(Read(name::kThreads), threads + 1);
  EXPECT_EQ(Read(name::kOpenFds), files + 1);
  close(fd);
  release.set_value();
  extra.join();

  // Burns CPU for longer than the shortest interval, so that the ratio must be renewed.
  Counter* cpu = registry_->GetCounter(name::kCpuSeconds, "", {});
  const double before = cpu->Value();
  const Deadline end = Deadline::After(ResourceSampler::kMinInterval + std::chrono::milliseconds(50));
  while (!end.Expired()) {
  }
  registry_->StatsJson();
  EXPECT_GT(cpu->Value(), before + 0.01);
  EXPECT_GT(Read(name::kCpuRatio), 0.01);
  EXPECT_GT(Read(name::kMachineCpuRatio), 0.0);
  EXPECT_LE(Read(name::kMachineCpuRatio), 1.0);
}

TEST_F(ResourceSamplerTest, StopsWhenDestroyed) {
  { const ResourceSampler sampler(*registry_); }
  EXPECT_THAT(registry_->PrometheusText(), HasSubstr("process_threads 0\n"));
}

}  // namespace
}  // namespace photovec::metrics
