// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace photovec {

/// Counts of non-negative integers (microseconds, bytes, batch sizes) in logarithmic buckets, 32 to a
/// doubling: quantiles are right to within 3.2% (values below 64: exactly). Record is wait-free and safe from
/// any thread; readers see a consistent-enough snapshot. 16 KiB each. Source: the bucket scheme of
/// HdrHistogram.
class Histogram {
 public:
  void Record(int64_t value) {
    const uint64_t v = value < 0 ? 0 : static_cast<uint64_t>(value);
    uint64_t seen = max_.load(std::memory_order_relaxed);
    while (v > seen && !max_.compare_exchange_weak(seen, v, std::memory_order_relaxed)) {
    }
    seen = min_.load(std::memory_order_relaxed);
    while (v < seen && !min_.compare_exchange_weak(seen, v, std::memory_order_relaxed)) {
    }
    counts_[Index(v)].fetch_add(1, std::memory_order_relaxed);
    count_.fetch_add(1, std::memory_order_relaxed);
    sum_.fetch_add(v, std::memory_order_relaxed);
  }

  uint64_t count() const { return count_.load(std::memory_order_relaxed); }
  double mean() const {
    const uint64_t n = count();
    return n == 0 ? 0.0 : static_cast<double>(sum_.load(std::memory_order_relaxed)) / static_cast<double>(n);
  }
  uint64_t sum() const { return sum_.load(std::memory_order_relaxed); }
  uint64_t max() const { return max_.load(std::memory_order_relaxed); }

  /// The value below or at which a share q (0..1) of the records lie: the middle of its bucket, but never
  /// less than the smallest record or more than the largest. 0 when empty.
  double Quantile(double q) const {
    const uint64_t total = count();
    if (total == 0) return 0.0;
    const double rank = q * static_cast<double>(total);
    double below = 0;
    for (size_t i = 0; i < kBuckets; ++i) {
      below += static_cast<double>(counts_[i].load(std::memory_order_relaxed));
      if (below >= rank && below > 0) return Within(Middle(i));
    }
    return static_cast<double>(max());
  }

 private:
  /// The middle of a bucket may lie outside of what was recorded in it.
  double Within(double value) const {
    const auto least = static_cast<double>(min_.load(std::memory_order_relaxed));
    return std::min(std::max(value, least), static_cast<double>(max()));
  }

  static constexpr int kSubBits = 5;
  static constexpr size_t kSub = size_t{1} << kSubBits;
  static constexpr size_t kBuckets = (64 - kSubBits) * kSub + kSub;

  static size_t Index(uint64_t v) {
    if (v < 2 * kSub) return static_cast<size_t>(v);
    const int shift = static_cast<int>(std::bit_width(v)) - 1 - kSubBits;
    return static_cast<size_t>(shift) * kSub + static_cast<size_t>(v >> shift);
  }
  static double Middle(size_t index) {
    if (index < 2 * kSub) return static_cast<double>(index);
    const auto shift = static_cast<int>(index / kSub) - 1;
    const uint64_t low = (index - static_cast<size_t>(shift) * kSub) << shift;
    return static_cast<double>(low) + static_cast<double>((uint64_t{1} << shift) - 1) / 2.0;
  }

  std::array<std::atomic<uint64_t>, kBuckets> counts_{};
  std::atomic<uint64_t> count_{0};
  std::atomic<uint64_t> sum_{0};
  std::atomic<uint64_t> max_{0};
  std::atomic<uint64_t> min_{UINT64_MAX};
};

}  // namespace photovec
