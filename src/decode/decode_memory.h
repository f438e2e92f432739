// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <utility>

namespace photovec::decode {

/// The memory that all decoders may take together, so that big photos take turns and small ones never wait.
/// Each decoder has a part of its own, which a small photo fits into; the rest is common, and a big photo
/// takes what it needs beyond its decoder's part from there, once and before it is decoded. So nobody holds
/// some and waits for more. Who waits, and in which order, is the business of whoever asks
/// (pipeline/decode_stage.h). Lock-free; thread-safe. Must outlive the shares.
class DecodeMemory {
 public:
  /// A decoder's own part, unless the whole is too little for that: then all parts together are half of it.
  static constexpr int64_t kOwnBytes = int64_t{64} << 20;

  /// What a big photo took. Move-only; gives it back at its end.
  class Share {
   public:
    Share(Share&& other) noexcept : memory_(std::exchange(other.memory_, nullptr)), bytes_(other.bytes_) {}
    Share& operator=(Share&& other) noexcept {
      std::swap(memory_, other.memory_);
      std::swap(bytes_, other.bytes_);
      return *this;
    }
    ~Share() {
      if (memory_ != nullptr) memory_->free_.fetch_add(bytes_);
    }

   private:
    friend class DecodeMemory;
    Share(DecodeMemory* memory, int64_t bytes) : memory_(memory), bytes_(bytes) {}
    DecodeMemory* memory_;
    int64_t bytes_;
  };

  /// \param total    bytes, > 0
  /// \param decoders photos decoded at the same time, >= 1
  DecodeMemory(int64_t total, int decoders);
  DecodeMemory(const DecodeMemory&) = delete;
  DecodeMemory& operator=(const DecodeMemory&) = delete;

  /// What a photo may take without asking.
  int64_t own_bytes() const { return own_; }
  /// What one photo can get while every other decoder is at work on small ones.
  int64_t largest_bytes() const { return own_ + common_; }
  int64_t total_bytes() const { return total_; }
  /// Of the total, what is taken; every decoder's own part counts as taken.
  int64_t used_bytes() const { return total_ - free_.load(); }

  /// For a photo of `bytes` altogether; at most largest_bytes() is taken. nullopt: not now. Whoever has taken
  /// one share must give it back before it takes another.
  std::optional<Share> TryTake(int64_t bytes);

 private:
  const int64_t total_;
  const int64_t own_;
  const int64_t common_;
  std::atomic<int64_t> free_;
};

}  // namespace photovec::decode
