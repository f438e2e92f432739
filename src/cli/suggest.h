// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace photovec::cli {

/// The known word that `word` was probably meant to be: the one at the least edit distance (adjacent swaps
/// count once), if that is at most a third of its length, rounded up; else "". Ties go to the first.
std::string Nearest(std::string_view word, const std::vector<std::string>& known);

/// "; did you mean 'port'?" or "".
std::string DidYouMean(std::string_view word, const std::vector<std::string>& known,
                       std::string_view prefix = "");

}  // namespace photovec::cli
