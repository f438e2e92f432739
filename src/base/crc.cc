// SPDX-License-Identifier: MIT
#include "base/crc.h"

#include <array>
#include <cstddef>

namespace photovec {
namespace {

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

constexpr Tables<uint32_t> kTables32 = MakeTables<uint32_t>(0xEDB88320);
constexpr Tables<uint64_t> kTables64 = MakeTables<uint64_t>(0x9A6C9329AC4BC9B5);

template <typename T>
T Crc(const Tables<T>& tables, std::span<const uint8_t> bytes) {
  T crc = ~T{0};
  while (bytes.size() >= 8) {
    T next = 0;
    for (size_t i = 0; i < 8; ++i) {
      const T of_remainder = i < sizeof(T) ? crc >> (8 * i) : T{0};
      next ^= tables[7 - i][(bytes[i] ^ of_remainder) & 0xFF];
    }
    crc = next;
    bytes = bytes.subspan(8);
  }
  for (const uint8_t byte : bytes) crc = (crc >> 8) ^ tables[0][(crc ^ byte) & 0xFF];
  return ~crc;
}

}  // namespace

uint32_t Crc32(std::span<const uint8_t> bytes) { return Crc(kTables32, bytes); }

uint64_t Crc64Nvme(std::span<const uint8_t> bytes) { return Crc(kTables64, bytes); }

}  // namespace photovec
