// SPDX-License-Identifier: MIT
#include "experiment/load/capacity_search.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <vector>

#include "experiment/counter_random.h"

namespace photovec::experiment {
namespace {

using ::testing::HasSubstr;

struct Trial {
  double value_ms = 0;
  bool failed = false;
};

Objective Under(const std::string& text) {
  const auto objective = ParseObjective(text);
  EXPECT_TRUE(objective.ok()) << objective.status().ToString();
  return *objective;
}

/// Runs the search to its end and checks what must hold of every search.
Capacity Search(CapacitySearch search, const std::function<Trial(double)>& server) {
  while (!search.done()) {
    const double rate = search.NextRate();
    EXPECT_GT(rate, 0);
    const Trial trial = server(rate);
    search.Report(trial.value_ms, trial.failed);
  }
  Capacity capacity = search.Result();
  for (const Capacity::Trial& trial : capacity.trials) {
    if (!trial.kept) {
      EXPECT_NE(capacity.requests_per_s, trial.requests_per_s) << "a rate that failed";
    } else {
      EXPECT_LE(trial.requests_per_s, capacity.requests_per_s);
    }
  }
  return capacity;
}

/// The total time's quantile of a queue with random arrivals and one server of fixed service time (M/D/1), by
/// simulating 20,000 arrivals.
double QueueQuantileMs(double rate, double service_ms, double quantile) {
  std::vector<double> total_ms;
  double arrival = 0;
  double free = 0;
  for (uint64_t n = 0; n < 20'000; ++n) {
    arrival += 1e3 * RandomExponential(3, RandomUse::kArrivalGap, n) / rate;
    free = std::max(free, arrival) + service_ms;
    total_ms.push_back(free - arrival);
  }
  const auto at =
      total_ms.begin() + static_cast<std::ptrdiff_t>(quantile * static_cast<double>(total_ms.size()));
  std::nth_element(total_ms.begin(), at, total_ms.end());
  return *at;
}

TEST(ParseObjective, TakesQuantilesAndTimes) {
  EXPECT_DOUBLE_EQ(Under("p95<800ms").quantile, 0.95);
  EXPECT_DOUBLE_EQ(Under("p95<800ms").bound_ms, 800);
  EXPECT_EQ(Under("p95<800ms").text, "p95<800ms");
  EXPECT_FALSE(Under("p95<800ms").inclusive);
  EXPECT_NEAR(Under("p99.9<=1.5s").quantile, 0.999, 1e-12);
  EXPECT_DOUBLE_EQ(Under("p99.9<=1.5s").bound_ms, 1500);
  EXPECT_TRUE(Under("p99.9<=1.5s").inclusive);
  EXPECT_DOUBLE_EQ(Under("p50<2ms").quantile, 0.5);
}

TEST(ParseObjective, SaysWhatIsWrongAndWhatIsRight) {
  for (const char* text :
       {"", "p95", "p95<", "p95<800", "<800ms", "p<800ms", "p0<1ms", "p100<1ms", "95<800ms", "p95>800ms",
        "p95<0ms", "p95<-1ms", "p95<nanms", "p95x<1ms", "p95<1ms ", "mean<1ms"}) {
    const auto objective = ParseObjective(text);
    ASSERT_FALSE(objective.ok()) << text;
    EXPECT_EQ(objective.status().code(), Code::kInvalidRequest);
    EXPECT_THAT(objective.status().message(), HasSubstr("p95<800ms or p99.9<=1.5s"));
  }
}

TEST(CapacitySearch, FindsAStepFromBelowAndFromAbove) {
  for (const double first : {1.0, 10.0, 400.0}) {
    const double edge = 37;
    const Capacity capacity = Search(CapacitySearch(Under("p95<100ms"), first, 0.05, 20), [&](double rate) {
      return Trial{rate <= edge ? 50.0 : 500.0, false};
    });
    EXPECT_LE(capacity.requests_per_s, edge) << first;
    EXPECT_GE(capacity.requests_per_s, edge / 1.05) << first;
    EXPECT_EQ(capacity.objective, "p95<100ms");
    EXPECT_LE(capacity.trials.size(), 14U);
  }
}

TEST(CapacitySearch, FindsTheCapacityOfAQueue) {
  const Objective objective = Under("p95<50ms");
  const auto server = [&](double rate) { return Trial{QueueQuantileMs(rate, 10, 0.95), false}; };
  const Capacity capacity = Search(CapacitySearch(objective, 10, 0.02, 20), server);
  ASSERT_GT(capacity.requests_per_s, 0);
  EXPECT_LT(server(capacity.requests_per_s).value_ms, 50);
  EXPECT_GE(server(capacity.requests_per_s * 1.02).value_ms, 50);
  EXPECT_LT(capacity.requests_per_s, 100);  // the queue's limit
  EXPECT_GT(capacity.requests_per_s, 60);   // where a random arrival already waits a while
}

TEST(CapacitySearch, AFailedRequestOutweighsAGoodValue) {
  const Capacity capacity = Search(CapacitySearch(Under("p95<100ms"), 8), [](double rate) {
    return Trial{1.0, rate > 20};
  });
  EXPECT_LE(capacity.requests_per_s, 20);
  EXPECT_GE(capacity.requests_per_s, 20 / 1.05);
}

TEST(CapacitySearch, NoneHeldIsZero) {
  const Capacity capacity = Search(CapacitySearch(Under("p95<1ms"), 100, 0.05, 9), [](double) {
    return Trial{2.0, false};
  });
  EXPECT_EQ(capacity.requests_per_s, 0);
  ASSERT_EQ(capacity.trials.size(), 9U);
  EXPECT_EQ(capacity.trials[0].requests_per_s, 100);
  EXPECT_EQ(capacity.trials[8].requests_per_s, 100.0 / 256);
}

TEST(CapacitySearch, AValueThatIsNoNumberIsNotKept) {
  const Capacity capacity = Search(CapacitySearch(Under("p95<1ms"), 4, 0.05, 3), [](double) {
    return Trial{std::numeric_limits<double>::quiet_NaN(), false};
  });
  EXPECT_EQ(capacity.requests_per_s, 0);
}

TEST(CapacitySearch, TheBoundItselfIsKeptOnlyByLessOrEqual) {
  CapacitySearch strict(Under("p95<100ms"), 5);
  strict.Report(100, false);
  EXPECT_EQ(strict.Result().requests_per_s, 0);
  CapacitySearch inclusive(Under("p95<=100ms"), 5);
  inclusive.Report(100, false);
  EXPECT_EQ(inclusive.Result().requests_per_s, 5);
}

TEST(CapacitySearch, StopsAtItsMostTrialsWithTheBestSoFar) {
  const Capacity capacity = Search(CapacitySearch(Under("p95<1s"), 1, 0.05, 6), [](double) {
    return Trial{1.0, false};
  });
  EXPECT_EQ(capacity.trials.size(), 6U);
  EXPECT_EQ(capacity.requests_per_s, 32);
}

TEST(CapacitySearch, AFirstGuessThatIsNoneBecomesOne) {
  EXPECT_EQ(CapacitySearch(Under("p95<1s"), 0).NextRate(), 1);
  EXPECT_EQ(CapacitySearch(Under("p95<1s"), -3).NextRate(), 1);
  EXPECT_EQ(CapacitySearch(Under("p95<1s"), std::nan("")).NextRate(), 1);
}

}  // namespace
}  // namespace photovec::experiment
