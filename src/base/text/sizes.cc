// SPDX-License-Identifier: MIT
#include "base/text/sizes.h"

#include <array>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdio>

namespace photovec {

std::string HumanBytes(uint64_t bytes) {
  constexpr std::array<const char*, 5> kUnits = {"B", "KiB", "MiB", "GiB", "TiB"};
  auto value = static_cast<double>(bytes);
  size_t unit = 0;
  while (value >= 1024.0 && unit + 1 < kUnits.size()) {
    value /= 1024.0;
    ++unit;
  }
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), value >= 100 || unit == 0 ? "%.0f %s" : "%.1f %s", value,
                kUnits[unit]);
  return text.data();
}

Result<uint64_t> ParseBytes(std::string_view text) {
  const auto bad = [&] {
    return Status(Code::kInvalidRequest,
                  "'" + std::string(text) + "' is not a size; write 4096, 64MiB or 1.5G");
  };
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || !(value >= 0) || !std::isfinite(value)) return bad();
  std::string_view unit(end, static_cast<size_t>(text.data() + text.size() - end));
  while (!unit.empty() && unit.front() == ' ') unit.remove_prefix(1);
  int power = 0;
  if (!unit.empty()) {
    constexpr std::string_view kLetters = "KMGT";
    const size_t at = kLetters.find(static_cast<char>(unit.front() & ~0x20));
    if (at != std::string_view::npos) {
      power = static_cast<int>(at) + 1;
      unit.remove_prefix(1);
      if (unit == "iB" || unit == "ib" || unit == "B" || unit == "b") unit = {};
    } else if (unit == "B" || unit == "b") {
      unit = {};
    }
    if (!unit.empty()) return bad();
  }
  const double bytes = std::ldexp(value, 10 * power);
  if (bytes >= 0x1p63) return bad();
  return static_cast<uint64_t>(bytes);
}

}  // namespace photovec
