// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace photovec::decode::jpeg {

/// Unstuffed bits, the first one highest. Reads 8 bytes at `next`, which never lies above `limit`, 8 bytes
/// behind the end: behind the data lie kUnstuffedPadding bytes, so that nobody checks for the end while
/// decoding. Whoever ran over it has taken more bits than there were (BitsTaken).
struct BitReader {
  uint64_t bits = 0;
  const uint8_t* next = nullptr;
  const uint8_t* limit = nullptr;
  uint64_t bit_count = 0;  ///< of the bits that are known
};

/// At the first bit of a segment.
inline BitReader ReadFrom(const uint8_t* begin, size_t size) { return {0, begin, begin + size + 8, 0}; }

/// Loads 8 bytes and keeps those that fit: from 56 to 63 bits are known then.
inline void Refill(BitReader& reader) {
  uint64_t bytes;
  std::memcpy(&bytes, reader.next, sizeof(bytes));
  reader.bits |= __builtin_bswap64(bytes) >> reader.bit_count;
  reader.next += (63 - reader.bit_count) >> 3;
  reader.bit_count |= 56;
  reader.next = reader.next > reader.limit ? reader.limit : reader.next;
}

/// \param count at most as many as are known.
inline void Drop(BitReader& reader, unsigned count) {
  reader.bits <<= count;
  reader.bit_count -= count;
}
/// 0 to 63 bits.
inline uint64_t Take(BitReader& reader, unsigned count) {
  const uint64_t taken = reader.bits >> 1 >> (63 - count);
  Drop(reader, count);
  return taken;
}

/// The signed value of a magnitude of `size` bits, 1 to 15 (T.81 figure F.12).
inline int Extend(uint64_t magnitude, unsigned size) {
  const auto value = static_cast<int>(magnitude);
  return value < 1 << (size - 1) ? value + 1 - (1 << size) : value;
}

/// How many bits were taken since ReadFrom(begin, ...).
inline int64_t BitsTaken(const BitReader& reader, const uint8_t* begin) {
  return (reader.next - begin) * 8 - static_cast<int64_t>(reader.bit_count);
}

/// Whether nothing is left of a segment, or at the end of a scan nothing but padding. Who lost his way among
/// damaged bits leaves more, or takes more than there are.
inline bool IsUsedUp(const BitReader& reader, const uint8_t* begin, size_t size, bool last) {
  const auto used = static_cast<size_t>((BitsTaken(reader, begin) + 7) / 8);
  if (!last) return used >= size;
  for (size_t i = used; i < size; ++i) {
    if (begin[i] != 0x00 && begin[i] != 0xFF) return false;
  }
  return true;
}

}  // namespace photovec::decode::jpeg
