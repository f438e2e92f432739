// SPDX-License-Identifier: MIT
#include "experiment/duration_text.h"

#include <charconv>
#include <cmath>
#include <string>

namespace photovec::experiment {

Result<double> ParseMilliseconds(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const std::string_view unit = text.substr(static_cast<size_t>(end - text.data()));
  const double scale = unit == "ms" ? 1.0 : unit == "s" ? 1e3 : unit == "us" ? 1e-3 : 0.0;
  if (error != std::errc() || scale == 0.0 || !std::isfinite(value) || value < 0) {
    return Status(Code::kInvalidRequest,
                  "'" + std::string(text) + "' is not a duration; write 40ms, 1.5s or 250us");
  }
  return value * scale;
}

}  // namespace photovec::experiment
