// SPDX-License-Identifier: MIT
#include "decode/decode_memory.h"

#include <algorithm>

namespace photovec::decode {

DecodeMemory::DecodeMemory(int64_t total, int decoders)
    : total_(total),
      own_(std::min(kOwnBytes, total / (2 * int64_t{decoders}))),
      common_(total - own_ * decoders),
      free_(common_) {}

std::optional<DecodeMemory::Share> DecodeMemory::TryTake(int64_t bytes) {
  const int64_t wanted = std::clamp<int64_t>(bytes - own_, 0, common_);
  int64_t free = free_.load();
  while (free >= wanted) {
    if (free_.compare_exchange_weak(free, free - wanted)) return Share(this, wanted);
  }
  return std::nullopt;
}

}  // namespace photovec::decode
