// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>

#include "base/status.h"

namespace photovec {

/// A JSON string literal, quotes included, always valid UTF-8. A byte that is not part of valid UTF-8 (file
/// names may hold any) becomes \udcXX, which Python reads back with os.fsencode (PEP 383).
std::string JsonString(std::string_view text);

/// {"code":"image_corrupt","message":"..."}, or null for OK.
std::string JsonError(const Status& status);

}  // namespace photovec
