// SPDX-License-Identifier: MIT
#include "experiment/analyse/statistics.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cmath>
#include <random>

namespace photovec::experiment {
namespace {

constexpr std::array<double, 3> kQs = {0.5, 0.95, 0.99};

Figures Make(std::vector<double> values) {
  Figures figures;
  for (size_t i = 0; i < values.size(); ++i) figures.Add(values[i], i);
  SortDescending(figures);
  return figures;
}

Layout EvenLayout(uint32_t repetitions, uint32_t groups) {
  Layout layout;
  for (uint32_t r = 1; r <= repetitions; ++r) layout.begins.push_back(r * groups);
  return layout;
}

TEST(Quantile, IsTheSmallestFigureThatEnoughDoNotExceed) {
  std::vector<double> values;
  for (int i = 1; i <= 100; ++i) values.push_back(i);
  const Figures figures = Make(values);
  EXPECT_EQ(RankQuantile(figures, 0.5), 50);
  EXPECT_EQ(RankQuantile(figures, 0.95), 95);
  EXPECT_EQ(RankQuantile(figures, 0.99), 99);
  EXPECT_EQ(RankQuantile(figures, 1.0), 100);
  EXPECT_EQ(RankQuantile(figures, 0.0), 1);
  EXPECT_EQ(RankQuantile(Make({7}), 0.95), 7);
  EXPECT_EQ(RankQuantile(Make({3, 1, 2}), 0.5), 2);
}

TEST(TwoLevelResampler, DrawsWholeRepetitionsAndThenTheirGroups) {
  const Layout layout{{0, 10, 30}};
  TwoLevelResampler resampler(layout, 5);
  bool only_first = false;
  bool both = false;
  for (int i = 0; i < 50; ++i) {
    const auto weights = resampler.Draw();
    uint32_t first = 0;
    uint32_t second = 0;
    for (size_t k = 0; k < 30; ++k) (k < 10 ? first : second) += weights[k];
    EXPECT_EQ(first % 10, 0U);
    EXPECT_EQ(second % 20, 0U);
    EXPECT_EQ(first / 10 + second / 20, 2U);
    only_first = only_first || second == 0;
    both = both || (first == 10 && second == 20);
  }
  EXPECT_TRUE(only_first);
  EXPECT_TRUE(both);
}

TEST(TwoLevelResampler, TheSameSeedDrawsTheSame) {
  const Layout layout = EvenLayout(3, 20);
  TwoLevelResampler a(layout, 9);
  TwoLevelResampler b(layout, 9);
  TwoLevelResampler c(layout, 10);
  const std::vector<uint32_t> first(a.Draw().begin(), a.Draw().end());
  (void)first;
  (void)b.Draw();
  (void)b.Draw();
  (void)c.Draw();
  (void)c.Draw();
  const auto from_a = a.Draw();
  const auto from_b = b.Draw();
  const auto from_c = c.Draw();
  EXPECT_TRUE(std::equal(from_a.begin(), from_a.end(), from_b.begin()));
  EXPECT_FALSE(std::equal(from_a.begin(), from_a.end(), from_c.begin()));
}

TEST(BootstrapQuantiles, AWeightOfTwoCountsAsTwoFigures) {
  // Checked against the plain way: repeat the figures, sort, take the quantile.
  std::mt19937_64 random(3);
  Figures figures;
  for (uint32_t group = 0; group < 40; ++group) {
    for (uint32_t k = 0; k < 1 + group % 5; ++k) {
      figures.Add(static_cast<double>(random() % 1000), group);
    }
  }
  SortDescending(figures);
  const Layout layout = EvenLayout(2, 20);
  const Figures* row = &figures;
  const auto estimates = BootstrapQuantiles({&row, 1}, layout, kQs, 21);
  TwoLevelResampler resampler(layout, 21);
  for (size_t i = 0; i < kResamples; ++i) {
    const auto weights = resampler.Draw();
    Figures repeated;
    for (size_t k = 0; k < figures.size(); ++k) {
      for (uint32_t w = 0; w < weights[figures.group[k]]; ++w) repeated.Add(figures.value[k], 0);
    }
    for (size_t q = 0; q < kQs.size(); ++q) {
      ASSERT_EQ(estimates[0][q].resampled[i], RankQuantile(repeated, kQs[q])) << "resample " << i;
    }
  }
}

// Requests of several images with a common factor, in repetitions with a common factor.
Figures Sample(std::mt19937_64& random, double level, uint32_t repetitions, uint32_t requests) {
  std::normal_distribution<double> normal;
  Figures figures;
  for (uint32_t r = 0; r < repetitions; ++r) {
    for (uint32_t i = 0; i < requests; ++i) {
      const double common = 0.2 * normal(random);
      for (int k = 0; k < 5; ++k) {
        figures.Add(level * std::exp(common + 0.3 * normal(random)), r * requests + i);
      }
    }
  }
  SortDescending(figures);
  return figures;
}

TEST(ChangeInterval, CoversAKnownRatioAboutAsOftenAsItSays) {
  std::mt19937_64 random(11);
  const Layout layout = EvenLayout(3, 60);
  constexpr int kTrials = 120;
  int covered = 0;
  int found = 0;
  for (int trial = 0; trial < kTrials; ++trial) {
    const Figures a = Sample(random, 100, 3, 60);
    const Figures b = Sample(random, 130, 3, 60);
    const Figures* row_a = &a;
    const Figures* row_b = &b;
    const auto first = BootstrapQuantiles({&row_a, 1}, layout, kQs, random());
    const auto second = BootstrapQuantiles({&row_b, 1}, layout, kQs, random());
    const auto interval = ChangeInterval(first[0][1], second[0][1]);
    ASSERT_TRUE(interval.has_value());
    covered += interval->low <= 0.30 && interval->high >= 0.30 ? 1 : 0;
    found += interval->low > 0 ? 1 : 0;
  }
  // 95% of 120 is 114; three standard deviations are 7. The bootstrap of few repetitions errs to both sides.
  EXPECT_GE(covered, 103);
  EXPECT_GE(found, 110) << "30% more is seen";
}

TEST(ChangeInterval, OfTheSameFiguresSpansZero) {
  std::mt19937_64 random(4);
  const Figures a = Sample(random, 100, 3, 60);
  const Figures* row = &a;
  const Layout layout = EvenLayout(3, 60);
  const auto first = BootstrapQuantiles({&row, 1}, layout, kQs, 1);
  const auto second = BootstrapQuantiles({&row, 1}, layout, kQs, 2);
  for (size_t q = 0; q < kQs.size(); ++q) {
    EXPECT_EQ(ChangeRate(first[0][q], second[0][q]), 0.0);
    const auto interval = ChangeInterval(first[0][q], second[0][q]);
    ASSERT_TRUE(interval.has_value());
    EXPECT_TRUE(interval->SpansZero());
  }
}

TEST(ChangeInterval, RepetitionsThatDisagreeMakeItWide) {
  // Two variants that differ by 10% in the same repetition, while repetitions differ by 50%.
  std::mt19937_64 random(5);
  const auto noisy = [&](double level) {
    std::normal_distribution<double> normal;
    Figures figures;
    for (uint32_t r = 0; r < 3; ++r) {
      for (uint32_t i = 0; i < 60; ++i) {
        figures.Add(level * (1 + 0.25 * r) * std::exp(0.02 * normal(random)), r * 60 + i);
      }
    }
    SortDescending(figures);
    return figures;
  };
  const Figures a = noisy(100);
  const Figures b = noisy(110);
  const Figures* row_a = &a;
  const Figures* row_b = &b;
  const Layout layout = EvenLayout(3, 60);
  const auto first = BootstrapQuantiles({&row_a, 1}, layout, kQs, 1);
  const auto second = BootstrapQuantiles({&row_b, 1}, layout, kQs, 2);
  EXPECT_TRUE(ChangeInterval(first[0][1], second[0][1])->SpansZero());
}

TEST(ChangeInterval, NeedsEnoughGroups) {
  Figures few;
  for (uint32_t i = 0; i < kMinGroups - 1; ++i) few.Add(100 + i, i);
  SortDescending(few);
  const Figures* row = &few;
  const auto estimates = BootstrapQuantiles({&row, 1}, EvenLayout(1, kMinGroups - 1), kQs, 1);
  EXPECT_EQ(estimates[0][1].samples, kMinGroups - 1);
  EXPECT_FALSE(ConfidenceInterval(estimates[0][1].resampled).has_value());
  EXPECT_FALSE(ChangeInterval(estimates[0][1], estimates[0][1]).has_value());
}

TEST(BootstrapMean, HasTheMeanAndAnIntervalAroundIt) {
  std::mt19937_64 random(6);
  std::normal_distribution<double> normal(50, 5);
  Figures figures;
  double sum = 0;
  for (uint32_t i = 0; i < 200; ++i) {
    figures.Add(normal(random), i / 2);
    sum += figures.value.back();
  }
  const Estimate estimate = BootstrapMean(figures, EvenLayout(2, 50), 3);
  EXPECT_NEAR(estimate.value, sum / 200, 1e-9);
  const auto interval = ConfidenceInterval(estimate.resampled);
  ASSERT_TRUE(interval.has_value());
  EXPECT_LT(interval->low, estimate.value);
  EXPECT_GT(interval->high, estimate.value);
  EXPECT_LT(interval->high - interval->low, 4) << "about 4 standard errors of 0.35";
}

TEST(Estimate, OfNothingHasNoValue) {
  const Figures none;
  const Figures* row = &none;
  const auto estimates = BootstrapQuantiles({&row, 1}, Layout{}, kQs, 1);
  EXPECT_EQ(estimates[0][0].samples, 0U);
  EXPECT_EQ(BootstrapMean(none, Layout{}, 1).samples, 0U);
  EXPECT_FALSE(ChangeRate(estimates[0][0], estimates[0][0]).has_value());
}

}  // namespace
}  // namespace photovec::experiment
