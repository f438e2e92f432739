// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>

#include "decode/formats/jpeg/own/entropy.h"

/// Inverse DCTs of kLanes blocks at a time, equal to libjpeg-turbo's "islow" at 8x8, 4x4, 2x2 and 1x1 pixels
/// a block: the same integers in the same order of rounding, in 16 bits where its SIMD code works in 16.
/// Equal for dequantised coefficients up to kMaxDequantised; beyond, which no photo's reach, its own code
/// paths (plain C, rows without AC) differ from each other, and the unit is reported instead. Source:
/// libjpeg-turbo 2.1.5 jidctint.c, jidctred.c, simd/x86_64/jidctint-avx2.asm, jidctred-sse2.asm.
namespace photovec::decode::jpeg {

inline constexpr int kMaxDequantised = 8191;

/// A component's table for the kernels, natural order; each value twice, side by side.
struct Dequantiser {
  alignas(64) uint32_t factors[kBlockSize];
  alignas(64) uint32_t limits[kBlockSize];  ///< the largest coefficient that stays below kMaxDequantised
};
/// \return false when a factor is above 32,767.
bool MakeDequantiser(const QuantTable& table, Dequantiser* out);

/// Where pixels go: the block of lane 0 at `pixels`, the others to its right, rows `stride` bytes apart.
/// Always writes all kLanes blocks, kLanes * size bytes of each of `size` rows.
struct PixelTarget {
  uint8_t* pixels;
  size_t stride;
};

/// \param size 1, 2, 4 or 8 pixels a side.
/// \param unit kUnitCoefficients coefficients, 32-byte aligned. Those that were read are zero afterwards, so
/// that the unit can be filled again; the others do not matter at this size.
/// \return false when a coefficient that was read is out of range; the pixels are then worth nothing.
bool InverseDct(int size, int16_t* unit, const Dequantiser& quant, PixelTarget out);

}  // namespace photovec::decode::jpeg
