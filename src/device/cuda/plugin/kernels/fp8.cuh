// SPDX-License-Identifier: MIT
#pragma once

#include <cuda_fp8.h>

#include <cstdint>

#include "device/cuda/plugin/kernels/elements.cuh"

/// Rows in E4M3 on the device; the host's half is model/fold/e4m3.h.
namespace photovec::device {

struct Fp8Scale {
  float scale;    ///< what a code is multiplied by to get the value
  float inverse;  ///< what a value is multiplied by to get the code
};

/// Of a row whose largest magnitude is `amax`.
__device__ __forceinline__ Fp8Scale Fp8ScaleFor(float amax) {
  constexpr float kMostE4M3 = 448.0F;
  constexpr float kLeastAmax = 1e-30F;  // below it the quotient is not safely finite
  return {amax / kMostE4M3, amax > kLeastAmax ? kMostE4M3 / amax : 0.0F};
}

__device__ __forceinline__ float MostOf8(float most, const Eight& x) {
#pragma unroll
  for (const float v : x.v) most = fmaxf(most, fabsf(v));
  return most;
}

/// Eight values times `inverse`, rounded to nearest even, saturated. NaN stays NaN.
/// \param to 8-byte aligned.
__device__ __forceinline__ void StoreFp8(const Eight& x, float inverse, uint8_t* to) {
  uint32_t pairs[4];
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    const float2 pair = make_float2(x.v[2 * i] * inverse, x.v[2 * i + 1] * inverse);
    pairs[i] = __nv_cvt_float2_to_fp8x2(pair, __NV_SATFINITE, __NV_E4M3);
  }
  *reinterpret_cast<uint2*>(to) = make_uint2(pairs[0] | pairs[1] << 16, pairs[2] | pairs[3] << 16);
}

}  // namespace photovec::device
