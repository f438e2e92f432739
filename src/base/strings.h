// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace photovec {

/// Standard base64 (RFC 4648 §4) with padding.
std::string Base64Encode(std::span<const uint8_t> bytes);
/// Decodes standard or URL-safe base64, padded or not; ASCII white space is skipped.
/// Errors: kInvalidRequest naming the offset of the first bad character.
Result<std::string> Base64Decode(std::string_view text);

/// "1.5 GiB", "640 B": for people.
std::string HumanBytes(uint64_t bytes);
/// Parses "64MiB", "1.5G", "4096": K, M, G and T are powers of 1024, with or without "B"/"iB".
/// Errors: kInvalidRequest quoting the text.
Result<uint64_t> ParseBytes(std::string_view text);

/// SHA-256 of the concatenation of what Update() got. Not thread-safe.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(const Sha256&) = delete;
  Sha256& operator=(const Sha256&) = delete;
  void Update(std::span<const uint8_t> bytes);
  void Update(std::string_view text);
  /// The digest; nullopt when the crypto library failed (no memory, SHA-256 switched off), which must not be
  /// taken for a digest that all inputs share. Call one of these two, once, last.
  std::optional<std::array<uint8_t, 32>> Digest();
  std::string HexDigest();  ///< 64 lower-case characters; zeros when the crypto library failed

 private:
  void* context_;
  bool ok_;
};

}  // namespace photovec
