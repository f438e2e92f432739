// SPDX-License-Identifier: MIT
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "experiment/analyse/analysis.h"
#include "experiment/report/report.h"

namespace photovec::experiment {

/// One text of the reports in both languages. Places for values: {0}, {1}, ...
struct TextEntry {
  std::string english;
  std::string korean;
};
/// texts.toml by key: all labels and sentences. Thread-safe.
const std::map<std::string, TextEntry, std::less<>>& TextTable();

/// A label or sentence in a language. An unknown key comes back as it is.
std::string_view Text(Language language, std::string_view key);
bool HasText(std::string_view key);
/// `sentence` with {0}, {1}, ... replaced. A value "$key" stands for Text(language, key);
/// in one that begins with "$$" each {key} does.
std::string Fill(std::string_view sentence, const std::vector<std::string>& values, Language language);
std::string FindingText(const Finding& finding, Language language);

}  // namespace photovec::experiment
