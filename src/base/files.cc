// SPDX-License-Identifier: MIT
#include "base/files.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <utility>

namespace photovec {
namespace {

constexpr size_t kBufferBytes = size_t{1} << 20;

bool WriteAll(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  return true;
}

// Makes the rename itself survive a power cut. Some file systems refuse to sync directories; that is
// harmless.
void SyncDirectoryOf(const std::string& path) {
  const std::string parent = std::filesystem::path(path).parent_path().string();
  const int fd = open(parent.empty() ? "." : parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return;
  fsync(fd);
  close(fd);
}

}  // namespace

AtomicFile::AtomicFile(std::string path, std::string temporary, int fd)
    : path_(std::move(path)), temporary_(std::move(temporary)), fd_(fd) {
  buffer_.reserve(kBufferBytes);
}

AtomicFile::~AtomicFile() {
  if (fd_ >= 0) close(fd_);
  if (!committed_) unlink(temporary_.c_str());
}

Result<std::unique_ptr<AtomicFile>> AtomicFile::Create(const std::string& path) {
  std::string temporary = path + ".tmp-" + std::to_string(getpid());
  const int fd = open(temporary.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (fd < 0) {
    return Status(Code::kUnavailable, "cannot write " + path + ": " + std::strerror(errno));
  }
  return std::unique_ptr<AtomicFile>(new AtomicFile(path, std::move(temporary), fd));
}

Status AtomicFile::Failed(const std::string& what) const {
  return {Code::kUnavailable, "cannot " + what + " " + path_ + ": " + std::strerror(errno)};
}

Status AtomicFile::Flush() {
  if (!WriteAll(fd_, buffer_)) return Failed("write");
  buffer_.clear();
  return Status::Ok();
}

Status AtomicFile::Append(std::string_view bytes) {
  size_ += bytes.size();
  if (buffer_.size() + bytes.size() > kBufferBytes) RETURN_IF_ERROR(Flush());
  if (bytes.size() < kBufferBytes) {
    buffer_.append(bytes);
  } else if (!WriteAll(fd_, bytes)) {
    return Failed("write");
  }
  return Status::Ok();
}

Status AtomicFile::OverwriteAt(uint64_t offset, std::string_view bytes) {
  RETURN_IF_ERROR(Flush());
  const ssize_t written = pwrite(fd_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
  return written == static_cast<ssize_t>(bytes.size()) ? Status::Ok() : Failed("write");
}

Status AtomicFile::Commit() {
  RETURN_IF_ERROR(Flush());
  if (fdatasync(fd_) != 0) return Failed("sync");
  if (rename(temporary_.c_str(), path_.c_str()) != 0) return Failed("rename the finished");
  committed_ = true;
  SyncDirectoryOf(path_);
  return Status::Ok();
}

}  // namespace photovec
