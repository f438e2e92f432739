// SPDX-License-Identifier: MIT
#pragma once

#include "unit/cuda_encode/emulated/device.h"

/// In place of the plug-in's file of this name: what its PTX does, from the fragment tables of the PTX ISA
/// ("Matrix Fragments for mma.m16n8k16", "ldmatrix").
namespace photovec::device {

inline void CopyAsync16(void* to, const void* from, bool take) {
  if (take) {
    std::memcpy(to, from, 16);
  } else {
    std::memset(to, 0, 16);
  }
}
inline void CommitCopies() {}
template <int kPending>
void WaitCopies() {}

namespace emulated {

inline unsigned Lane() { return This().thread.x % 32; }

// Element [row][column] of each 8x8 matrix; every lane knows all 32 row addresses.
inline void LoadFour(uint32_t (&out)[4], const void* row, bool transposed) {
  const uint8_t* all = ExchangeInWarp(&row, sizeof(row));
  for (unsigned matrix = 0; matrix < 4; ++matrix) {
    uint16_t pair[2];
    for (unsigned i = 0; i < 2; ++i) {
      unsigned r = Lane() / 4;
      unsigned c = Lane() % 4 * 2 + i;
      if (transposed) std::swap(r, c);
      const void* address = nullptr;
      std::memcpy(&address, all + (matrix * 8 + r) * kMostExchanged, sizeof(address));
      pair[i] = static_cast<const uint16_t*>(address)[c];
    }
    std::memcpy(&out[matrix], pair, sizeof(pair));
  }
}

template <typename T>
float Half(uint32_t pair, unsigned which) {
  const auto bits = static_cast<uint16_t>(pair >> (16 * which));
  return static_cast<float>(std::bit_cast<T>(bits));
}

template <typename T>
void MultiplyInWarp(float (&c)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
  const uint32_t mine[6] = {a[0], a[1], a[2], a[3], b0, b1};
  const uint8_t* all = ExchangeInWarp(mine, sizeof(mine));
  const auto of = [&](unsigned lane, unsigned word) {
    uint32_t value = 0;
    std::memcpy(&value, all + lane * kMostExchanged + word * 4, sizeof(value));
    return value;
  };
  for (unsigned i = 0; i < 4; ++i) {
    const unsigned row = Lane() / 4;  // of eight; i / 2 says which half
    const unsigned column = Lane() % 4 * 2 + i % 2;
    float sum = c[i];
    for (unsigned k = 0; k < 16; ++k) {
      const uint32_t left = of(row * 4 + k % 8 / 2, i / 2 + k / 8 * 2);
      const uint32_t right = of(column * 4 + k % 8 / 2, 4 + k / 8);
      sum += Half<T>(left, k % 2) * Half<T>(right, k % 2);
    }
    c[i] = sum;
  }
}

}  // namespace emulated

inline void LoadMatrices(uint32_t (&out)[4], const void* row) { emulated::LoadFour(out, row, false); }
inline void LoadMatricesTransposed(uint32_t (&out)[4], const void* row) {
  emulated::LoadFour(out, row, true);
}

template <typename T>
void Multiply(float (&c)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1, const T* /*type*/) {
  emulated::MultiplyInWarp<T>(c, a, b0, b1);
}

}  // namespace photovec::device
