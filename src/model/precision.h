// SPDX-License-Identifier: MIT
#pragma once

namespace photovec::model {

/// The arithmetic that a model runs in.
enum class Precision { kAuto, kF32, kBF16, kF16, kFp8 };

}  // namespace photovec::model
