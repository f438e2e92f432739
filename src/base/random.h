// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

/// splitmix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014): the same numbers
/// on every machine and with every compiler, unlike the distributions of <random>.
namespace photovec {

/// Its increment: 2^64 / golden ratio.
inline constexpr uint64_t kSplitMixGamma = 0x9E3779B97F4A7C15U;

/// Its finaliser: a bijection of 64 bits in which every output bit depends on every input bit; 0 stays 0.
constexpr uint64_t MixBits(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9U;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBU;
  return x ^ (x >> 31);
}

/// The generator. A value type; not thread-safe.
class SplitMix64 {
 public:
  constexpr explicit SplitMix64(uint64_t seed) : state_(seed) {}
  constexpr uint64_t Next() { return MixBits(state_ += kSplitMixGamma); }

 private:
  uint64_t state_;
};

}  // namespace photovec
