// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/files.h"
#include "base/result.h"
#include "bulk/npy.h"
#include "pipeline/request.h"

namespace photovec::bulk {

/// The three files of `embed -o NAME.npy`: NAME.npy (one row per photo that became a vector), NAME.jsonl (one
/// line per input, in input order: path, row, error; path_base64 beside a path that is not UTF-8, where path
/// has U+FFFD) and NAME.meta.json. They appear together at Commit().
/// Not thread-safe.
class EmbedOutput {
 public:
  /// Errors: kInvalidRequest unless `npy_path` ends in .npy; kUnavailable when a file cannot be written.
  static Result<std::unique_ptr<EmbedOutput>> Create(const std::string& npy_path);

  /// Errors: kUnavailable (disk full, ...).
  Status Add(const std::string& path, const pipeline::ItemResult& result);
  /// \param dimensions D, for a file without rows.
  /// \param meta_json the text of NAME.meta.json.
  Status Commit(int dimensions, const std::string& meta_json);

  int64_t rows() const { return vectors_->rows(); }
  int64_t lines() const { return line_count_; }
  const std::string& jsonl_path() const { return lines_->path(); }

 private:
  EmbedOutput() = default;
  std::unique_ptr<NpyWriter> vectors_;
  std::unique_ptr<AtomicFile> lines_;
  std::unique_ptr<AtomicFile> meta_;
  int64_t line_count_ = 0;
};

}  // namespace photovec::bulk
