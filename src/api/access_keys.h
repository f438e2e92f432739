// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "api/access_quota.h"
#include "base/result.h"

namespace photovec::api {

/// What a key opens.
struct Scopes {
  bool embed = false;  ///< routes that take photos, and the list of models
  bool admin = false;  ///< metrics, statistics, dashboard
};
/// Reads "embed", "admin" or "embed,admin". Errors: kInvalidRequest.
Result<Scopes> ParseScopes(std::string_view text);

/// A key as the server knows it: everything but the key.
struct ApiKey {
  std::string id;  ///< names it in logs and metrics: 1 to 64 of A-Z, a-z, 0-9, '.', '_', '-'
  Scopes scopes;
  std::array<uint8_t, 32> hash{};  ///< SHA-256 of the key's text
  std::optional<Quota> quota;      ///< nullopt: the default's
  std::shared_ptr<QuotaUse> use;   ///< stays the same when the file is read anew
};

/// 256 random bits as text, "pv_" and 43 letters, from the kernel. Errors: kUnavailable.
Result<std::string> MakeApiKey();
/// Lower-case hexadecimal SHA-256. A plain hash suffices: nobody can try out 2^256 keys, whereas slow hashes
/// are for passwords that people choose. Errors: kUnavailable when OpenSSL is configured without it.
Result<std::string> HashApiKey(std::string_view key);
/// Errors: kInvalidRequest.
Status CheckKeyId(std::string_view id);

inline constexpr size_t kMaxApiKeys = 1000;  ///< labels of metrics come from it, and each key is compared

/// The lines of a key file: `id:scopes:hash` or `id:scopes:hash:quotas`; empty lines and those that begin
/// with
/// '#' are skipped. Errors: kInvalidRequest as "line 3: what".
Result<std::vector<ApiKey>> ParseApiKeys(std::string_view text);

/// The keys of a file. Thread-safe.
class KeyRing {
 public:
  /// Reads the file; a file that others may read is warned of. Errors: kNotFound, kInvalidRequest and
  /// kUnavailable, naming file and line.
  static Result<std::unique_ptr<KeyRing>> Load(const std::string& path);
  explicit KeyRing(std::string path, std::vector<ApiKey> keys);

  /// Reads the file again. All of it takes effect at once, or on an error nothing does. What keys have used
  /// goes by their ids. Blocking.
  Status Reload();
  /// The key that a client sent; null when it is none of these. Takes the same time for every key.
  std::shared_ptr<const ApiKey> Find(std::string_view key) const;
  size_t size() const;

 private:
  using Keys = std::vector<std::shared_ptr<const ApiKey>>;

  const std::string path_;
  mutable std::mutex mutex_;  // guards the pointer, not what it points to
  std::shared_ptr<const Keys> keys_;
};

}  // namespace photovec::api
