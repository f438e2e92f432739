// SPDX-License-Identifier: MIT
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace photovec::experiment {

using Setting = std::pair<std::string, std::string>;  ///< option name without dashes, and its value

/// One --vary: an option and the values that it takes in turn.
struct Axis {
  std::string option;
  std::vector<std::string> values;
};
/// "streams=1,2,4". Errors: kInvalidRequest quoting the text: no '=', no value, a value twice.
Result<Axis> ParseAxis(std::string_view text);
/// "precision=f32". Errors: kInvalidRequest quoting the text.
Result<Setting> ParseSetting(std::string_view text);

/// More variants than this are refused: with the defaults (3 times 60 s) they would already run for over an
/// hour.
inline constexpr size_t kMaxVariants = 24;

/// The full grid, the last axis fastest: the first variant has every axis's first value. Without axes one
/// empty variant. Errors: kInvalidRequest: an option varied twice, more than kMaxVariants.
Result<std::vector<std::vector<Setting>>> MakeGrid(std::span<const Axis> axes);

/// "streams=2 decode=process"; "as configured" for none.
std::string VariantName(std::span<const Setting> settings);

/// Splits a command line into words as a shell does, with '...' and "..." and \, without any expansion.
/// Errors: kInvalidRequest: an open quote, no word at all.
Result<std::vector<std::string>> SplitCommand(std::string_view text);

}  // namespace photovec::experiment
