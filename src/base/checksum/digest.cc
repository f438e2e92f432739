// SPDX-License-Identifier: MIT
#include "base/checksum/digest.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "base/bytes.h"
#include "base/text/ascii.h"

namespace photovec {
namespace {

EVP_MD_CTX* Context(void* context) { return static_cast<EVP_MD_CTX*>(context); }

}  // namespace

template <size_t kSize>
Hasher<kSize>::Hasher(const void* algorithm) : context_(EVP_MD_CTX_new()) {
  ok_ = context_ != nullptr &&
        EVP_DigestInit_ex(Context(context_), static_cast<const EVP_MD*>(algorithm), nullptr) == 1;
}

template <size_t kSize>
Hasher<kSize>::~Hasher() {
  EVP_MD_CTX_free(Context(context_));
}

template <size_t kSize>
void Hasher<kSize>::Update(std::span<const uint8_t> bytes) {
  ok_ = ok_ && EVP_DigestUpdate(Context(context_), bytes.data(), bytes.size()) == 1;
}

template <size_t kSize>
void Hasher<kSize>::Update(std::string_view text) {
  Update(AsBytes(text));
}

template <size_t kSize>
std::optional<std::array<uint8_t, kSize>> Hasher<kSize>::Digest() {
  std::array<uint8_t, kSize> digest{};
  if (!ok_ || EVP_DigestFinal_ex(Context(context_), digest.data(), nullptr) != 1) return std::nullopt;
  return digest;
}

template <size_t kSize>
std::string Hasher<kSize>::HexDigest() {
  return HexEncode(Digest().value_or(std::array<uint8_t, kSize>{}));
}

template class Hasher<16>;
template class Hasher<32>;

Sha256::Sha256() : Hasher(EVP_sha256()) {}
Md5Hasher::Md5Hasher() : Hasher(EVP_md5()) {}

bool EqualInConstantTime(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

Result<std::array<uint8_t, 16>> Md5(std::span<const uint8_t> bytes) {
  Md5Hasher hasher;
  hasher.Update(bytes);
  const auto digest = hasher.Digest();
  if (!digest.has_value()) return Status(Code::kUnavailable, "OpenSSL does not offer MD5 here");
  return *digest;
}

}  // namespace photovec
