// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace photovec::cli {

/// The TOML type that a key was written with.
enum class ConfigType { kText, kInteger, kNumber, kBoolean, kTextList };
std::string_view ConfigTypeName(ConfigType type);

/// One `key = value` line.
struct ConfigEntry {
  std::string section;  ///< "" at the top, "serve", "bench.pipeline"
  std::string key;      ///< with dashes, however it was written: max_body and max-body are the same
  ConfigType type = ConfigType::kText;
  std::vector<std::string> values;  ///< one, unless type is kTextList
  int line = 0;
};

/// A parsed config file, not yet compared with what the commands know (settings.h does that).
struct ConfigFile {
  std::string path;  ///< for messages
  std::vector<ConfigEntry> entries;
};

/// Parses TOML. The table [models] with `name = "DIR"` lines becomes one entry `model` with values
/// "name=DIR".
/// Errors: kInvalidRequest as "PATH:LINE: what" (syntax, a key given twice, a type that no setting has).
Result<ConfigFile> ParseConfigFile(const std::string& path, std::string_view text);

/// Reads and parses. Errors as ParseConfigFile, and kNotFound naming the file.
Result<ConfigFile> LoadConfigFile(const std::string& path);

}  // namespace photovec::cli
