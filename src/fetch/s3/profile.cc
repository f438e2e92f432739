// SPDX-License-Identifier: MIT
#include "fetch/s3/profile.h"

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <system_error>
#include <utility>

#include "base/files.h"
#include "base/text/ascii.h"

namespace photovec::fetch {
namespace {

constexpr size_t kLargestFile = 256 * 1024;

/// "[ profile  dev ] # comment" -> "profile dev"; empty when it is not a header.
std::string HeaderName(std::string_view line) {
  const size_t end = line.find(']');
  if (end == std::string_view::npos) return {};
  const std::string_view inside = TrimAscii(line.substr(1, end - 1));
  const size_t space = inside.find_first_of(" \t");
  if (space == std::string_view::npos) return std::string(inside);
  return std::string(inside.substr(0, space)) + " " + std::string(TrimAscii(inside.substr(space)));
}

/// The value without a comment, which must follow white space: "#" and ";" may be part of secrets.
std::string_view WithoutComment(std::string_view value) {
  for (size_t i = 1; i < value.size(); ++i) {
    const bool mark = value[i] == '#' || value[i] == ';';
    if (mark && (value[i - 1] == ' ' || value[i - 1] == '\t')) return TrimAscii(value.substr(0, i));
  }
  return value;
}

/// Adds one file's share. Returns whether the profile is in it.
Result<bool> AddFile(const std::string& path, std::initializer_list<std::string> sections, AwsProfile& into) {
  if (path.empty()) return false;
  const auto text = ReadSmallFile(path);
  if (!text.ok()) return text.status().code() == Code::kNotFound ? Result<bool>(false) : text.status();
  bool found = false;
  for (const std::string& section : sections) {
    const auto there = ReadAwsSection(*text, section, into);
    if (!there.ok()) return there.status().WithContext(path);
    found = found || *there;
  }
  return found;
}

}  // namespace

AwsFiles FindAwsFiles(const EnvironmentLookup& environment) {
  const auto get = [&](const char* name) { return environment(name).value_or(""); };
  const std::string home = get("HOME");
  const auto path = [&](const char* variable, const char* standard) {
    std::string named = get(variable);
    if (named.starts_with("~/") && !home.empty()) named.replace(0, 1, home);
    if (!named.empty() || home.empty()) return named;
    return home + "/.aws/" + standard;
  };
  AwsFiles files{.credentials = path("AWS_SHARED_CREDENTIALS_FILE", "credentials"),
                 .config = path("AWS_CONFIG_FILE", "config")};
  std::string profile = get("AWS_PROFILE");
  if (profile.empty()) profile = get("AWS_DEFAULT_PROFILE");
  files.named = !profile.empty();
  if (files.named) files.profile = std::move(profile);
  return files;
}

Result<AwsProfile> LoadAwsProfile(const AwsFiles& files) {
  AwsProfile profile;
  ASSIGN_OR_RETURN(bool found, AddFile(files.credentials, {files.profile}, profile));
  bool in_config = false;
  if (files.profile == "default") {
    ASSIGN_OR_RETURN(in_config, AddFile(files.config, {"profile default", "default"}, profile));
  } else {
    ASSIGN_OR_RETURN(in_config, AddFile(files.config, {"profile " + files.profile}, profile));
  }
  if (files.named && !found && !in_config) {
    return Status(Code::kInvalidRequest, "AWS_PROFILE: the profile is neither in '" + files.credentials +
                                             "' nor in '" + files.config + "'");
  }
  return profile;
}

Result<bool> ReadAwsSection(std::string_view text, std::string_view section, AwsProfile& into) {
  AwsProfile here;
  bool found = false;
  bool inside = false;
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);  // what Windows editors put first
  for (int number = 1; !text.empty(); ++number) {
    const std::string_view raw = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(raw.size() + 1, text.size()));
    const std::string_view line = TrimAscii(raw);
    if (line.empty() || line.front() == '#' || line.front() == ';') continue;
    if (line.front() == '[') {
      const std::string name = HeaderName(line);
      if (name.empty()) {
        return Status(Code::kInvalidRequest, "line " + std::to_string(number) +
                                                 " is not a [section]: its name or bracket is missing");
      }
      inside = name == section;
      found = found || inside;
      continue;
    }
    if (!inside || raw.front() == ' ' || raw.front() == '\t') continue;
    const size_t equals = line.find('=');
    if (equals == std::string_view::npos || equals == 0) {
      return Status(Code::kInvalidRequest,
                    "line " + std::to_string(number) + " is neither a [section] nor key = value");
    }
    here[LowerAscii(TrimAscii(line.substr(0, equals)))] = WithoutComment(TrimAscii(line.substr(equals + 1)));
  }
  into.merge(here);  // keeps what is there
  return found;
}

Result<std::string> ReadSmallFile(const std::string& path) {
  std::error_code bad;
  if (!std::filesystem::exists(path, bad)) {
    if (!bad) return Status(Code::kNotFound, path + " does not exist");
    return Status(Code::kInvalidRequest, path + " cannot be read: " + bad.message());
  }
  if (std::filesystem::is_directory(path, bad)) {
    return Status(Code::kInvalidRequest, path + " is a folder, not a file");
  }
  Result<std::string> text = ReadFile(path, kLargestFile, FileKind::kAny);
  if (text.ok()) return text;
  if (text.status().code() == Code::kBodyTooLarge) {
    return Status(Code::kInvalidRequest, path + " is larger than 256 KiB, which no such file is");
  }
  return Status(Code::kInvalidRequest, path + " cannot be read; check its permissions");
}

}  // namespace photovec::fetch
