// SPDX-License-Identifier: MIT
#pragma once

#include <span>
#include <string_view>

namespace photovec::experiment {

/// One text of the report in both languages. Places for values: {0}, {1}, ...
struct TextEntry {
  std::string_view key;
  std::string_view english;
  std::string_view korean;
};
/// All labels and sentences; keys are unique.
std::span<const TextEntry> TextTable();

}  // namespace photovec::experiment
