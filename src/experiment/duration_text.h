// SPDX-License-Identifier: MIT
#pragma once

#include <string_view>

#include "base/result.h"

namespace photovec::experiment {

/// "40ms", "1.5s", "250us" as milliseconds: finite and not negative.
/// Errors: kInvalidRequest quoting the text and saying what is accepted.
Result<double> ParseMilliseconds(std::string_view text);

}  // namespace photovec::experiment
