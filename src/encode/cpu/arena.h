// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/result.h"

namespace photovec::encode::cpu {

/// A fixed piece of anonymous memory, on huge pages where the system has them, that is handed out piece by
/// piece and given back as a whole. Move-only; not thread-safe.
class Arena {
 public:
  Arena() = default;
  Arena(Arena&& other) noexcept;
  Arena& operator=(Arena&& other) noexcept;
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;
  ~Arena();

  /// Pages are zero and get their memory when first written. Errors: kUnavailable naming the size.
  static Result<Arena> Create(size_t bytes);
  /// What Take(bytes) uses up of an arena.
  static constexpr size_t Rounded(size_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

  /// The next `bytes`, aligned to 256. Null when the arena is used up.
  void* Take(size_t bytes);
  template <typename T>
  T* TakeArray(size_t count) {
    return static_cast<T*>(Take(count * sizeof(T)));
  }
  size_t used_bytes() const { return used_; }
  size_t size_bytes() const { return size_; }

 private:
  static constexpr size_t kAlignment = 256;
  void Free();
  uint8_t* data_ = nullptr;
  size_t size_ = 0;
  size_t used_ = 0;
};

}  // namespace photovec::encode::cpu
