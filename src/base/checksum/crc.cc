// SPDX-License-Identifier: MIT
#include "base/checksum/crc.h"

#include <zlib.h>

#include <array>
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

/// Eight bytes at a time: table k says what a byte does to the remainder from k bytes before the end.
template <typename T>
using Tables = std::array<std::array<T, 256>, 8>;

template <typename T>
constexpr Tables<T> MakeTables(T reflected_polynomial) {
  Tables<T> tables{};
  for (size_t byte = 0; byte < 256; ++byte) {
    T crc = static_cast<T>(byte);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? reflected_polynomial : T{0});
    tables[0][byte] = crc;
  }
  for (size_t k = 1; k < tables.size(); ++k) {
    for (size_t byte = 0; byte < 256; ++byte) {
      const T before = tables[k - 1][byte];
      tables[k][byte] = (before >> 8) ^ tables[0][before & 0xFF];
    }
  }
  return tables;
}

// The polynomials with their bits reversed: CRC-32C's is 0x1EDC6F41.
constexpr Tables<uint32_t> kTables32c = MakeTables<uint32_t>(0x82F63B78);
constexpr Tables<uint64_t> kTables64 = MakeTables<uint64_t>(0x9A6C9329AC4BC9B5);

uint64_t Word(const uint8_t* at) {
  uint64_t word = 0;
  std::memcpy(&word, at, sizeof word);
  return word;
}

template <typename T>
T Crc(const Tables<T>& tables, std::span<const uint8_t> bytes, T before) {
  T crc = ~before;
  const uint8_t* at = bytes.data();
  size_t left = bytes.size();
  for (; left >= sizeof(uint64_t); left -= sizeof(uint64_t), at += sizeof(uint64_t)) {
    const uint64_t word = Word(at) ^ crc;
    crc = 0;
    for (size_t i = 0; i < 8; ++i) crc ^= tables[7 - i][word >> (8 * i) & 0xFF];
  }
  for (; left > 0; --left, ++at) crc = (crc >> 8) ^ tables[0][(crc ^ *at) & 0xFF];
  return ~crc;
}

#if defined(__x86_64__)

// The instruction takes a new word each cycle but answers after three, so three chunks run side by side.
constexpr size_t kChunk = 2048;

using Shift = std::array<std::array<uint32_t, 256>, 4>;

/// What kChunk zero bytes make of a CRC, which is linear in its bits: shift[k][b] for b in byte k.
constexpr Shift MakeShift() {
  // A pointer: each checked access to an array is steps more than clang takes while it compiles.
  const uint32_t* const table = kTables32c[0].data();
  std::array<uint32_t, 32> of_bit{};
  for (size_t bit = 0; bit < of_bit.size(); ++bit) {
    uint32_t crc = uint32_t{1} << bit;
    for (size_t i = 0; i < kChunk; ++i) crc = (crc >> 8) ^ table[crc & 0xFF];
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

__attribute__((target("sse4.2"))) uint32_t Crc32cSse42(std::span<const uint8_t> bytes, uint32_t before) {
  const uint8_t* at = bytes.data();
  size_t left = bytes.size();
  uint64_t crc = ~before;
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

uint32_t Crc32(std::span<const uint8_t> bytes) {
  return static_cast<uint32_t>(crc32_z(crc32_z(0, nullptr, 0), bytes.data(), bytes.size()));
}

uint32_t Crc32cPortable(std::span<const uint8_t> bytes, uint32_t before) {
  return Crc(kTables32c, bytes, before);
}

uint32_t Crc32c(std::span<const uint8_t> bytes, uint32_t before) {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("sse4.2") != 0) return Crc32cSse42(bytes, before);
#endif
  return Crc32cPortable(bytes, before);
}

uint64_t Crc64Nvme(std::span<const uint8_t> bytes) { return Crc(kTables64, bytes, uint64_t{0}); }

}  // namespace photovec
