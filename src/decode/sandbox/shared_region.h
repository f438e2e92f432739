// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/result.h"
#include "decode/sandbox/protocol.h"

namespace photovec::decode {

/// How the memory that a worker shares with the server is laid out: pixels of each seat (protocol.h) first,
/// encoded bytes of each behind them, all on page borders. Address space only; pages are taken when they are
/// first used and kept for the next image (a fresh 36 MB mapping costs 27 ms of page faults, a used one 0.9).
struct RegionLayout {
  size_t output_bytes = 0;  ///< of a seat
  size_t input_bytes = 0;
  static RegionLayout For(size_t output_bytes, size_t input_bytes);
  size_t input_begin() const { return kSeats * output_bytes; }
  size_t total() const { return kSeats * (output_bytes + input_bytes); }
};

/// One worker's memfd, mapped. The server maps it writable and seals its size, because a worker that could
/// shrink it would kill the server by SIGBUS; a worker maps the input read-only and closes the descriptor.
/// Move-only. Not thread-safe.
class SharedRegion {
 public:
  /// Server side. Errors: kUnavailable.
  static Result<SharedRegion> Create(const RegionLayout& layout);
  /// Worker side: maps `fd` and closes it.
  static Result<SharedRegion> Map(int fd, const RegionLayout& layout);
  SharedRegion(SharedRegion&& other) noexcept;
  SharedRegion& operator=(SharedRegion&& other) noexcept;
  ~SharedRegion();

  const RegionLayout& layout() const { return layout_; }
  std::span<uint8_t> output(int seat) const {
    return {base_ + static_cast<size_t>(seat) * layout_.output_bytes, layout_.output_bytes};
  }
  std::span<uint8_t> input(int seat) const {
    const size_t begin = layout_.input_begin() + static_cast<size_t>(seat) * layout_.input_bytes;
    return {base_ + begin, layout_.input_bytes};
  }
  int fd() const { return fd_; }

  /// Server side: gives back the pages behind the first `kept` bytes of a seat's input.
  void TrimInput(int seat, size_t kept);
  /// Worker side: the pages leave this process; their contents stay.
  void Forget();

 private:
  SharedRegion() = default;
  void Reset();
  RegionLayout layout_;
  uint8_t* base_ = nullptr;
  int fd_ = -1;
};

}  // namespace photovec::decode
