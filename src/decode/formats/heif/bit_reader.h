// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace photovec::decode {

/// Bits of untrusted bytes, the highest first. Past the end it gives zeros and sets failed(). Borrows the
/// bytes.
class HeaderBits {
 public:
  explicit HeaderBits(std::span<const uint8_t> bytes) : bytes_(bytes) {}

  bool failed() const { return failed_; }
  uint64_t position() const { return position_; }  ///< in bits

  uint32_t Bits(unsigned count) {  ///< at most 32
    uint32_t value = 0;
    for (unsigned i = 0; i < count; ++i) value = value << 1 | Bit();
    return value;
  }
  bool Flag() { return Bit() != 0; }
  void Skip(uint64_t count) {
    position_ += count;
    failed_ = failed_ || position_ > uint64_t{8} * bytes_.size();
  }
  /// An Exp-Golomb number, ue(v) of H.265 and uvlc() of AV1; those above 2^32 - 2 fail.
  uint32_t Golomb() {
    unsigned zeros = 0;
    while (!failed_ && Bit() == 0) {
      if (++zeros == 32) failed_ = true;
    }
    return failed_ ? 0 : (uint32_t{1} << zeros) - 1 + Bits(zeros);
  }

 private:
  uint32_t Bit() {
    const auto byte = static_cast<size_t>(position_ >> 3);
    if (failed_ || byte >= bytes_.size()) {
      failed_ = true;
      return 0;
    }
    return bytes_[byte] >> (7 - (position_++ & 7)) & 1U;
  }

  std::span<const uint8_t> bytes_;
  uint64_t position_ = 0;
  bool failed_ = false;
};

}  // namespace photovec::decode
