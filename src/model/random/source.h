// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <cstdint>
#include <string_view>

#include "base/random.h"

namespace photovec::model {

/// Random numbers by position: value i of a stream depends on the seed, the stream's name and i alone, so any
/// thread can draw any of them. Integers, + - * / and sqrt only, which IEEE 754 rounds alike everywhere; no
/// <random> distributions and no libm, whose results differ between machines. A value type.
class RandomSource {
 public:
  RandomSource(uint64_t seed, std::string_view stream) : key_(Mix(seed)) {
    for (const char c : stream) key_ = Mix(key_ ^ static_cast<uint8_t>(c));
  }

  uint64_t Bits(uint64_t i) const { return Mix(key_ + i * kSplitMixGamma); }

  /// Student's t with 4 degrees of freedom, scaled to unit variance: 1 in 300 values lies beyond 4, where a
  /// normal distribution has 1 in 16,000. Cut off at 32, about the largest that trained layers show.
  /// Normal deviates are sums of uniform ones: z = sum of 8, each d of the denominator a sum of 4.
  double HeavyTailed(uint64_t i) const {
    const uint64_t at = i * 6;
    const double z = static_cast<double>(CentredSum(Bits(at)) + CentredSum(Bits(at + 1)));
    int64_t squares = 1;
    for (uint64_t k = 2; k < 6; ++k) {
      const int64_t d = CentredSum(Bits(at + k));
      squares += d * d;
    }
    const double t = z / std::sqrt(static_cast<double>(squares));
    constexpr double kCut = 32.0;
    return t > kCut ? kCut : t < -kCut ? -kCut : t;
  }

 private:
  static uint64_t Mix(uint64_t z) { return MixBits(z + kSplitMixGamma); }

  /// The sum of the four 16-bit parts, minus its mean, times two (so that it stays an integer).
  static int64_t CentredSum(uint64_t bits) {
    const uint64_t sum = (bits & 0xFFFF) + ((bits >> 16) & 0xFFFF) + ((bits >> 32) & 0xFFFF) + (bits >> 48);
    return 2 * static_cast<int64_t>(sum) - 4 * 0xFFFF;
  }

  uint64_t key_;
};

}  // namespace photovec::model
