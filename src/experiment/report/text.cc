// SPDX-License-Identifier: MIT
#include "experiment/report/text.h"

#include <algorithm>

#include "experiment/report/text_table.h"

namespace photovec::experiment {
namespace {

const TextEntry* Find(std::string_view key) {
  const auto table = TextTable();
  const auto at = std::find_if(table.begin(), table.end(), [&](const TextEntry& e) { return e.key == key; });
  return at == table.end() ? nullptr : &*at;
}

// "{row_fetch} +3%" with the words of the table put in.
std::string PutWords(std::string_view text, Language language) {
  std::string out;
  while (!text.empty()) {
    const size_t open = text.find('{');
    const size_t close = open == std::string_view::npos ? open : text.find('}', open);
    if (close == std::string_view::npos) break;
    out += text.substr(0, open);
    out += Text(language, text.substr(open + 1, close - open - 1));
    text.remove_prefix(close + 1);
  }
  return out.append(text);
}

std::string PutValue(const std::string& value, Language language) {
  const std::string_view text = value;
  if (text.starts_with("$$")) return PutWords(text.substr(2), language);
  if (text.starts_with('$') && HasText(text.substr(1))) return std::string(Text(language, text.substr(1)));
  return value;
}

}  // namespace

std::string_view Text(Language language, std::string_view key) {
  const TextEntry* entry = Find(key);
  if (entry == nullptr) return key;
  return language == Language::kKorean ? entry->korean : entry->english;
}

bool HasText(std::string_view key) { return Find(key) != nullptr; }

std::string Fill(std::string_view sentence, const std::vector<std::string>& values, Language language) {
  std::string out;
  for (size_t i = 0; i < sentence.size(); ++i) {
    const bool place = sentence[i] == '{' && i + 2 < sentence.size() && sentence[i + 2] == '}' &&
                       sentence[i + 1] >= '0' && sentence[i + 1] <= '9';
    if (!place) {
      out += sentence[i];
      continue;
    }
    const auto number = static_cast<size_t>(sentence[i + 1] - '0');
    if (number < values.size()) out += PutValue(values[number], language);
    i += 2;
  }
  return out;
}

std::string FindingText(const Finding& finding, Language language) {
  return Fill(Text(language, "finding_" + finding.key), finding.values, language);
}

}  // namespace photovec::experiment
