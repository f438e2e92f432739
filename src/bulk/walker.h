// SPDX-License-Identifier: MIT
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.h"

namespace photovec::bulk {

/// True for the file names that photos usually have (.jpg, .png, .webp, .heic, ... in any case). Only a
/// filter for folders: what a file is, its content decides.
bool HasImageExtension(std::string_view name);

/// Lists files one at a time: named files as they are, folders recursively and sorted by name (bytes). Keeps
/// one folder listing per level in memory, whatever the size of the tree. Follows symlinks, except to a
/// folder that it is already inside. Not thread-safe.
class PathWalker {
 public:
  /// \param all_files also files without an image's extension and hidden names (.something).
  PathWalker(std::vector<std::string> inputs, bool all_files);

  struct Found {
    std::string path;
    Status status;  ///< kNotFound or kUnavailable when a named path or a folder cannot be read
  };
  /// The next file; nullopt at the end. Devices, sockets and pipes inside folders are passed over.
  std::optional<Found> Next();

  /// Files inside folders that were passed over because of their names, so far.
  int64_t skipped() const { return skipped_; }

 private:
  struct Level {
    std::string path;
    std::pair<dev_t, ino_t> id;
    std::vector<std::string> names;  // sorted descending: the next is at the back
  };
  std::optional<Found> VisitInput(std::string path);
  std::optional<Found> VisitInside(const std::string& folder, const std::string& name);
  std::optional<Found> Enter(const std::string& path, std::pair<dev_t, ino_t> id);

  std::vector<std::string> inputs_;  // the next is at the back
  const bool all_files_;
  std::vector<Level> levels_;
  int64_t skipped_ = 0;
};

}  // namespace photovec::bulk
