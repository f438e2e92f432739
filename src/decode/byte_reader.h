// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

namespace photovec::decode {

/// A cursor over untrusted bytes. Reading past the end gives zeros and sets failed(), so a parser may read a
/// whole structure and test once. Never reads outside the span. Borrows the bytes.
class ByteReader {
 public:
  explicit ByteReader(std::span<const uint8_t> bytes) : bytes_(bytes) {}

  bool failed() const { return failed_; }
  size_t offset() const { return offset_; }
  size_t remaining() const { return bytes_.size() - offset_; }

  uint8_t U8() { return Take(1) ? bytes_[offset_ - 1] : uint8_t{0}; }
  uint16_t U16Be() { return static_cast<uint16_t>(Big(2)); }
  uint32_t U32Be() { return static_cast<uint32_t>(Big(4)); }
  uint16_t U16Le() { return static_cast<uint16_t>(Little(2)); }
  uint32_t U24Le() { return static_cast<uint32_t>(Little(3)); }
  uint32_t U32Le() { return static_cast<uint32_t>(Little(4)); }

  void Skip(size_t count) { Take(count); }
  /// The next `count` bytes; empty (and failed) when there are fewer.
  std::span<const uint8_t> Bytes(size_t count) {
    return Take(count) ? bytes_.subspan(offset_ - count, count) : std::span<const uint8_t>();
  }

 private:
  bool Take(size_t count) {
    if (failed_ || count > remaining()) {
      failed_ = true;
      return false;
    }
    offset_ += count;
    return true;
  }
  uint64_t Big(size_t count) {
    uint64_t value = 0;
    if (!Take(count)) return 0;
    for (size_t i = 0; i < count; ++i) value = value << 8 | bytes_[offset_ - count + i];
    return value;
  }
  uint64_t Little(size_t count) {
    uint64_t value = 0;
    if (!Take(count)) return 0;
    for (size_t i = count; i > 0; --i) value = value << 8 | bytes_[offset_ - count + i - 1];
    return value;
  }

  std::span<const uint8_t> bytes_;
  size_t offset_ = 0;
  bool failed_ = false;
};

/// Whether `bytes` has `text` at `offset`.
inline bool HasAt(std::span<const uint8_t> bytes, size_t offset, std::string_view text) {
  return bytes.size() >= offset + text.size() &&
         std::memcmp(bytes.data() + offset, text.data(), text.size()) == 0;
}

}  // namespace photovec::decode
