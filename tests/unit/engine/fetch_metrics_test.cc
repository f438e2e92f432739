// SPDX-License-Identifier: MIT
#include "engine/fetch_metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>

namespace photovec::engine {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(FetchMetrics, EventsLandInTheirCounters) {
  const auto registry = metrics::Registry::Create();
  FetchMetrics metrics(*registry);
  const auto took = std::chrono::milliseconds(30);
  metrics.OnAttempt({.source = "gs", .code = Code::kOk, .bytes = 100, .took = took});
  metrics.OnAttempt({.source = "gs", .code = Code::kOk, .hedge = true, .bytes = 20, .took = took});
  metrics.OnAttempt({.source = "gs", .code = Code::kSourceFailed, .bytes = 3, .took = took});
  metrics.OnAttempt({.source = "http", .code = Code::kNotFound, .took = took});
  metrics.OnRetry("gs", Code::kSourceFailed);
  metrics.OnShared("gs");
  metrics.OnShared("gs");
  const std::string text = registry->PrometheusText();
  for (const char* line : {
           "photovec_fetch_attempts_total{code=\"ok\",source=\"gs\"} 2",
           "photovec_fetch_attempts_total{code=\"source_failed\",source=\"gs\"} 1",
           "photovec_fetch_attempts_total{code=\"not_found\",source=\"http\"} 1",
           "photovec_fetch_hedges_total{code=\"ok\",source=\"gs\"} 1",
           "photovec_fetch_retries_total{code=\"source_failed\",source=\"gs\"} 1",
           "photovec_fetch_bytes_total{source=\"gs\"} 123",
           "photovec_fetch_shared_total{source=\"gs\"} 2",
           "photovec_fetch_attempt_seconds_count{source=\"gs\"} 3",
       }) {
    EXPECT_THAT(text, HasSubstr(line));
  }
  EXPECT_THAT(text, Not(HasSubstr("photovec_fetch_retries_total{code=\"not_found\"")));
}

}  // namespace
}  // namespace photovec::engine
