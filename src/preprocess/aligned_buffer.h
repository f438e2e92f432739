// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstring>
#include <memory>
#include <new>

namespace photovec::preprocess {

/// Scratch memory for SIMD: 64-byte aligned, zero-filled when it is allocated, kept between calls.
/// T is trivially copyable. Not thread-safe.
template <typename T>
class AlignedBuffer {
 public:
  /// At least `count` values. Keeps memory and contents when there is enough; otherwise all are zero.
  T* Reserve(size_t count) {
    if (count > capacity_) {
      data_.reset();
      capacity_ = 0;
      void* memory = ::operator new (count * sizeof(T), std::align_val_t{kAlignment});
      std::memset(memory, 0, count * sizeof(T));
      data_.reset(static_cast<T*>(memory));
      capacity_ = count;
    }
    return data_.get();
  }
  T* data() { return data_.get(); }

 private:
  static constexpr size_t kAlignment = 64;
  struct Free {
    void operator()(T* p) const { ::operator delete (p, std::align_val_t{kAlignment}); }
  };
  std::unique_ptr<T, Free> data_;
  size_t capacity_ = 0;
};

}  // namespace photovec::preprocess
