// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace photovec {

/// "1.5 GiB", "640 B": for people.
std::string HumanBytes(uint64_t bytes);
/// Parses "64MiB", "1.5G", "4096": K, M, G and T are powers of 1024, with or without "B"/"iB".
/// Errors: kInvalidRequest quoting the text.
Result<uint64_t> ParseBytes(std::string_view text);

}  // namespace photovec
