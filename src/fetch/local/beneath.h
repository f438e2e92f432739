// SPDX-License-Identifier: MIT
#pragma once

#include <string>

#include "base/files.h"
#include "base/result.h"

namespace photovec::fetch {

/// A folder below which files are opened, with no way out of it: not by "..", not by a symbolic link, not by
/// racing a rename against the lookup. The kernel does the walk (openat2 with RESOLVE_BENEATH), so symbolic
/// links that stay inside work. Where the kernel lacks openat2 (before Linux 5.6, or hidden by a container),
/// the walk is done here and then every symbolic link and every ".." is refused. Thread-safe.
class BeneathRoot {
 public:
  enum class Method { kAuto, kWalk };

  /// Errors: kInvalidRequest when `path` is not a folder that can be opened.
  static Result<BeneathRoot> Open(const std::string& path, Method method = Method::kAuto);

  /// Opens for reading, without blocking on a FIFO.
  /// \param relative bytes without NUL, not starting with '/'.
  /// The descriptor may be of any kind of file.
  /// Errors (messages name nothing): kSourceNotAllowed for whatever leads outside, or is forbidden to this
  /// process; kNotFound; kInvalidRequest (name too long); kUnavailable (no descriptors left); kSourceFailed.
  Result<FileDescriptor> OpenFile(const std::string& relative) const;

  const std::string& real_path() const { return real_path_; }    ///< absolute, symbolic links resolved
  const std::string& given_path() const { return given_path_; }  ///< absolute, as it was named
  Method method() const { return method_; }

 private:
  int OpenByKernel(const std::string& relative) const;
  int OpenByWalk(const std::string& relative) const;

  FileDescriptor root_;
  std::string real_path_;
  std::string given_path_;
  Method method_ = Method::kAuto;
};

}  // namespace photovec::fetch
