// SPDX-License-Identifier: MIT
#include "experiment/run/server_stats.h"

#include <gtest/gtest.h>

namespace photovec::experiment {
namespace {

TEST(ParseLoopLag, ReadsStats) {
  const LoopLag lag = ParseLoopLag(
      R"({"photovec_event_loop_lag_seconds":[{"labels":{},"count":9,"mean_ms":0.1,"p50_ms":0.05,"p95_ms":0.2,)"
      R"("p99_ms":0.4,"max_ms":2}]})");
  EXPECT_DOUBLE_EQ(lag.p50_ms, 0.05);
  EXPECT_DOUBLE_EQ(lag.p99_ms, 0.4);
  EXPECT_DOUBLE_EQ(lag.max_ms, 2);
}

TEST(ParseLoopLag, IsUnknownForAnotherServer) {
  for (const char* text : {"", "{}", "[]", "<html>", R"({"photovec_event_loop_lag_seconds":[]})",
                           R"({"photovec_event_loop_lag_seconds":[{"p99_ms":null}]})"}) {
    EXPECT_EQ(ParseLoopLag(text).p99_ms, -1) << text;
  }
}

TEST(FetchLoopLag, FailsWhereNobodyListens) {
  EXPECT_EQ(FetchLoopLag(1).status().code(), Code::kUnavailable);
}

}  // namespace
}  // namespace photovec::experiment
