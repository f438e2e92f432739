// SPDX-License-Identifier: MIT
#include "cli/config_file.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <utility>

#include <toml++/toml.h>

#include "base/files.h"

namespace photovec::cli {
namespace {

constexpr uint64_t kLargestConfigFile = 16U << 20;

Status At(const std::string& path, const toml::source_region& source, const std::string& what) {
  return {Code::kInvalidRequest, path + ":" + std::to_string(source.begin.line) + ": " + what};
}

std::string Dashed(std::string_view key) {
  std::string out(key);
  std::replace(out.begin(), out.end(), '_', '-');
  return out;
}

// Shortest text that reads back as the same double.
std::string DoubleText(double value) {
  char text[64];
  const auto result = std::to_chars(text, text + sizeof(text), value);
  return {text, result.ptr};
}

bool ReadScalar(const toml::node& node, ConfigEntry& entry) {
  if (const auto* text = node.as_string()) {
    entry.type = ConfigType::kText;
    entry.values = {text->get()};
  } else if (const auto* whole = node.as_integer()) {
    entry.type = ConfigType::kInteger;
    entry.values = {std::to_string(whole->get())};
  } else if (const auto* number = node.as_floating_point()) {
    entry.type = ConfigType::kNumber;
    entry.values = {DoubleText(number->get())};
  } else if (const auto* boolean = node.as_boolean()) {
    entry.type = ConfigType::kBoolean;
    entry.values = {boolean->get() ? "true" : "false"};
  } else {
    return false;
  }
  return true;
}

Status ReadArray(const std::string& path, const std::string& key, const toml::array& array,
                 ConfigEntry& entry) {
  entry.type = ConfigType::kTextList;
  for (const toml::node& element : array) {
    const auto* text = element.as_string();
    if (text == nullptr) {
      return At(path, element.source(), "'" + key + "' must be a list of strings only");
    }
    entry.values.push_back(text->get());
  }
  return Status::Ok();
}

Status ReadModels(const std::string& path, const toml::table& table, ConfigFile& file) {
  ConfigEntry entry;
  entry.key = "model";
  entry.type = ConfigType::kTextList;
  entry.line = static_cast<int>(table.source().begin.line);
  // toml++ sorts keys by name; the first model of the file must stay the first, since it is the default.
  std::vector<std::pair<toml::source_index, std::string>> models;
  for (const auto& [name, node] : table) {
    const auto* dir = node.as_string();
    if (dir == nullptr) {
      return At(path, node.source(), "model '" + std::string(name.str()) + "' must be a directory in quotes");
    }
    models.emplace_back(node.source().begin.line, std::string(name.str()) + "=" + dir->get());
  }
  std::stable_sort(models.begin(), models.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  for (auto& [line, model] : models) entry.values.push_back(std::move(model));
  file.entries.push_back(std::move(entry));
  return Status::Ok();
}

Status ReadTable(const std::string& path, const std::string& section, const toml::table& table,
                 ConfigFile& file) {
  for (const auto& [name, node] : table) {
    const std::string key = Dashed(name.str());
    if (const toml::table* inner = node.as_table()) {
      if (section.empty() && key == "models") {
        RETURN_IF_ERROR(ReadModels(path, *inner, file));
      } else {
        RETURN_IF_ERROR(ReadTable(path, section.empty() ? key : section + "." + key, *inner, file));
      }
      continue;
    }
    ConfigEntry entry;
    entry.section = section;
    entry.key = key;
    entry.line = static_cast<int>(node.source().begin.line);
    if (const toml::array* array = node.as_array()) {
      RETURN_IF_ERROR(ReadArray(path, key, *array, entry));
    } else if (!ReadScalar(node, entry)) {
      return At(path, node.source(), "'" + key + "' is a date or time, which no setting takes");
    }
    for (const ConfigEntry& other : file.entries) {
      if (other.section == entry.section && other.key == entry.key) {
        return At(path, node.source(), "'" + key + "' was already set on line " + std::to_string(other.line));
      }
    }
    file.entries.push_back(std::move(entry));
  }
  return Status::Ok();
}

}  // namespace

std::string_view ConfigTypeName(ConfigType type) {
  switch (type) {
    case ConfigType::kText:
      return "a string";
    case ConfigType::kInteger:
      return "an integer";
    case ConfigType::kNumber:
      return "a decimal number";
    case ConfigType::kBoolean:
      return "a boolean";
    case ConfigType::kTextList:
      return "a list";
  }
  return "unknown";
}

Result<ConfigFile> ParseConfigFile(const std::string& path, std::string_view text) {
  const toml::parse_result parsed = toml::parse(text, path);
  if (!parsed) {
    return At(path, parsed.error().source(), std::string(parsed.error().description()));
  }
  ConfigFile file;
  file.path = path;
  RETURN_IF_ERROR(ReadTable(path, "", parsed.table(), file));
  return file;
}

Result<ConfigFile> LoadConfigFile(const std::string& path) {
  const Result<std::string> text = ReadFile(path, kLargestConfigFile, FileKind::kAny);
  if (!text.ok()) {
    return Status(Code::kNotFound, "cannot open the config file " + path + ": " + text.status().message());
  }
  return ParseConfigFile(path, *text);
}

}  // namespace photovec::cli
