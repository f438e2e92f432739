// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

struct evp_pkey_st;

namespace photovec::fetch {

/// A private RSA key. Thread-safe for signing. Never printed: no message quotes any of it.
class RsaKey {
 public:
  /// \param pem PKCS#8 or PKCS#1, not encrypted. Errors: kInvalidRequest saying what it is instead.
  static Result<RsaKey> FromPem(const std::string& pem);
  /// RSASSA-PKCS1-v1_5 with SHA-256 (RFC 7518 §3.3 "RS256"), raw bytes. Takes a millisecond or two.
  /// Errors: kInternal.
  Result<std::string> SignRs256(std::string_view text) const;

 private:
  explicit RsaKey(std::shared_ptr<evp_pkey_st> key) : key_(std::move(key)) {}
  std::shared_ptr<evp_pkey_st> key_;
};

/// What a service account claims in order to get an access token (RFC 7523 §3).
struct JwtClaims {
  std::string issuer;    ///< the account's email
  std::string audience;  ///< the token endpoint
  std::string scope;
  int64_t issued_at_s = 0;   ///< Unix time
  int64_t expires_at_s = 0;  ///< at most an hour later
};

/// A signed JSON Web Token.
/// \param key_id goes into the header when it is not empty.
Result<std::string> SignJwt(const JwtClaims& claims, const RsaKey& key, std::string_view key_id);

}  // namespace photovec::fetch
