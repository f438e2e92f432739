// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace photovec {

/// A digest of kSize bytes of the concatenation of what Update() got. Not thread-safe.
template <size_t kSize>
class Hasher {
 public:
  ~Hasher();
  Hasher(const Hasher&) = delete;
  Hasher& operator=(const Hasher&) = delete;
  void Update(std::span<const uint8_t> bytes);
  void Update(std::string_view text);
  /// The digest; nullopt when the crypto library failed (no memory, the algorithm switched off), which must
  /// not be taken for a digest that all inputs share. Call one of these two, once, last.
  std::optional<std::array<uint8_t, kSize>> Digest();
  /// 2 * kSize lower-case characters; zeros when the crypto library failed.
  std::string HexDigest();

 protected:
  explicit Hasher(const void* algorithm);

 private:
  void* context_;
  bool ok_;
};

class Sha256 : public Hasher<32> {
 public:
  Sha256();
};

class Md5Hasher : public Hasher<16> {
 public:
  Md5Hasher();
};

/// Whether two texts are equal, in a time that does not depend on where they differ; only their lengths may
/// show. For secrets and their hashes.
bool EqualInConstantTime(std::string_view a, std::string_view b);

/// MD5 (RFC 1321): about 200 us for a photo of 150 KB. Errors: kUnavailable when OpenSSL is configured
/// without it.
Result<std::array<uint8_t, 16>> Md5(std::span<const uint8_t> bytes);

}  // namespace photovec
