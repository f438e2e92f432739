// SPDX-License-Identifier: MIT
#include "experiment/report/text.h"

#include <toml++/toml.h>

#include "base/check.h"
#include "experiment/report/page_files.h"

namespace photovec::experiment {
namespace {

const TextEntry* Find(std::string_view key) {
  const auto at = TextTable().find(key);
  return at == TextTable().end() ? nullptr : &at->second;
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

const std::map<std::string, TextEntry, std::less<>>& TextTable() {
  static const auto* const table = [] {  // never destroyed: string_views of it are everywhere
    auto* texts = new std::map<std::string, TextEntry, std::less<>>;
    const toml::parse_result file = toml::parse(TextsToml(), std::string_view("texts.toml"));
    PHOTOVEC_CHECK(file.succeeded(), "report/texts.toml is not TOML");
    for (const auto& [key, node] : file.table()) {
      const auto text = [entry = node.as_table()](std::string_view language) {
        return entry == nullptr ? std::string() : (*entry)[language].value_or(std::string());
      };
      texts->emplace(key.str(), TextEntry{text("english"), text("korean")});
    }
    return texts;
  }();
  return *table;
}

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
