// SPDX-License-Identifier: MIT
#include "experiment/load/load_schedule.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <set>
#include <string>
#include <vector>

namespace photovec::experiment {
namespace {

using ::testing::HasSubstr;

LoadOptions Options(Arrival arrival) {
  LoadOptions options;
  options.port = 1;
  options.arrival = arrival;
  options.requests_per_s = 200;
  options.warmup_s = 10;
  options.seconds = 90;
  for (int i = 0; i < 100; ++i) options.references.push_back("r" + std::to_string(i));
  return options;
}

/// Kolmogorov and Smirnov's distance between values in [0, 1] and the uniform distribution.
double DistanceFromUniform(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const auto n = static_cast<double>(values.size());
  double distance = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    const auto below = static_cast<double>(i);
    distance = std::max({distance, values[i] - below / n, (below + 1) / n - values[i]});
  }
  return distance;
}
// What one in a hundred samples of that size exceeds by chance.
double OnePercentDistance(size_t n) { return 1.63 / std::sqrt(static_cast<double>(n)); }

TEST(LoadSchedule, PoissonArrivalsHaveTheRateAndExponentialGaps) {
  const std::vector<int64_t> arrivals = LoadSchedule(Options(Arrival::kPoisson)).Arrivals();
  EXPECT_NEAR(static_cast<double>(arrivals.size()), 20'000, 3 * std::sqrt(20'000));
  EXPECT_TRUE(std::is_sorted(arrivals.begin(), arrivals.end()));
  EXPECT_GE(arrivals.front(), 0);
  EXPECT_LT(arrivals.back(), 100'000'000);
  std::vector<double> probabilities;  // of a gap at most as long, were it exponential: then uniform
  for (size_t i = 1; i < arrivals.size(); ++i) {
    probabilities.push_back(1 - std::exp(-static_cast<double>(arrivals[i] - arrivals[i - 1]) / 5'000.0));
  }
  EXPECT_LT(DistanceFromUniform(probabilities), OnePercentDistance(probabilities.size()));
}

TEST(LoadSchedule, ConstantArrivalsKeepTheirGap) {
  LoadOptions options = Options(Arrival::kConstant);
  options.requests_per_s = 300;  // no whole number of microseconds
  const std::vector<int64_t> arrivals = LoadSchedule(options).Arrivals();
  ASSERT_EQ(arrivals.size(), 30'000U);
  for (size_t i = 0; i < arrivals.size(); ++i) {
    ASSERT_NEAR(static_cast<double>(arrivals[i]), static_cast<double>(i) * 1e6 / 300, 1.0) << i;
  }
}

TEST(LoadSchedule, TheSeedDecidesEverything) {
  LoadOptions options = Options(Arrival::kPoisson);
  const LoadSchedule first(options);
  const LoadSchedule same(options);
  options.seed = 8;
  const LoadSchedule other(options);
  EXPECT_EQ(first.Arrivals(), same.Arrivals());
  EXPECT_NE(first.Arrivals(), other.Arrivals());
  for (uint64_t n = 0; n < 50; ++n) {
    EXPECT_EQ(first.Images(n), same.Images(n));
    EXPECT_NE(first.Images(n), other.Images(n));
    EXPECT_NE(first.Images(n), first.Images(n + 1));
    EXPECT_EQ(first.ThinkUs(n), same.ThinkUs(n));
    EXPECT_EQ(first.ClientStartUs(static_cast<int>(n)), same.ClientStartUs(static_cast<int>(n)));
  }
}

TEST(LoadSchedule, ImagesAreDistinctAndUniformInNumberAndChoice) {
  const LoadSchedule schedule(Options(Arrival::kClosed));
  std::vector<int> counts(51);
  std::vector<int> chosen(100);
  int total = 0;
  for (uint64_t n = 0; n < 4000; ++n) {
    const std::vector<uint32_t> images =
        schedule.Images(LoadSchedule::ClientRequest(static_cast<int>(n % 30), n / 30));
    ASSERT_GE(images.size(), 30U);
    ASSERT_LE(images.size(), 50U);
    ++counts[images.size()];
    EXPECT_EQ(std::set<uint32_t>(images.begin(), images.end()).size(), images.size());
    for (const uint32_t image : images) ++chosen.at(image);
    total += static_cast<int>(images.size());
  }
  EXPECT_NEAR(total / 4000.0, 40, 0.4);                                    // a standard deviation is 0.1
  for (size_t k = 30; k <= 50; ++k) EXPECT_NEAR(counts[k], 190, 65) << k;  // 4000 / 21; a deviation is 13.5
  for (const int times : chosen) EXPECT_NEAR(times, 1600, 160);            // a deviation is 31
}

TEST(LoadSchedule, TheFirstImageIsAsRandomAsTheLast) {
  const LoadSchedule schedule(Options(Arrival::kClosed));
  std::vector<double> first;
  std::vector<double> last;
  for (uint64_t n = 0; n < 5000; ++n) {
    const std::vector<uint32_t> images = schedule.Images(n);
    first.push_back((images.front() + 0.5) / 100);
    last.push_back((images.back() + 0.5) / 100);
  }
  EXPECT_LT(DistanceFromUniform(first), OnePercentDistance(5000) + 0.005);  // half a step of the hundred
  EXPECT_LT(DistanceFromUniform(last), OnePercentDistance(5000) + 0.005);
}

TEST(LoadSchedule, APoolThatIsTooSmallIsUsedInWholeRounds) {
  LoadOptions options = Options(Arrival::kClosed);
  options.references.resize(7);
  options.images_min = options.images_max = 23;
  const std::vector<uint32_t> images = LoadSchedule(options).Images(5);
  ASSERT_EQ(images.size(), 23U);
  std::vector<int> times(7);
  for (const uint32_t image : images) ++times.at(image);
  EXPECT_EQ(*std::min_element(times.begin(), times.end()), 3);
  EXPECT_EQ(*std::max_element(times.begin(), times.end()), 4);
}

TEST(LoadSchedule, ClientsStartWithinASecondAndThinkWithinBounds) {
  const LoadSchedule schedule(Options(Arrival::kClosed));
  std::vector<double> starts;
  std::vector<double> thinks;
  for (int client = 0; client < 3000; ++client) {
    starts.push_back(static_cast<double>(schedule.ClientStartUs(client)) / 1e6);
    thinks.push_back(static_cast<double>(schedule.ThinkUs(LoadSchedule::ClientRequest(client, 1))) / 2e6 -
                     1.5);
  }
  EXPECT_LT(DistanceFromUniform(starts), OnePercentDistance(3000));
  EXPECT_LT(DistanceFromUniform(thinks), OnePercentDistance(3000));  // 3 to 5 s
  LoadOptions quick = Options(Arrival::kClosed);
  quick.think_min_s = quick.think_max_s = 0.25;
  for (int client = 0; client < 100; ++client) EXPECT_LT(LoadSchedule(quick).ClientStartUs(client), 250'000);
  EXPECT_EQ(LoadSchedule(quick).ThinkUs(9), 250'000);
}

TEST(CheckLoadOptions, NamesWhatContradicts) {
  EXPECT_TRUE(CheckLoadOptions(Options(Arrival::kClosed)).ok());
  EXPECT_TRUE(CheckLoadOptions(Options(Arrival::kPoisson)).ok());
  struct Case {
    Arrival arrival;
    std::function<void(LoadOptions&)> spoil;
    const char* says;
  };
  const std::vector<Case> cases = {
      {Arrival::kClosed, [](auto& o) { o.port = 0; }, "port"},
      {Arrival::kClosed, [](auto& o) { o.references.clear(); }, "no references"},
      {Arrival::kClosed, [](auto& o) { o.api = LoadApi::kUpload; }, "no photos"},
      {Arrival::kClosed, [](auto& o) { o.images_min = 0; }, "images per request"},
      {Arrival::kClosed, [](auto& o) { o.images_max = 29; }, "images per request"},
      {Arrival::kClosed, [](auto& o) { o.seconds = 0; }, "duration"},
      {Arrival::kClosed, [](auto& o) { o.seconds = std::nan(""); }, "duration"},
      {Arrival::kClosed, [](auto& o) { o.warmup_s = -1; }, "warm-up"},
      {Arrival::kClosed, [](auto& o) { o.drain_s = -1; }, "drain"},
      {Arrival::kClosed, [](auto& o) { o.clients = 0; }, "clients"},
      {Arrival::kClosed, [](auto& o) { o.think_max_s = 2; }, "think time"},
      {Arrival::kPoisson, [](auto& o) { o.requests_per_s = 0; }, "rate"},
      {Arrival::kConstant, [](auto& o) { o.requests_per_s = std::nan(""); }, "rate"},
      {Arrival::kConstant, [](auto& o) { o.requests_per_s = 1e6; }, "10 million"},
      {Arrival::kPoisson, [](auto& o) { o.max_connections = 0; }, "connection"},
  };
  for (const Case& c : cases) {
    LoadOptions options = Options(c.arrival);
    c.spoil(options);
    const Status status = CheckLoadOptions(options);
    EXPECT_EQ(status.code(), Code::kInvalidRequest) << c.says;
    EXPECT_THAT(status.message(), HasSubstr(c.says));
  }
}

}  // namespace
}  // namespace photovec::experiment
