// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <string>
#include <vector>

#include "base/enum_names.h"

namespace photovec::fetch {

/// Amazon S3 and what speaks its protocol (MinIO, R2, Ceph). Off until a bucket is allowed. Docs:
/// docs/sources.md.
struct S3Options {
  enum class Auth {
    kAuto,       ///< the credentials that the AWS SDKs would find
    kAnonymous,  ///< requests are not signed: public buckets
  };
  enum class Addressing {
    kAuto,     ///< virtual on AWS, except for buckets with dots; path on other endpoints
    kPath,     ///< https://endpoint/bucket/key
    kVirtual,  ///< https://bucket.endpoint/key
  };

  /// --s3-bucket, repeatable: buckets that clients may name; "*": any that the credentials can read.
  std::vector<std::string> allowed_buckets{};
  /// --default-bucket s3://NAME: where bare names are looked up. Counts as allowed.
  std::string default_bucket{};
  /// --s3-endpoint: "https://host[:port][/path]". Empty: AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, the profile's
  /// endpoint_url, else AWS.
  std::string endpoint{};
  /// --s3-region. Empty: AWS_REGION, AWS_DEFAULT_REGION, the profile's, else us-east-1. Buckets elsewhere are
  /// found when S3 says where they are.
  std::string region{};
  Addressing addressing = Addressing::kAuto;  ///< --s3-addressing
  Auth auth = Auth::kAuto;                    ///< --s3-auth

  bool enabled() const { return !allowed_buckets.empty() || !default_bucket.empty(); }
};
constexpr auto EnumNames(S3Options::Auth /*of*/) {
  return std::array{EnumName{S3Options::Auth::kAuto, "auto"},
                    EnumName{S3Options::Auth::kAnonymous, "anonymous"}};
}
constexpr auto EnumNames(S3Options::Addressing /*of*/) {
  return std::array{EnumName{S3Options::Addressing::kAuto, "auto"},
                    EnumName{S3Options::Addressing::kPath, "path"},
                    EnumName{S3Options::Addressing::kVirtual, "virtual"}};
}

}  // namespace photovec::fetch
