// SPDX-License-Identifier: MIT
#include "decode/formats/gif/lzw.h"

#include <algorithm>

namespace photovec::decode::gif {

LzwReader::LzwReader(std::span<const uint8_t> data) {
  constexpr int kMaxMinSize = 8;
  if (data.empty()) {
    end_ = End::kData;
    return;
  }
  min_size_ = data[0];
  rest_ = data.subspan(1);
  if (min_size_ > kMaxMinSize) {
    end_ = End::kBadCode;
    return;
  }
  clear_ = 1 << min_size_;
  Reset();
}

void LzwReader::Reset() {
  size_ = min_size_ + 1;
  next_ = clear_ + 2;
  last_ = kNoCode;
}

int LzwReader::NextCode() {
  while (bit_count_ < size_) {
    if (block_left_ == 0) {
      if (rest_.empty() || rest_[0] == 0) return kNoCode;
      block_left_ = rest_[0];
      rest_ = rest_.subspan(1);
    }
    if (rest_.empty()) return kNoCode;
    bits_ |= uint32_t{rest_[0]} << bit_count_;
    bit_count_ += 8;
    rest_ = rest_.subspan(1);
    --block_left_;
  }
  const auto code = static_cast<int>(bits_ & ((1U << size_) - 1));
  bits_ >>= size_;
  bit_count_ -= size_;
  return code;
}

bool LzwReader::NextString() {
  int code = NextCode();
  while (code == clear_) {
    Reset();
    code = NextCode();
  }
  if (code == kNoCode || code == clear_ + 1) {
    end_ = End::kData;
    return false;
  }
  const bool first = last_ == kNoCode;
  if (code > next_ || (first && code > clear_)) {
    end_ = End::kBadCode;
    return false;
  }
  // The code that is being defined: the last string and its own first pixel, which is not known yet.
  const bool unknown = code == next_;
  int at = unknown ? last_ : code;
  stack_size_ = unknown ? 1 : 0;
  for (; at > clear_; at = prefix_.at(static_cast<size_t>(at)))
    stack_.at(stack_size_++) = suffix_.at(static_cast<size_t>(at));
  const auto pixel = static_cast<uint8_t>(at);
  stack_.at(stack_size_++) = pixel;
  if (unknown) stack_[0] = pixel;
  if (!first && next_ < static_cast<int>(kMaxCodes)) {
    prefix_.at(static_cast<size_t>(next_)) = static_cast<uint16_t>(last_);
    suffix_.at(static_cast<size_t>(next_)) = pixel;
    if (next_ == (1 << size_) - 1 && size_ < kMaxBits) ++size_;
    ++next_;
  }
  last_ = code;
  return true;
}

size_t LzwReader::Read(std::span<uint8_t> to) {
  size_t count = 0;
  while (count < to.size()) {
    if (stack_size_ == 0 && (end_ != End::kNone || !NextString())) break;
    const size_t take = std::min(stack_size_, to.size() - count);
    for (size_t i = 0; i < take; ++i) to[count++] = stack_.at(--stack_size_);
  }
  return count;
}

}  // namespace photovec::decode::gif
