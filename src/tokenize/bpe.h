// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace photovec::tokenize {

/// Two neighbours and the token that they become.
struct Merge {
  int32_t left = 0;
  int32_t right = 0;
  int32_t merged = 0;
};

/// Byte-pair encoding's rules, the first one the strongest. Immutable; safe for any number of threads.
/// Source: arXiv:1508.07909; order and ties as tokenizers 0.23, models/bpe/word.rs, merge_all.
class BpeMerges {
 public:
  explicit BpeMerges(std::span<const Merge> merges);

  /// Replaces `tokens` by what is left of them when no rule applies any more: always the strongest rule that
  /// does, at the leftmost place. n log n for n tokens, 40 bytes for each.
  void Apply(std::vector<int32_t>& tokens) const;

 private:
  struct Slot {
    uint64_t pair = kFree;
    int32_t rank = 0;
    int32_t merged = 0;
  };
  static constexpr uint64_t kFree = ~uint64_t{0};  // no pair: ids are not negative
  static uint64_t Pair(int32_t left, int32_t right) {
    return uint64_t{static_cast<uint32_t>(left)} << 32 | static_cast<uint32_t>(right);
  }
  size_t Start(uint64_t pair) const { return static_cast<size_t>((pair * 0x9E3779B97F4A7C15U) >> shift_); }
  const Slot* Find(int32_t left, int32_t right) const;

  std::vector<Slot> slots_;  ///< a hash table with open addressing, half full at most
  int shift_ = 63;           ///< 64 less the binary logarithm of its size
};

}  // namespace photovec::tokenize
