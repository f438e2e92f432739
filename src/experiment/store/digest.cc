// SPDX-License-Identifier: MIT
#include "experiment/store/digest.h"

#include <openssl/evp.h>

#include <array>
#include <bit>
#include <cstring>

#include "base/text/base64.h"

namespace photovec::experiment {
namespace {

static_assert(std::endian::native == std::endian::little,
              "the crc loop loads 8 bytes as one little-endian word");

constexpr uint32_t kCastagnoli = 0x82F63B78U;  // the polynomial 0x1EDC6F41, bits reversed (RFC 3720 B.4)

// kTables[k][b]: what byte b does to the crc when k more bytes follow it. Eight lookups take eight bytes.
constexpr std::array<std::array<uint32_t, 256>, 8> MakeTables() {
  std::array<std::array<uint32_t, 256>, 8> tables{};
  for (uint32_t byte = 0; byte < 256; ++byte) {
    uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1U) != 0 ? kCastagnoli : 0U);
    tables[0][byte] = crc;
  }
  for (size_t k = 1; k < 8; ++k) {
    for (size_t byte = 0; byte < 256; ++byte) {
      const uint32_t before = tables[k - 1][byte];
      tables[k][byte] = (before >> 8) ^ tables[0][before & 255U];
    }
  }
  return tables;
}
constexpr auto kTables = MakeTables();

uint32_t ExtendCrc32c(uint32_t crc, std::span<const uint8_t> bytes) {
  size_t i = 0;
  for (; i + 8 <= bytes.size(); i += 8) {
    uint64_t word = 0;
    std::memcpy(&word, bytes.data() + i, 8);
    word ^= crc;
    crc = 0;
    for (size_t k = 0; k < 8; ++k) crc ^= kTables[7 - k][(word >> (8 * k)) & 255U];
  }
  for (; i < bytes.size(); ++i) crc = (crc >> 8) ^ kTables[0][(crc ^ bytes[i]) & 255U];
  return crc;
}

EVP_MD_CTX* Context(void* md5) { return static_cast<EVP_MD_CTX*>(md5); }

}  // namespace

Digester::Digester() : md5_(EVP_MD_CTX_new()) { EVP_DigestInit_ex(Context(md5_), EVP_md5(), nullptr); }
Digester::~Digester() { EVP_MD_CTX_free(Context(md5_)); }

void Digester::Update(std::span<const uint8_t> bytes) {
  EVP_DigestUpdate(Context(md5_), bytes.data(), bytes.size());
  crc_ = ExtendCrc32c(crc_, bytes);
}

ObjectDigest Digester::Finish() {
  std::array<uint8_t, 16> md5{};
  EVP_DigestFinal_ex(Context(md5_), md5.data(), nullptr);
  const uint32_t crc = ~crc_;
  const std::array<uint8_t, 4> big_endian = {static_cast<uint8_t>(crc >> 24), static_cast<uint8_t>(crc >> 16),
                                             static_cast<uint8_t>(crc >> 8), static_cast<uint8_t>(crc)};
  ObjectDigest digest;
  constexpr char kHex[] = "0123456789abcdef";
  for (const uint8_t byte : md5) {
    digest.md5_hex += kHex[byte >> 4];
    digest.md5_hex += kHex[byte & 15];
  }
  digest.md5_base64 = Base64Encode(md5);
  digest.crc32c_base64 = Base64Encode(big_endian);
  return digest;
}

}  // namespace photovec::experiment
