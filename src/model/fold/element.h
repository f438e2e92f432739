// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>

namespace photovec::model {

/// Element type of what goes into a matrix product: f32, or bf16 or f16 rounded to nearest even.
enum class Element : uint8_t { kF32, kBF16, kF16 };
constexpr size_t ElementBytes(Element element) { return element == Element::kF32 ? 4 : 2; }

}  // namespace photovec::model
