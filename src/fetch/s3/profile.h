// SPDX-License-Identifier: MIT
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "base/environment.h"
#include "base/result.h"

namespace photovec::fetch {

/// Which of AWS's shared files apply, and which profile in them.
struct AwsFiles {
  std::string credentials;  ///< AWS_SHARED_CREDENTIALS_FILE, else ~/.aws/credentials; empty: no home
  std::string config;       ///< AWS_CONFIG_FILE, else ~/.aws/config
  std::string profile = "default";
  bool named = false;  ///< AWS_PROFILE (or AWS_DEFAULT_PROFILE) chose it: then it must exist
};

AwsFiles FindAwsFiles(const EnvironmentLookup& environment);

/// Settings of one profile; those of the credentials file go before those of the config file.
using AwsProfile = std::map<std::string, std::string, std::less<>>;

/// What the profile sets, empty when it does not exist. Files that do not exist are passed over.
/// Errors: kInvalidRequest (a file cannot be read, or a line of it not understood: by file and line, never
/// its text; a profile was named and does not exist).
Result<AwsProfile> LoadAwsProfile(const AwsFiles& files);

/// The settings of `section` in a file of AWS's INI dialect: "[name]", "key = value", comments with "#" or
/// ";", indented lines that belong to the line above and are passed over. A later value goes before an
/// earlier one. Adds to `into` what is not there yet. Returns whether the section is there.
/// Errors: kInvalidRequest with the number of a line that is none of these.
Result<bool> ReadAwsSection(std::string_view text, std::string_view section, AwsProfile& into);

/// The whole of a file of at most 256 KiB. Errors: kNotFound, kInvalidRequest; messages begin with the path.
Result<std::string> ReadSmallFile(const std::string& path);

}  // namespace photovec::fetch
