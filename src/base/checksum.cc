// SPDX-License-Identifier: MIT
#include "base/checksum.h"

#include <openssl/evp.h>

#include <bit>
#include <cstddef>
#include <cstring>

#if defined(__x86_64__)
#include <nmmintrin.h>
#endif

namespace photovec {
namespace {

static_assert(std::endian::native == std::endian::little,
              "the tables below read words as they lie in memory");

constexpr uint32_t kPolynomial = 0x82F63B78;  // 0x1EDC6F41 with its bits reversed

using Table = std::array<std::array<uint32_t, 256>, 8>;

/// table[0] advances a CRC by one byte; table[k] by that byte and k zero bytes.
constexpr Table MakeTable() {
  Table table{};
  for (uint32_t byte = 0; byte < 256; ++byte) {
    uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? kPolynomial : 0);
    table[0][byte] = crc;
  }
  for (size_t k = 1; k < table.size(); ++k) {
    for (size_t byte = 0; byte < 256; ++byte) {
      const uint32_t before = table[k - 1][byte];
      table[k][byte] = (before >> 8) ^ table[0][before & 0xFF];
    }
  }
  return table;
}
constexpr Table kTable = MakeTable();

uint64_t Word(const uint8_t* at) {
  uint64_t word = 0;
  std::memcpy(&word, at, sizeof word);
  return word;
}

#if defined(__x86_64__)

// The instruction takes a new word each cycle but answers after three, so three chunks run side by side.
constexpr size_t kChunk = 2048;

using Shift = std::array<std::array<uint32_t, 256>, 4>;

/// What kChunk zero bytes make of a CRC, which is linear in its bits: shift[k][b] for b in byte k.
constexpr Shift MakeShift() {
  std::array<uint32_t, 32> of_bit{};
  for (size_t bit = 0; bit < of_bit.size(); ++bit) {
    uint32_t crc = uint32_t{1} << bit;
    for (size_t i = 0; i < kChunk; ++i) crc = (crc >> 8) ^ kTable[0][crc & 0xFF];
    of_bit[bit] = crc;
  }
  Shift shift{};
  for (size_t k = 0; k < shift.size(); ++k) {
    for (size_t byte = 0; byte < 256; ++byte) {
      for (size_t bit = 0; bit < 8; ++bit) {
        if ((byte >> bit & 1) != 0) shift[k][byte] ^= of_bit[k * 8 + bit];
      }
    }
  }
  return shift;
}
constexpr Shift kShift = MakeShift();

uint64_t AfterChunk(uint64_t crc) {
  return kShift[0][crc & 0xFF] ^ kShift[1][crc >> 8 & 0xFF] ^ kShift[2][crc >> 16 & 0xFF] ^
         kShift[3][crc >> 24 & 0xFF];
}

__attribute__((target("sse4.2"))) uint32_t Crc32cSse42(std::span<const uint8_t> bytes) {
  const uint8_t* at = bytes.data();
  size_t left = bytes.size();
  uint64_t crc = 0xFFFFFFFF;
  for (; left >= 3 * kChunk; left -= 3 * kChunk, at += 3 * kChunk) {
    uint64_t second = 0;
    uint64_t third = 0;
    for (size_t i = 0; i < kChunk; i += sizeof(uint64_t)) {
      crc = _mm_crc32_u64(crc, Word(at + i));
      second = _mm_crc32_u64(second, Word(at + kChunk + i));
      third = _mm_crc32_u64(third, Word(at + 2 * kChunk + i));
    }
    crc = AfterChunk(AfterChunk(crc) ^ second) ^ third;
  }
  for (; left >= sizeof(uint64_t); left -= sizeof(uint64_t), at += sizeof(uint64_t)) {
    crc = _mm_crc32_u64(crc, Word(at));
  }
  auto last = static_cast<uint32_t>(crc);
  for (; left > 0; --left, ++at) last = _mm_crc32_u8(last, *at);
  return ~last;
}

#endif

}  // namespace

uint32_t Crc32cPortable(std::span<const uint8_t> bytes) {
  const uint8_t* at = bytes.data();
  size_t left = bytes.size();
  uint32_t crc = 0xFFFFFFFF;
  for (; left >= sizeof(uint64_t); left -= sizeof(uint64_t), at += sizeof(uint64_t)) {
    const uint64_t word = Word(at) ^ crc;
    crc = 0;
    for (size_t i = 0; i < 8; ++i) crc ^= kTable[7 - i][word >> (8 * i) & 0xFF];
  }
  for (; left > 0; --left, ++at) crc = (crc >> 8) ^ kTable[0][(crc ^ *at) & 0xFF];
  return ~crc;
}

uint32_t Crc32c(std::span<const uint8_t> bytes) {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("sse4.2") != 0) return Crc32cSse42(bytes);
#endif
  return Crc32cPortable(bytes);
}

Result<std::array<uint8_t, 16>> Md5(std::span<const uint8_t> bytes) {
  std::array<uint8_t, 16> digest{};
  unsigned int size = 0;
  if (EVP_Digest(bytes.data(), bytes.size(), digest.data(), &size, EVP_md5(), nullptr) != 1 ||
      size != digest.size()) {
    return Status(Code::kUnavailable, "OpenSSL does not offer MD5 here");
  }
  return digest;
}

}  // namespace photovec
