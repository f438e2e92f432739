// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <span>
#include <string>
#include <vector>

#include "base/enum_names.h"

namespace photovec {

enum class DType { kF32, kF16, kBF16 };
constexpr auto EnumNames(DType /*of*/) {
  return std::array{EnumName{DType::kF32, "f32"}, EnumName{DType::kF16, "f16"},
                    EnumName{DType::kBF16, "bf16"}};
}

constexpr size_t DTypeBytes(DType dtype) { return dtype == DType::kF32 ? 4 : 2; }

/// A named, dense, row-major tensor somewhere in memory (usually a mapped checkpoint). Does not own it;
/// its maker says how long it lives. `data` may be unaligned. An empty view (data == nullptr) stands for
/// "this model has no such tensor".
struct TensorView {
  std::string name;
  DType dtype = DType::kF32;
  std::vector<int64_t> shape;
  const void* data = nullptr;

  bool present() const { return data != nullptr; }
  int64_t elements() const {
    return std::accumulate(shape.begin(), shape.end(), int64_t{1}, [](auto a, auto b) { return a * b; });
  }
  size_t bytes() const { return static_cast<size_t>(elements()) * DTypeBytes(dtype); }
  /// Widens to f32.
  /// \param out exactly elements() floats.
  void CopyTo(std::span<float> out) const;
  std::vector<float> ToFloats() const;
  /// Row `index` of a matrix alone, widened; does not allocate.
  /// \param out exactly shape[1] floats.
  void CopyRowTo(int64_t index, std::span<float> out) const;
};

float HalfToFloat(uint16_t bits);
float BFloat16ToFloat(uint16_t bits);
uint16_t FloatToHalf(float value);      ///< round to nearest even
uint16_t FloatToBFloat16(float value);  ///< round to nearest even; NaN stays NaN

/// "[768, 3, 32, 32]"
std::string ShapeToString(std::span<const int64_t> shape);

}  // namespace photovec
