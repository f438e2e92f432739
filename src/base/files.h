// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "base/result.h"

namespace photovec {

/// An open file descriptor, closed when destroyed. Move-only.
class FileDescriptor {
 public:
  FileDescriptor() = default;
  explicit FileDescriptor(int fd) : fd_(fd) {}
  FileDescriptor(FileDescriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  FileDescriptor& operator=(FileDescriptor&& other) noexcept;
  ~FileDescriptor();
  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }
  /// The caller closes it from now on.
  int Release() { return std::exchange(fd_, -1); }

 private:
  int fd_ = -1;
};

/// kAny: also pipes and devices, which may block until somebody writes.
enum class FileKind { kRegular, kAny };

/// The bytes of a whole file. Blocking; any thread.
/// Errors, which do not name the file, so that callers can say what it is for: kNotFound; kInvalidRequest
/// when it is of another kind ("not a regular file") or a pointer of Git LFS; kBodyTooLarge beyond `limit`
/// ("has 9 bytes; at most
/// ..."); kUnavailable.
Result<std::string> ReadFile(const std::string& path, uint64_t limit, FileKind kind = FileKind::kRegular);

/// What `git clone` leaves in the place of a large file without git-lfs: OK when these bytes are no such
/// pointer, else kInvalidRequest with what to do.
Status CheckNoLfsPointer(std::span<const uint8_t> file);

/// Makes the names in a folder survive a power cut. File systems that cannot sync folders count as synced.
/// \param folder empty: the working directory. Errors: kUnavailable naming the folder.
Status SyncFolder(const std::string& folder);
/// The folder that `path` lies in; empty when it is the working directory.
std::string FolderOf(const std::string& path);

/// A file that grows at its end. What was not synced may be lost, in part or whole. Errors: kUnavailable
/// naming the file; after one the file is not to be trusted beyond its last Sync(). Not thread-safe.
class AppendFile {
 public:
  /// Opens or makes the file and cuts it to its first `keep` bytes. Errors also: it is shorter.
  /// \param shown what errors call it; empty: its path.
  static Result<std::unique_ptr<AppendFile>> Open(const std::string& path, uint64_t keep = 0,
                                                  std::string shown = {});

  /// Buffered: 1 MiB at a time goes to the disk.
  Status Append(std::string_view bytes);
  /// Overwrites bytes that were appended before.
  Status OverwriteAt(uint64_t offset, std::string_view bytes);
  /// Returns when everything is on the disk.
  Status Sync();

  const std::string& path() const { return path_; }
  uint64_t size() const { return size_; }

 private:
  AppendFile(std::string path, std::string shown, FileDescriptor file, uint64_t size);
  Status Flush();
  Status Failed(const std::string& what) const;

  const std::string path_;
  const std::string shown_;
  FileDescriptor file_;
  uint64_t size_;
  std::string buffer_;
};

/// A file that appears under its name whole or not at all: written beside it under a temporary name, synced,
/// then renamed over it. Without Commit() the destructor removes what was written. Not thread-safe.
class AtomicFile {
 public:
  /// Errors: kUnavailable naming the file and why it cannot be created (all of this class's errors are so).
  static Result<std::unique_ptr<AtomicFile>> Create(const std::string& path);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  /// As AppendFile's.
  Status Append(std::string_view bytes) { return file_->Append(bytes); }
  /// Call once, last.
  Status Commit();

  const std::string& path() const { return path_; }

 private:
  AtomicFile(std::string path, std::unique_ptr<AppendFile> file)
      : path_(std::move(path)), file_(std::move(file)) {}

  const std::string path_;
  std::unique_ptr<AppendFile> file_;
  bool committed_ = false;
};

}  // namespace photovec
