// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "experiment/analyse/analysis.h"
#include "experiment/report/report.h"

namespace photovec::experiment {

/// A label or sentence in a language; all of them stand in one table. An unknown key comes back as it is.
std::string_view Text(Language language, std::string_view key);
bool HasText(std::string_view key);
/// `sentence` with {0}, {1}, ... replaced. A value "$key" stands for Text(language, key);
/// in one that begins with "$$" each {key} does.
std::string Fill(std::string_view sentence, const std::vector<std::string>& values, Language language);
std::string FindingText(const Finding& finding, Language language);

}  // namespace photovec::experiment
