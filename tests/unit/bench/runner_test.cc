// SPDX-License-Identifier: MIT
#include "bench/runner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

namespace photovec::bench {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// A unit takes a millisecond and is worth `amount`.
Contestant Sleeper(const std::string& name, std::vector<std::string>& events, double amount = 1) {
  Contestant one;
  one.name = name;
  one.seconds = 0.01;
  one.start = [amount](int /*thread*/) {
    return Result(MakeWorker([amount]() -> Result<double> {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
      return amount;
    }));
  };
  one.prepare = [&events, name] {
    events.push_back(name + " prepare");
    return Status::Ok();
  };
  one.verify = [&events, name] {
    events.push_back(name + " verify");
    return Status::Ok();
  };
  one.warm_up = [&events, name] {
    events.push_back(name + " warm up");
    return Status::Ok();
  };
  one.release = [&events, name] { events.push_back(name + " release"); };
  return one;
}

TEST(Runner, VerifiesWarmsUpAndTakesTurnsInAnotherOrderEachRound) {
  std::vector<std::string> events;
  std::vector<Contestant> contestants;
  contestants.push_back(Sleeper("a", events));
  contestants.push_back(Sleeper("b", events));
  RoundOptions options;
  options.rounds = 2;
  options.after_round = [&](int round, const std::vector<Series>& series) {
    EXPECT_EQ(series[1].slices.size(), static_cast<size_t>(round) + 1);
    events.push_back("round");
  };
  const auto series = TakeTurns(contestants, options);
  ASSERT_TRUE(series.ok()) << series.status().ToString();
  EXPECT_THAT(events, ElementsAre("a prepare", "a verify", "a warm up", "a release", "b prepare", "b verify",
                                  "b warm up", "b release", "round", "b prepare", "b release", "a prepare",
                                  "a release", "round"));
}

TEST(Runner, AddsTheRatesOfThreadsUp) {
  std::vector<std::string> events;
  std::vector<Contestant> contestants;
  contestants.push_back(Sleeper("two threads", events, 5));
  contestants.front().threads = 2;
  const auto series = TakeTurns(contestants, {});
  ASSERT_TRUE(series.ok());
  const Slice& slice = series->front().slices.at(0);
  EXPECT_DOUBLE_EQ(slice.amount, 5 * static_cast<double>(slice.units));
  EXPECT_GE(slice.seconds, 0.01);
  EXPECT_LE(slice.rate, 10'000);  // 2 threads x 5 a millisecond at most
  EXPECT_GE(slice.rate, 0.8 * slice.amount / slice.seconds);
  EXPECT_GE(slice.threads_cpu_seconds, 0);
}

TEST(Runner, KeepsThreadsOnRequest) {
  for (const bool keep : {true, false}) {
    std::mutex mutex;
    std::vector<std::thread::id> seen;
    std::vector<Contestant> contestants(2);
    for (Contestant& one : contestants) {
      one.seconds = 0.001;
      one.start = [&](int /*thread*/) {
        const std::scoped_lock lock(mutex);
        seen.push_back(std::this_thread::get_id());
        return Result(MakeWorker([] { return Result<double>(1.0); }));
      };
    }
    RoundOptions options;
    options.rounds = 3;
    options.keep_threads = keep;
    ASSERT_TRUE(TakeTurns(contestants, options).ok());
    EXPECT_EQ(seen.size(), 2 * (3U + 1U)) << "each slice, and one to warm up";
    if (keep) {
      EXPECT_EQ(std::set(seen.begin(), seen.end()).size(), 1U);
    }
  }
}

TEST(Runner, AWindowCountsWhatWasDoneWhileItWasOpen) {
  std::atomic<int> units{0};
  std::vector<bool> borders;
  std::vector<Contestant> contestants(1);
  Contestant& one = contestants.front();
  one.seconds = 0.02;
  one.start = [&](int /*thread*/) {
    return Result(MakeWorker([&]() -> Result<double> {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
      ++units;
      return 1.0;
    }));
  };
  one.window = std::make_unique<Window>();
  one.window->settle_seconds = 60;
  one.window->settled = [&] { return units >= 3; };
  one.window->least_amount = 3;
  one.window->at_border = [&](bool opens) { borders.push_back(opens); };
  const auto series = TakeTurns(contestants, {});
  ASSERT_TRUE(series.ok()) << series.status().ToString();
  const Slice& slice = series->front().slices.at(0);
  EXPECT_GE(slice.amount, 3);
  EXPECT_LE(slice.amount, units - 3) << "what came before does not count";
  EXPECT_EQ(slice.units, units);
  ASSERT_GE(borders.size(), 2U);
  EXPECT_TRUE(borders[0]);
  EXPECT_FALSE(borders[1]);

  one.window->amount = [](TimePoint begin, TimePoint end) { return 7 * Seconds(end - begin); };
  const auto asked = TakeTurns(contestants, {});
  ASSERT_TRUE(asked.ok());
  EXPECT_NEAR(asked->front().rate(), 7, 1e-6);

  one.window->amount = [](TimePoint, TimePoint) { return 0.0; };
  const Status nothing = TakeTurns(contestants, {}).status();
  EXPECT_EQ(nothing.code(), Code::kInvalidRequest);
  EXPECT_THAT(nothing.message(), HasSubstr("--seconds"));
}

TEST(Runner, ErrorsEndItAndWhatMayBeMissingIsLeftOut) {
  std::vector<std::string> events;
  std::vector<Contestant> contestants;
  contestants.push_back(Sleeper("a", events));
  contestants.push_back(Sleeper("b", events));
  contestants[1].prepare = [] { return Status(Code::kUnavailable, "no GPU"); };
  EXPECT_EQ(TakeTurns(contestants, {}).status().message(), "no GPU");
  contestants[1].may_be_missing = true;
  RoundOptions twice;
  twice.rounds = 2;
  auto series = TakeTurns(contestants, twice);
  ASSERT_TRUE(series.ok());
  EXPECT_EQ((*series)[0].slices.size(), 2U);
  EXPECT_EQ((*series)[1].slices.size(), 0U);
  EXPECT_EQ((*series)[1].missing, "no GPU");

  contestants[0].threads = 3;
  contestants[0].start = [](int thread) -> Result<std::unique_ptr<Worker>> {
    if (thread == 1) return Status(Code::kUnavailable, "no connection");
    return MakeWorker([] { return Result<double>(1.0); });
  };
  EXPECT_EQ(TakeTurns(contestants, {}).status().message(), "no connection") << "a worker's error ends it";
}

TEST(Runner, MediansOfRounds) {
  Series series;
  for (const double rate : {5.0, 1.0, 3.0}) {
    series.slices.emplace_back();
    series.slices.back().rate = rate;
  }
  EXPECT_EQ(series.rate(), 3);
  EXPECT_EQ(MedianOfRounds(2, [](size_t round) { return static_cast<double>(round); }), 0.5);
  EXPECT_EQ(MedianOfRounds(0, [](size_t) { return 1.0; }), 0);
}

}  // namespace
}  // namespace photovec::bench
