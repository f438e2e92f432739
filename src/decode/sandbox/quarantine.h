// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <span>

#include "base/deadline.h"
#include "base/status.h"

namespace photovec::decode {

/// SipHash-2-4 of `bytes`. Source: Aumasson and Bernstein, "SipHash: a fast short-input PRF", 2012.
uint64_t SipHash(std::span<const uint8_t> bytes, uint64_t k0, uint64_t k1);

/// Images that ended a decoder lately: they are refused unseen for an hour, so that one photo sent again and
/// again does not cost a process each time. Bounded; the oldest go first. Thread-safe.
///
/// Known by size and two keyed hashes whose keys nobody outside knows: without them a stranger could make a
/// file that collides with somebody else's good photo. The hashes are computed only when the size matches an
/// entry, so an image that is not suspected costs nanoseconds.
class Quarantine {
 public:
  static constexpr size_t kMaxEntries = 1024;

  explicit Quarantine(Clock::duration term = std::chrono::hours(1));

  /// The code that the image ended with, when it is in quarantine.
  std::optional<Code> Find(std::span<const uint8_t> encoded);
  void Add(std::span<const uint8_t> encoded, Code code);
  size_t size() const { return size_.load(std::memory_order_relaxed); }

 private:
  struct Entry {
    size_t bytes;
    std::array<uint64_t, 2> hash;
    Code code;
    TimePoint until;
  };
  std::array<uint64_t, 2> Hash(std::span<const uint8_t> encoded) const;
  void DropExpired();

  const Clock::duration term_;
  std::array<uint64_t, 4> keys_{};
  std::atomic<size_t> size_{0};
  std::mutex mutex_;
  std::deque<Entry> entries_;  // oldest first
};

}  // namespace photovec::decode
