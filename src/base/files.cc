// SPDX-License-Identifier: MIT
#include "base/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
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

Status CannotRead(int error) {
  return {error == ENOENT || error == ENOTDIR ? Code::kNotFound : Code::kUnavailable, std::strerror(error)};
}

Status TooLarge(uint64_t size, uint64_t limit) {
  return {Code::kBodyTooLarge,
          "has " + std::to_string(size) + " bytes; at most " + std::to_string(limit) + " are allowed"};
}

}  // namespace

FileDescriptor& FileDescriptor::operator=(FileDescriptor&& other) noexcept {
  if (this != &other) {
    if (fd_ >= 0) close(fd_);
    fd_ = std::exchange(other.fd_, -1);
  }
  return *this;
}

FileDescriptor::~FileDescriptor() {
  if (fd_ >= 0) close(fd_);
}

Result<std::string> ReadFile(const std::string& path, uint64_t limit, FileKind kind) {
  // O_NONBLOCK: opening a pipe that nobody writes must not hang where pipes are refused.
  const int wait = kind == FileKind::kRegular ? O_NONBLOCK : 0;
  const FileDescriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC | wait));
  struct stat info {};
  if (!file.valid() || fstat(file.get(), &info) != 0) return CannotRead(errno);
  if (kind == FileKind::kRegular && !S_ISREG(info.st_mode)) {
    return Status(Code::kInvalidRequest, "not a regular file");
  }
  const uint64_t size = S_ISREG(info.st_mode) ? static_cast<uint64_t>(info.st_size) : 0;
  if (size > limit) return TooLarge(size, limit);
  std::string text(size + 1, '\0');  // one byte more: its end shows in one read
  size_t have = 0;
  for (;;) {  // files of /proc say that they are empty
    const ssize_t got = read(file.get(), text.data() + have, text.size() - have);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return CannotRead(errno);
    if (got == 0) break;
    have += static_cast<size_t>(got);
    if (have > limit) return TooLarge(have, limit);
    if (have == text.size()) text.resize(std::max<size_t>(2 * have, 4096));
  }
  text.resize(have);
  RETURN_IF_ERROR(CheckNoLfsPointer({reinterpret_cast<const uint8_t*>(text.data()), text.size()}));
  return text;
}

Status CheckNoLfsPointer(std::span<const uint8_t> file) {
  constexpr std::string_view kBegins = "version https://git-lfs.github.com/spec/";
  const std::string_view text(reinterpret_cast<const char*>(file.data()), file.size());
  if (!text.starts_with(kBegins)) return Status::Ok();
  return {Code::kInvalidRequest,
          "this is a pointer of Git LFS, not the file itself: run \"git lfs pull\" in its folder, or "
          "download the "
          "file again"};
}

std::string FolderOf(const std::string& path) { return std::filesystem::path(path).parent_path().string(); }

Status SyncFolder(const std::string& folder) {
  const FileDescriptor opened(
      open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (opened.valid() && fsync(opened.get()) == 0) return Status::Ok();
  if (opened.valid() && (errno == EINVAL || errno == EROFS || errno == ENOTSUP)) return Status::Ok();
  return {Code::kUnavailable, "cannot sync the folder " + folder + ": " + std::strerror(errno)};
}

AppendFile::AppendFile(std::string path, std::string shown, FileDescriptor file, uint64_t size)
    : path_(std::move(path)), shown_(std::move(shown)), file_(std::move(file)), size_(size) {
  buffer_.reserve(kBufferBytes);
}

Result<std::unique_ptr<AppendFile>> AppendFile::Open(const std::string& path, uint64_t keep,
                                                     std::string shown) {
  if (shown.empty()) shown = path;
  FileDescriptor file(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666));
  struct stat info {};
  if (!file.valid() || fstat(file.get(), &info) != 0) {
    return Status(Code::kUnavailable, "cannot write " + shown + ": " + std::strerror(errno));
  }
  if (static_cast<uint64_t>(info.st_size) < keep) {
    return Status(Code::kUnavailable, shown + " has " + std::to_string(info.st_size) + " bytes where " +
                                          std::to_string(keep) + " were written");
  }
  const auto end = static_cast<off_t>(keep);
  if (ftruncate(file.get(), end) != 0 || lseek(file.get(), end, SEEK_SET) != end) {
    return Status(Code::kUnavailable, "cannot write " + shown + ": " + std::strerror(errno));
  }
  return std::unique_ptr<AppendFile>(new AppendFile(path, std::move(shown), std::move(file), keep));
}

Status AppendFile::Failed(const std::string& what) const {
  return {Code::kUnavailable, "cannot " + what + " " + shown_ + ": " + std::strerror(errno)};
}

Status AppendFile::Flush() {
  if (!WriteAll(file_.get(), buffer_)) return Failed("write");
  buffer_.clear();
  return Status::Ok();
}

Status AppendFile::Append(std::string_view bytes) {
  size_ += bytes.size();
  if (buffer_.size() + bytes.size() > kBufferBytes) RETURN_IF_ERROR(Flush());
  if (bytes.size() < kBufferBytes) {
    buffer_.append(bytes);
  } else if (!WriteAll(file_.get(), bytes)) {
    return Failed("write");
  }
  return Status::Ok();
}

Status AppendFile::OverwriteAt(uint64_t offset, std::string_view bytes) {
  RETURN_IF_ERROR(Flush());
  const ssize_t written = pwrite(file_.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
  return written == static_cast<ssize_t>(bytes.size()) ? Status::Ok() : Failed("write");
}

Status AppendFile::Sync() {
  RETURN_IF_ERROR(Flush());
  return fdatasync(file_.get()) == 0 ? Status::Ok() : Failed("sync");
}

Result<std::unique_ptr<AtomicFile>> AtomicFile::Create(const std::string& path) {
  ASSIGN_OR_RETURN(auto file, AppendFile::Open(path + ".tmp-" + std::to_string(getpid()), 0, path));
  return std::unique_ptr<AtomicFile>(new AtomicFile(path, std::move(file)));
}

AtomicFile::~AtomicFile() {
  if (!committed_) unlink(file_->path().c_str());
}

Status AtomicFile::Commit() {
  RETURN_IF_ERROR(file_->Sync());
  if (rename(file_->path().c_str(), path_.c_str()) != 0) {
    return {Code::kUnavailable, "cannot rename the finished " + path_ + ": " + std::strerror(errno)};
  }
  committed_ = true;
  return SyncFolder(FolderOf(path_));
}

}  // namespace photovec
