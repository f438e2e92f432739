// SPDX-License-Identifier: MIT
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "base/status.h"
#include "pipeline/request.h"

namespace photovec::bulk {

/// Which file it was, and in which state: how a resumed run sees that one changed.
struct FileId {
  uint32_t input = 0;    ///< which of the inputs it was found in
  int64_t size = -1;     ///< -1: it could not be looked at
  int64_t mtime_ns = 0;  ///< of a text: its CRC-32C
  bool operator==(const FileId&) const = default;
};

/// One line of the result to be.
struct Found {
  std::string path;  ///< of a text: what names it
  Status status;     ///< kNotFound or kUnavailable when the path or folder cannot be read
  FileId id = {};
  bool is_folder = false;
  bool is_regular = false;
  dev_t device = 0;
  ino_t inode = 0;
  std::optional<pipeline::ItemResult> kept =
      {};                                 ///< what an earlier run made of it; only resumed runs have it
  std::optional<std::string> words = {};  ///< of a text: what is embedded
};

/// What was passed over inside folders, by reason.
struct PassedOver {
  int64_t by_name = 0;       ///< hidden, or neither a name nor a beginning that photos have
  int64_t not_files = 0;     ///< devices, sockets, pipes
  int64_t loops = 0;         ///< links to a folder that they lie in
  int64_t seen_folders = 0;  ///< links to a folder that another link led to before
  int64_t vanished = 0;      ///< removed between listing and looking
  int64_t empty_lines = 0;   ///< of a list
  /// by_name taken apart: ".mp4", "hidden", "no extension"; at most kMostKinds, what is beyond is "others".
  std::map<std::string, int64_t> kinds;

  static constexpr size_t kMostKinds = 100;
  void CountByName(const std::string& kind);
  /// "18 files passed over: 12 videos (.mp4, .mov), 3 .txt, 2 hidden and 1 without an extension". Empty:
  /// none.
  std::string KindsText() const;
};

/// Where files or texts to embed come from, in an order that is always the same. Not thread-safe.
class Source {
 public:
  virtual ~Source() = default;
  /// The next one; nullopt at the end, or after an error (status()).
  virtual std::optional<Found> Next() = 0;
  /// Whether Next() would answer without waiting for another process.
  virtual bool Ready() { return true; }
  /// Why it ended before its end.
  virtual Status status() const { return Status::Ok(); }
  virtual const PassedOver& passed_over() const = 0;
};

}  // namespace photovec::bulk
