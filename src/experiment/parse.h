// SPDX-License-Identifier: MIT
#pragma once

#include <string_view>

#include "base/result.h"

namespace photovec::experiment {

/// "60s", "500ms", "2m", "1h" or a bare number of seconds.
/// Errors: kInvalidRequest quoting the text and saying what is accepted.
Result<double> ParseSeconds(std::string_view text);
/// "40ms", "1.5s", "250us" as milliseconds; the unit must be there.
/// Errors: kInvalidRequest quoting the text and saying what is accepted.
Result<double> ParseMilliseconds(std::string_view text);

struct Range {
  double low = 0;
  double high = 0;
};
/// "30-50" or "40" (both ends); numbers from 0 up, low <= high. A trailing "s" is taken as the unit.
/// Errors: kInvalidRequest quoting the text and saying what is accepted.
Result<Range> ParseRange(std::string_view text);

}  // namespace photovec::experiment
