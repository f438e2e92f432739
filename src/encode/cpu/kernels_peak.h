// SPDX-License-Identifier: MIT
#pragma once

namespace photovec::encode::cpu {

inline constexpr int kPeakStep = 8192;

/// steps x kPeakStep fused multiply-adds of full vectors in registers, on the calling thread: what the core
/// can do at best. Return the FLOPs done; *sink keeps the compiler honest.
double PeakF32(int steps, float* sink);
/// The same with AVX512-BF16 dot products. Call only where the CPU has them.
double PeakBf16(int steps, float* sink);

}  // namespace photovec::encode::cpu
