// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

namespace photovec::device {

/// A value in [-1, 1) with all bits of `x` mixed (the finaliser of MurmurHash3).
__device__ __forceinline__ float Noise(uint32_t x) {
  x ^= x >> 16;
  x *= 0x85EBCA6BU;
  x ^= x >> 13;
  x *= 0xC2B2AE35U;
  x ^= x >> 16;
  return static_cast<float>(x >> 8) * (1.0F / 8388608.0F) - 1.0F;
}

}  // namespace photovec::device
