// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <span>
#include <string_view>
#include <utility>

#include "base/bytes.h"

namespace photovec {

/// Bytes that grow as they arrive. Grown by realloc(), which moves large blocks by remapping their pages: no
/// copy, and never two of them at once, so that what it takes is what it holds (and pages that were not
/// written yet take nothing). Move-only, not thread-safe; std::bad_alloc when there is no memory.
class GrowingBytes {
 public:
  GrowingBytes() = default;
  GrowingBytes(GrowingBytes&& other) noexcept
      : data_(std::move(other.data_)),
        size_(std::exchange(other.size_, 0)),
        capacity_(std::exchange(other.capacity_, 0)) {}
  GrowingBytes& operator=(GrowingBytes&& other) noexcept {
    data_ = std::move(other.data_);
    size_ = std::exchange(other.size_, 0);
    capacity_ = std::exchange(other.capacity_, 0);
    return *this;
  }

  size_t size() const { return size_; }
  std::string_view text() const { return {reinterpret_cast<const char*>(data_.get()), size_}; }
  /// Room behind what is there, at least one byte, at most up to a size of `most` (larger than size()); valid
  /// until the next call.
  std::span<uint8_t> Room(uint64_t most) {
    if (size_ == capacity_) Reallocate(std::min<uint64_t>(most, Next()));
    return {data_.get() + size_, capacity_ - size_};
  }
  /// So many bytes of Room() were written.
  void Commit(size_t bytes) { size_ += bytes; }
  void Append(std::string_view bytes) {
    if (bytes.empty()) return;
    if (capacity_ - size_ < bytes.size()) {
      Reallocate(std::max(size_ + bytes.size(), Next()));
    }
    std::memcpy(data_.get() + size_, bytes.data(), bytes.size());
    size_ += bytes.size();
  }
  void Clear() { *this = GrowingBytes(); }
  /// Gives back room that will not be used, if it is worth it.
  void Fit() {
    if (size_ > 0 && capacity_ - size_ > size_ / 8) Reallocate(size_);
  }

 private:
  static constexpr size_t kLeast = 4096;
  static constexpr size_t kSmall = 256 * 1024;
  struct Free {
    void operator()(uint8_t* data) const { std::free(data); }
  };
  // Small blocks are copied, so they double; large ones are remapped.
  size_t Next() const { return std::max(kLeast, size_ < kSmall ? size_ * 2 : size_ + size_ / 2); }
  void Reallocate(size_t capacity) {
    auto* grown = static_cast<uint8_t*>(std::realloc(data_.get(), capacity));
    if (grown == nullptr) throw std::bad_alloc();
    static_cast<void>(data_.release());
    data_.reset(grown);
    capacity_ = capacity;
  }

  std::unique_ptr<uint8_t[], Free> data_;
  size_t size_ = 0;
  size_t capacity_ = 0;
};

/// The bytes, shared from now on, with what pays for them.
template <typename Owner>
Bytes ShareBytes(GrowingBytes bytes, Owner payment) {
  struct Held {
    GrowingBytes bytes;
    Owner payment;
  };
  auto held = std::make_shared<const Held>(Held{std::move(bytes), std::move(payment)});
  const std::string_view text = held->bytes.text();
  return {std::move(held), AsBytes(text)};
}

}  // namespace photovec
