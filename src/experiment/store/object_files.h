// SPDX-License-Identifier: MIT
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/result.h"
#include "experiment/store/digest.h"

namespace photovec::experiment {

/// Tells one content of a file from another.
struct FileIdentity {
  dev_t device = 0;
  ino_t inode = 0;
  off_t bytes = 0;
  int64_t modified_ns = 0;
  bool operator==(const FileIdentity&) const = default;
};

/// One file of the store, mapped. Immutable; whoever sends it holds a shared_ptr.
class StoredObject {
 public:
  /// Maps and digests an open regular file. Errors: kSourceFailed.
  static Result<std::shared_ptr<const StoredObject>> Map(int fd, const FileIdentity& identity,
                                                         std::string_view name);
  ~StoredObject();
  StoredObject(const StoredObject&) = delete;
  StoredObject& operator=(const StoredObject&) = delete;

  std::string_view bytes() const { return {data_, static_cast<size_t>(identity_.bytes)}; }
  const FileIdentity& identity() const { return identity_; }
  const ObjectDigest& digest() const { return digest_; }
  std::string_view content_type() const { return content_type_; }  ///< by the name's ending

 private:
  StoredObject() = default;
  const char* data_ = nullptr;
  FileIdentity identity_;
  ObjectDigest digest_;
  std::string_view content_type_;
};

/// The files below one folder, by the names of their objects. A file is mapped and digested once, and again
/// when it has changed; one that came later is found, one that went is gone. Not thread-safe.
class ObjectFiles {
 public:
  /// Errors: kNotFound (no such folder), kInvalidRequest (not a folder), kUnavailable (it cannot be read).
  static Result<ObjectFiles> Open(const std::string& root);

  /// Maps what is there, up to a budget of bytes and files, so that no request pays for it.
  void Preload();
  uint64_t preloaded_files() const { return preloaded_files_; }
  uint64_t preloaded_bytes() const { return preloaded_bytes_; }

  /// \param name "a/b.jpg". Errors: kNotFound; kSourceNotAllowed for "..", a symbolic link that leaves the
  /// root and what this process may not read; kInvalidRequest for a name that is not UTF-8 or holds a NUL;
  /// kSourceFailed, kUnavailable when reading fails.
  Result<std::shared_ptr<const StoredObject>> Find(const std::string& name);

  bool IsFolder(const std::string& name) const;

 private:
  explicit ObjectFiles(std::string root) : root_(std::move(root)) {}
  Result<std::shared_ptr<const StoredObject>> Load(const std::string& name);
  bool Contains(int fd) const;

  std::string root_;  // absolute, symbolic links resolved, without a slash at its end
  std::unordered_map<std::string, std::shared_ptr<const StoredObject>> objects_;
  uint64_t preloaded_files_ = 0;
  uint64_t preloaded_bytes_ = 0;
};

}  // namespace photovec::experiment
