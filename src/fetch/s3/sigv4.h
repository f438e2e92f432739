// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace photovec::fetch {

/// What AWS requests are signed with.
struct AwsKeys {
  std::string access_key_id;
  std::string secret_access_key;
  std::string session_token;  ///< of temporary keys; else empty
};

/// SHA-256 of no bytes: the payload hash of a GET.
inline constexpr std::string_view kEmptySha256 =
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// A request as it is signed. Every header is: "host" must be among them, and "x-amz-date" with `date`.
struct SigV4Request {
  std::string method = "GET";
  std::string path = "/";  ///< percent-encoded as it goes over the wire; nothing here is normalised
  std::string query;       ///< "a=1&b=2", percent-encoded; sorted here
  std::vector<std::pair<std::string, std::string>> headers;
  std::string payload_sha256{kEmptySha256};
  std::string region;
  std::string service = "s3";
  std::string date;  ///< SigV4Date() of now
};

/// "20150830T123600Z", UTC.
std::string SigV4Date(std::chrono::system_clock::time_point when);

/// The value of the Authorization header: "AWS4-HMAC-SHA256 Credential=..., SignedHeaders=...,
/// Signature=...". Source:
/// docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html.
std::string SigV4Authorization(const SigV4Request& request, const AwsKeys& keys);

}  // namespace photovec::fetch
