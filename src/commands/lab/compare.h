// SPDX-License-Identifier: MIT
#pragma once

#include <string_view>

#include "base/result.h"

namespace photovec::commands {

/// "10%" or "0.1" to 0.1. Errors: kInvalidRequest saying what is accepted.
Result<double> ParseShare(std::string_view text);

}  // namespace photovec::commands
