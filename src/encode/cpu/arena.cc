// SPDX-License-Identifier: MIT
#include "encode/cpu/arena.h"

#include <sys/mman.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include "base/text/sizes.h"

namespace photovec::encode::cpu {
namespace {
constexpr size_t kHugePage = size_t{2} << 20;
}

Arena::Arena(Arena&& other) noexcept { *this = std::move(other); }

Arena& Arena::operator=(Arena&& other) noexcept {
  if (this == &other) return *this;
  Free();
  data_ = std::exchange(other.data_, nullptr);
  size_ = std::exchange(other.size_, 0);
  used_ = std::exchange(other.used_, 0);
  return *this;
}

Arena::~Arena() { Free(); }

void Arena::Free() {
  if (data_ != nullptr) munmap(data_, size_);
  data_ = nullptr;
}

Result<Arena> Arena::Create(size_t bytes) {
  Arena arena;
  arena.size_ = (bytes + kHugePage - 1) / kHugePage * kHugePage;
  // One huge page more than needed, so that an aligned stretch can be cut out; the ends are given back.
  const size_t mapped = arena.size_ + kHugePage;
  void* raw =
      mmap(nullptr, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (raw == MAP_FAILED) {
    return Status(Code::kUnavailable, "the CPU encoder cannot get " + HumanBytes(mapped) + " of memory: " +
                                          std::strerror(errno) + "; use fewer streams or --precision bf16");
  }
  const auto begin = reinterpret_cast<uintptr_t>(raw);
  const uintptr_t aligned = (begin + kHugePage - 1) / kHugePage * kHugePage;
  if (aligned > begin) munmap(raw, aligned - begin);
  const size_t rest = begin + mapped - (aligned + arena.size_);
  if (rest > 0) munmap(reinterpret_cast<void*>(aligned + arena.size_), rest);
  arena.data_ = reinterpret_cast<uint8_t*>(aligned);
  // Refused where transparent huge pages are off: then it is merely slower.
  (void)madvise(arena.data_, arena.size_, MADV_HUGEPAGE);
  return arena;
}

void* Arena::Take(size_t bytes) {
  const size_t rounded = Rounded(bytes);
  if (rounded > size_ - used_) return nullptr;
  void* piece = data_ + used_;
  used_ += rounded;
  return piece;
}

}  // namespace photovec::encode::cpu
