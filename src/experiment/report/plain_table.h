// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace photovec::experiment {

/// Columns a text takes in a terminal: Hangul and other wide characters take two.
size_t DisplayWidth(std::string_view text);
/// Rows of equally many cells, aligned with spaces; the first column to the left, the others to the right
/// unless `left[column]`. A line ends without spaces. Control characters (a variant may be called anything)
/// become '?'.
std::string PlainTable(const std::vector<std::vector<std::string>>& rows, const std::vector<bool>& left);
/// The text without control characters, for terminals.
std::string Printable(std::string_view text);

}  // namespace photovec::experiment
