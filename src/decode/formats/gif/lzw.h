// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace photovec::decode::gif {

/// The pixels of one frame. Strict: a code that nothing has defined yet ends it, as in Pillow.
/// Source: GIF89a specification §22 and appendix F.
///
/// Strangers' bytes: reads only the data. Strings of codes lead to smaller codes only, so each ends within
/// kMaxCodes steps, and is at most that long. Borrows the data.
class LzwReader {
 public:
  enum class End {
    kNone,     ///< not yet
    kData,     ///< the data, or its end code
    kBadCode,  ///< a code that is not defined, or a code size that does not exist
  };

  /// \param data from the code size on: blocks with their lengths, an empty one, and whatever follows.
  explicit LzwReader(std::span<const uint8_t> data);

  /// The next pixels. \return how many there were; fewer than asked for only at the end.
  size_t Read(std::span<uint8_t> to);
  /// Why Read() gave fewer.
  End end() const { return end_; }

 private:
  static constexpr int kMaxBits = 12;
  static constexpr size_t kMaxCodes = size_t{1} << kMaxBits;
  static constexpr int kNoCode = -1;

  int NextCode();
  void Reset();
  /// Puts the string of the next code on the stack. False at the end.
  bool NextString();

  std::span<const uint8_t> rest_;
  size_t block_left_ = 0;
  uint32_t bits_ = 0;
  int bit_count_ = 0;
  int min_size_ = 0;
  int size_ = 0;   ///< bits of the next code
  int clear_ = 0;  ///< the code that begins anew; clear_ + 1 is the end
  int next_ = 0;   ///< the code that will be defined next
  int last_ = kNoCode;
  End end_ = End::kNone;
  std::array<uint16_t, kMaxCodes> prefix_{};
  std::array<uint8_t, kMaxCodes> suffix_{};
  std::array<uint8_t, kMaxCodes + 1> stack_{};  ///< of the last code's string, reversed
  size_t stack_size_ = 0;
};

}  // namespace photovec::decode::gif
