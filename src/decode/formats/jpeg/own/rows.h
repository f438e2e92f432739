// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>

/// From rows of components to rows of RGB, equal to libjpeg-turbo's (jdsample.c, jdcolor.c and their SIMD).
/// Inputs have kRowSlack readable bytes behind their end, upsampled outputs as many writable ones.
namespace photovec::decode::jpeg {

inline constexpr size_t kRowSlack = 64;

/// Twice as many samples: a triangle filter. Reads in[-1] and in[count], which repeat the row's ends.
/// \param count input samples; 2 * count come out.
void UpsampleColumns(const uint8_t* in, size_t count, uint8_t* out);
/// The same between two rows, for an output row that lies nearer to `near`.
void UpsampleBoth(const uint8_t* near, const uint8_t* far, size_t count, uint8_t* out);
/// Between two rows only.
/// \param bias 1 for the output row above the middle of `near`, 2 for the one below.
void UpsampleRows(const uint8_t* near, const uint8_t* far, int bias, size_t count, uint8_t* out);
/// Each sample twice.
void RepeatColumns(const uint8_t* in, size_t count, uint8_t* out);

/// Writes exactly 3 * count bytes.
void YccToRgb(const uint8_t* y, const uint8_t* cb, const uint8_t* cr, size_t count, uint8_t* rgb);
void GreyToRgb(const uint8_t* y, size_t count, uint8_t* rgb);

}  // namespace photovec::decode::jpeg
