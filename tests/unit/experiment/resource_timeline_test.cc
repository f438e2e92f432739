// SPDX-License-Identifier: MIT
#include "experiment/run/resource_timeline.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <ctime>

namespace photovec::experiment {
namespace {

TEST(ResourceTimeline, SamplesAtEqualDistancesWhatThisProcessUses) {
  const int64_t began = NowMicros();
  ResourceTimeline timeline({getpid(), 0, nullptr});
  const std::clock_t begin = std::clock();
  while (NowMicros() - began < 1'100'000) {
  }
  const double used_s = static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;
  const auto samples = timeline.Stop();
  ASSERT_GE(samples.size(), 3u);
  ASSERT_LE(samples.size(), 6u);
  double seen_s = 0;
  double load_s = 0;
  int64_t before = began;
  for (const ResourceSample& sample : samples) {
    EXPECT_GT(sample.at_us, before);
    const double seconds = static_cast<double>(sample.at_us - before) / 1e6;
    seen_s += sample.server_cpus * seconds;
    load_s += sample.load_cpus * seconds;
    before = sample.at_us;
    EXPECT_GT(sample.rss_bytes, 1e6);
    EXPECT_GE(sample.threads, 2);
    EXPECT_GE(sample.machine_cpu, 0);
    EXPECT_LE(sample.machine_cpu, 1);
    EXPECT_EQ(sample.store_cpus, 0);
    EXPECT_EQ(sample.gpu_busy, -1);
  }
  // The kernel counts in ticks of 10 ms, and the time after the last sample is not seen.
  EXPECT_LE(seen_s, used_s + 0.15);
  EXPECT_GT(seen_s, used_s * 0.5 - 0.15);
  // Both are this process here, read one after the other: ticks between the two readings are counted in one
  // of them.
  EXPECT_NEAR(seen_s, load_s, 0.1);
}

TEST(ResourceTimeline, ReadsZeroForAProcessThatIsGone) {
  ResourceTimeline timeline({0x7ffffff0, 0, nullptr});
  const int64_t began = NowMicros();
  while (NowMicros() - began < 500'000) {
  }
  for (const ResourceSample& sample : timeline.Stop()) {
    EXPECT_EQ(sample.server_cpus, 0);
    EXPECT_EQ(sample.rss_bytes, 0);
  }
}

}  // namespace
}  // namespace photovec::experiment
