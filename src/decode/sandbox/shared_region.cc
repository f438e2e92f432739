// SPDX-License-Identifier: MIT
#include "decode/sandbox/shared_region.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

namespace photovec::decode {
namespace {

constexpr size_t kPage = 4096;
/// Descriptors that a child is given are moved to low numbers there; high ones here never collide with them.
constexpr int kFirstFd = 16;

size_t RoundUp(size_t bytes) { return (bytes + kPage - 1) / kPage * kPage; }

Status Failed(const char* call) {
  return {Code::kUnavailable,
          std::string("cannot make memory to share with a decoder: ") + call + ": " + std::strerror(errno)};
}

}  // namespace

RegionLayout RegionLayout::For(size_t output_bytes, size_t input_bytes) {
  return {RoundUp(output_bytes), RoundUp(input_bytes)};
}

SharedRegion::SharedRegion(SharedRegion&& other) noexcept
    : layout_(other.layout_), base_(std::exchange(other.base_, nullptr)), fd_(std::exchange(other.fd_, -1)) {}

SharedRegion& SharedRegion::operator=(SharedRegion&& other) noexcept {
  if (this != &other) {
    Reset();
    layout_ = other.layout_;
    base_ = std::exchange(other.base_, nullptr);
    fd_ = std::exchange(other.fd_, -1);
  }
  return *this;
}

SharedRegion::~SharedRegion() { Reset(); }

void SharedRegion::Reset() {
  if (base_ != nullptr) munmap(std::exchange(base_, nullptr), layout_.total());
  if (fd_ >= 0) close(std::exchange(fd_, -1));
}

Result<SharedRegion> SharedRegion::Create(const RegionLayout& layout) {
  SharedRegion region;
  region.layout_ = layout;
  const int low = memfd_create("photovec-decoder", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (low < 0) return Failed("memfd_create");
  region.fd_ = fcntl(low, F_DUPFD_CLOEXEC, kFirstFd);
  close(low);
  if (region.fd_ < 0) return Failed("fcntl");
  if (ftruncate(region.fd_, static_cast<off_t>(layout.total())) != 0) return Failed("ftruncate");
  if (fcntl(region.fd_, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) {
    return Failed("F_ADD_SEALS");
  }
  void* base = mmap(nullptr, layout.total(), PROT_READ | PROT_WRITE, MAP_SHARED, region.fd_, 0);
  if (base == MAP_FAILED) return Failed("mmap");
  region.base_ = static_cast<uint8_t*>(base);
  return region;
}

Result<SharedRegion> SharedRegion::Map(int fd, const RegionLayout& layout) {
  SharedRegion region;
  region.layout_ = layout;
  void* base = mmap(nullptr, layout.total(), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  close(fd);
  if (base == MAP_FAILED) return Failed("mmap");
  region.base_ = static_cast<uint8_t*>(base);
  if (mprotect(region.base_ + layout.input_begin(), kSeats * layout.input_bytes, PROT_READ) != 0) {
    return Failed("mprotect");
  }
  return region;
}

void SharedRegion::TrimInput(int seat, size_t kept) {
  const size_t begin = layout_.input_begin() + static_cast<size_t>(seat) * layout_.input_bytes;
  const size_t from = begin + RoundUp(kept);
  const size_t end = begin + layout_.input_bytes;
  if (from >= end) return;
  // A failure costs memory, not correctness: the pages are used again by the next large image.
  (void)fallocate(fd_, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(from),
                  static_cast<off_t>(end - from));
}

void SharedRegion::Forget() { (void)madvise(base_, layout_.total(), MADV_DONTNEED); }

}  // namespace photovec::decode
