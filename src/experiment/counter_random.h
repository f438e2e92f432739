// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <cstdint>
#include <numbers>

#include "base/random.h"

namespace photovec::experiment {

/// What a random number is for: the same seed never gives two uses the same numbers.
enum class RandomUse : uint64_t {
  kLatency = 1,
  kStoreError,
  kArrivalGap,
  kImages,
  kThink,
  kStagger,
};

/// The n-th random number of a use: a function, not a state, so that neither the order nor the timing of
/// events changes what is drawn.
constexpr uint64_t RandomBits(uint64_t seed, RandomUse use, uint64_t n) {
  const uint64_t key = MixBits(seed + kSplitMixGamma * static_cast<uint64_t>(use));
  return MixBits(key + kSplitMixGamma * (n + 1));
}

/// 0 < u < 1, from 53 bits.
constexpr double UnitFrom(uint64_t bits) { return (static_cast<double>(bits >> 11) + 0.5) * 0x1p-53; }

constexpr double RandomUniform(uint64_t seed, RandomUse use, uint64_t n) {
  return UnitFrom(RandomBits(seed, use, n));
}

/// Mean 0, standard deviation 1 (Box and Muller 1958).
inline double RandomNormal(uint64_t seed, RandomUse use, uint64_t n) {
  const double u = RandomUniform(seed, use, 2 * n);
  const double v = RandomUniform(seed, use, 2 * n + 1);
  return std::sqrt(-2 * std::log(u)) * std::cos(2 * std::numbers::pi * v);
}

/// Mean 1.
inline double RandomExponential(uint64_t seed, RandomUse use, uint64_t n) {
  return -std::log(RandomUniform(seed, use, n));
}

}  // namespace photovec::experiment
