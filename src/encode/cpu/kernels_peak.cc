// SPDX-License-Identifier: MIT
#include "encode/cpu/kernels.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "encode/cpu/kernels_peak.cc"
#include <hwy/foreach_target.h>
// After foreach_target.h, as Highway wants it.
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace photovec::encode::cpu {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

double Fma(int steps, float seed, float* sink) {
  constexpr int kChains = 12;  // latency x throughput of every core since Haswell, and 16 registers suffice
  const hn::ScalableTag<float> d;
  const auto a = hn::Set(d, seed);
  const auto b = hn::Set(d, 1e-3F);
  hn::Vec<decltype(d)> sum[kChains];
#pragma GCC unroll 12
  for (int i = 0; i < kChains; ++i) sum[i] = hn::Set(d, static_cast<float>(i));
  const auto rounds = steps * kPeakStep / kChains;
  for (int step = 0; step < rounds; ++step) {
#pragma GCC unroll 12
    for (int i = 0; i < kChains; ++i) sum[i] = hn::MulAdd(sum[i], a, b);
  }
  auto total = sum[0];
#pragma GCC unroll 12
  for (int i = 1; i < kChains; ++i) total = hn::Add(total, sum[i]);
  *sink = hn::GetLane(total);
  return 2.0 * static_cast<double>(hn::Lanes(d)) * static_cast<double>(rounds) * kChains;
}

}  // namespace HWY_NAMESPACE
}  // namespace photovec::encode::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace photovec::encode::cpu {
HWY_EXPORT(Fma);

double PeakF32(int steps, float* sink) { return HWY_DYNAMIC_DISPATCH(Fma)(steps, 0.999F, sink); }

#if defined(__x86_64__)
// Highway 1.0 knows no bf16 dot product.
__attribute__((target("avx512f,avx512bw,avx512vl,avx512bf16"))) double PeakBf16(int steps, float* sink) {
  constexpr int kChains = 24;
  const __m512 ones = _mm512_set1_ps(0.5F);
  const __m512bh a = _mm512_cvtne2ps_pbh(ones, ones);
  __m512 sum[kChains];
#pragma GCC unroll 24
  for (int i = 0; i < kChains; ++i) sum[i] = _mm512_set1_ps(static_cast<float>(i));
  const auto rounds = steps * kPeakStep / kChains;
  for (int step = 0; step < rounds; ++step) {
#pragma GCC unroll 24
    for (int i = 0; i < kChains; ++i) {
      sum[i] = _mm512_dpbf16_ps(sum[i], a, a);
      // The sums do not depend on each other's history, yet must not be folded into one product.
      __asm__ volatile("" : "+v"(sum[i]));
    }
  }
  __m512 total = sum[0];
#pragma GCC unroll 24
  for (int i = 1; i < kChains; ++i) total = _mm512_add_ps(total, sum[i]);
  *sink = _mm512_cvtss_f32(total);
  return 2.0 * 32.0 * static_cast<double>(rounds) * kChains;
}
#else
double PeakBf16(int, float*) { return 0; }
#endif

}  // namespace photovec::encode::cpu
#endif  // HWY_ONCE
