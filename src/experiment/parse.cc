// SPDX-License-Identifier: MIT
#include "experiment/parse.h"

#include <charconv>
#include <cmath>
#include <optional>
#include <string>
#include <utility>

namespace photovec::experiment {
namespace {

/// A number from 0 up that fills `text` whole.
bool ParseNumber(std::string_view text, double& value) {
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed);
  return error == std::errc() && end == text.data() + text.size() && std::isfinite(value) && value >= 0;
}

struct Duration {
  double value = 0;
  std::optional<double> unit_s;  // none was written
};
std::optional<Duration> ParseUnit(std::string_view text) {
  constexpr std::pair<std::string_view, double> kUnits[] = {
      {"us", 1e-6}, {"ms", 1e-3}, {"s", 1}, {"m", 60}, {"h", 3600}};
  Duration duration;
  for (const auto& [unit, seconds] : kUnits) {
    if (!text.ends_with(unit)) continue;
    duration.unit_s = seconds;
    text.remove_suffix(unit.size());
    break;
  }
  if (!ParseNumber(text, duration.value)) return std::nullopt;
  return duration;
}

}  // namespace

Result<double> ParseSeconds(std::string_view text) {
  const std::optional<Duration> duration = ParseUnit(text);
  if (duration) return duration->value * duration->unit_s.value_or(1);
  return Status(Code::kInvalidRequest,
                "'" + std::string(text) + "' is no duration; write for instance 60s, 500ms or 2m");
}

Result<double> ParseMilliseconds(std::string_view text) {
  const std::optional<Duration> duration = ParseUnit(text);
  if (duration && duration->unit_s) return duration->value * *duration->unit_s * 1e3;
  return Status(Code::kInvalidRequest,
                "'" + std::string(text) + "' is not a duration; write 40ms, 1.5s or 250us");
}

Result<Range> ParseRange(std::string_view text) {
  std::string_view numbers = text;
  if (numbers.ends_with('s')) numbers.remove_suffix(1);
  const size_t dash = numbers.find('-');
  Range range;
  const bool whole = ParseNumber(numbers.substr(0, dash), range.low) &&
                     (dash == std::string_view::npos || ParseNumber(numbers.substr(dash + 1), range.high));
  if (dash == std::string_view::npos) range.high = range.low;
  if (!whole || range.high < range.low) {
    return Status(
        Code::kInvalidRequest,
        "'" + std::string(text) + "' is no range; write for instance 30-50, or 40 for always the same");
  }
  return range;
}

}  // namespace photovec::experiment
