// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <string>
#include <vector>

#include "base/enum_names.h"

namespace photovec::fetch {

/// Google Cloud Storage. Off until a bucket is allowed. Docs: docs/sources.md.
struct GcsOptions {
  enum class Auth {
    kAuto,  ///< Application Default Credentials; nothing when the endpoint comes from STORAGE_EMULATOR_HOST
    kAnonymous,  ///< no Authorization header: public buckets, emulators
  };

  /// --gcs-bucket, repeatable: buckets that clients may name; "*": any that the credentials can read.
  std::vector<std::string> allowed_buckets{};
  /// --default-bucket gs://NAME: where bare names are looked up. Counts as allowed.
  std::string default_bucket{};
  /// --gcs-endpoint: "https://host[:port][/path]". Empty: STORAGE_EMULATOR_HOST, else Google's own.
  std::string endpoint{};
  Auth auth = Auth::kAuto;     ///< --gcs-auth
  std::string user_project{};  ///< --gcs-user-project: the project that pays for requester-pays buckets

  bool enabled() const { return !allowed_buckets.empty() || !default_bucket.empty(); }
};
constexpr auto EnumNames(GcsOptions::Auth /*of*/) {
  return std::array{EnumName{GcsOptions::Auth::kAuto, "auto"},
                    EnumName{GcsOptions::Auth::kAnonymous, "anonymous"}};
}

}  // namespace photovec::fetch
