// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <unordered_map>

namespace photovec::device {

/// Memory for a library that takes and gives back some of it for every batch, where the driver's own calls
/// are dear: cudaFree and cudaFreeHost wait for all that runs on the device, and with them all its streams.
/// What is given back is kept and lent again, so that a steady load asks the driver for nothing.
///
/// A block that is given back rests until Settle(): what was queued on the device may still use it, and
/// nvJPEG's engines do not even keep to the order of the CUDA stream that they were given. Thread-safe.
class ReusePool {
 public:
  /// Where blocks come from and go to.
  struct Backing {
    std::function<void*(size_t bytes)> allocate;  ///< null when there is no memory
    std::function<void(void* block)> release;
  };
  struct Counts {
    int64_t allocated = 0;  ///< blocks that the backing had to make, ever
    int64_t lent = 0;       ///< now
    size_t bytes = 0;       ///< of all blocks, lent, resting and idle
  };

  /// \param most_idle_bytes Settle() gives what is idle beyond that back, the longest unused first, when it
  /// was not needed in kForgetAfter calls: a steady load may need more, and is to ask the driver for nothing.
  ReusePool(Backing backing, size_t most_idle_bytes);
  /// Gives all back, lent blocks as well: whoever borrowed them must be gone.
  ~ReusePool();
  ReusePool(const ReusePool&) = delete;
  ReusePool& operator=(const ReusePool&) = delete;

  /// At least `bytes`, aligned as the backing aligns. Null when the backing has no more, even after all
  /// that is idle went back to it.
  void* Allocate(size_t bytes);
  /// \param block of Allocate(). False, with nothing done, when it is not one that is lent.
  bool Free(void* block);
  /// Nothing uses blocks that were given back before this call any more.
  void Settle();

  Counts counts() const;

  static constexpr int64_t kForgetAfter = 16;

  /// The size of the block that a request gets: the next of 4, 5, 6, 7 times a power of two.
  static size_t Rounded(size_t bytes);

 private:
  struct Idle {
    void* block = nullptr;
    int64_t since = 0;  // Settle() number
  };
  void* TakeIdle(size_t bytes);
  bool ReleaseOldest(int64_t since_at_most);

  const Backing backing_;
  const size_t most_idle_bytes_;
  mutable std::mutex mutex_;
  std::unordered_map<void*, size_t> lent_;
  std::unordered_map<void*, size_t> resting_;
  std::multimap<size_t, Idle> idle_;  // by size
  size_t idle_bytes_ = 0;
  int64_t settled_ = 0;
  Counts counts_;
};

}  // namespace photovec::device
