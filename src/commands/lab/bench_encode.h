// SPDX-License-Identifier: MIT
#pragma once

#include <string>

#include "base/result.h"
#include "bench/encode.h"

namespace photovec::commands {

/// "2x1" to two streams of one thread. Errors: kInvalidRequest.
Result<bench::BenchLayout> ParseLayout(const std::string& text);

}  // namespace photovec::commands
