// SPDX-License-Identifier: MIT
#include "experiment/run/variants.h"

#include <algorithm>

namespace photovec::experiment {
namespace {

Status Invalid(std::string message) { return {Code::kInvalidRequest, std::move(message)}; }

std::string_view WithoutDashes(std::string_view name) {
  while (name.starts_with('-')) name.remove_prefix(1);
  return name;
}

}  // namespace

Result<Setting> ParseSetting(std::string_view text) {
  const size_t equals = text.find('=');
  const std::string_view name = WithoutDashes(text.substr(0, equals));
  if (equals == std::string_view::npos || name.empty()) {
    return Invalid("'" + std::string(text) + "' must be NAME=VALUE, for instance precision=f32");
  }
  return Setting(name, text.substr(equals + 1));
}

Result<Axis> ParseAxis(std::string_view text) {
  const size_t equals = text.find('=');
  Axis axis;
  axis.option = WithoutDashes(text.substr(0, equals));
  if (equals == std::string_view::npos || axis.option.empty() || equals + 1 == text.size()) {
    return Invalid("'" + std::string(text) + "' must be NAME=VALUE,VALUE..., for instance streams=1,2,4");
  }
  std::string_view rest = text.substr(equals + 1);
  for (;;) {
    const size_t comma = rest.find(',');
    const std::string value(rest.substr(0, comma));
    if (value.empty()) return Invalid("'" + std::string(text) + "' has an empty value");
    if (std::find(axis.values.begin(), axis.values.end(), value) != axis.values.end()) {
      return Invalid("'" + std::string(text) + "' has the value '" + value + "' twice");
    }
    axis.values.push_back(value);
    if (comma == std::string_view::npos) return axis;
    rest.remove_prefix(comma + 1);
  }
}

Result<std::vector<std::vector<Setting>>> MakeGrid(std::span<const Axis> axes) {
  std::vector<std::vector<Setting>> grid(1);
  for (size_t i = 0; i < axes.size(); ++i) {
    const Axis& axis = axes[i];
    for (size_t j = 0; j < i; ++j) {
      if (axes[j].option == axis.option) return Invalid("--vary names '" + axis.option + "' twice");
    }
    if (grid.size() * axis.values.size() > kMaxVariants) {
      return Invalid("the grid has more than " + std::to_string(kMaxVariants) +
                     " variants; vary fewer options or values at once");
    }
    std::vector<std::vector<Setting>> wider;
    for (const auto& settings : grid) {
      for (const std::string& value : axis.values) {
        wider.push_back(settings);
        wider.back().emplace_back(axis.option, value);
      }
    }
    grid = std::move(wider);
  }
  return grid;
}

std::string VariantName(std::span<const Setting> settings) {
  if (settings.empty()) return "as configured";
  std::string name;
  for (const auto& [option, value] : settings) {
    name += (name.empty() ? "" : " ") + option + "=" + value;
  }
  return name;
}

Result<std::vector<std::string>> SplitCommand(std::string_view text) {
  std::vector<std::string> words;
  std::string word;
  bool in_word = false;
  char quote = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quote != 0) {
      if (c == quote) {
        quote = 0;
      } else if (c == '\\' && quote == '"' && i + 1 < text.size()) {
        word += text[++i];
      } else {
        word += c;
      }
    } else if (c == '\'' || c == '"') {
      quote = c;
      in_word = true;
    } else if (c == '\\' && i + 1 < text.size()) {
      word += text[++i];
      in_word = true;
    } else if (c == ' ' || c == '\t' || c == '\n') {
      if (in_word) words.push_back(std::exchange(word, {}));
      in_word = false;
    } else {
      word += c;
      in_word = true;
    }
  }
  if (quote != 0) return Invalid(std::string("the command has an open ") + quote);
  if (in_word) words.push_back(std::move(word));
  if (words.empty()) return Invalid("the command is empty");
  return words;
}

}  // namespace photovec::experiment
