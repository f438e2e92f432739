// SPDX-License-Identifier: MIT
#pragma once

#include <array>

#include "base/enum_names.h"

namespace photovec::model {

/// The arithmetic that a model runs in. kAuto is for options only: on a GPU f16, on a CPU bf16 where it has
/// AVX512-BF16 or AMX, else f32.
enum class Precision { kAuto, kF32, kBF16, kF16, kFp8 };
constexpr auto EnumNames(Precision /*of*/) {
  return std::array{EnumName{Precision::kAuto, "auto"}, EnumName{Precision::kF32, "f32"},
                    EnumName{Precision::kBF16, "bf16"}, EnumName{Precision::kF16, "f16"},
                    EnumName{Precision::kFp8, "fp8"}};
}

}  // namespace photovec::model
