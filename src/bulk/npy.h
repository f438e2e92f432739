// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "base/files.h"
#include "base/result.h"

namespace photovec::bulk {

/// Streams rows of a [N, D] little-endian f32 array into a NumPy .npy file (format 1.0, C order) whose N is
/// known only at the end: the header keeps room for it. The file appears at Commit(). Not thread-safe.
class NpyWriter {
 public:
  /// Errors: as AtomicFile.
  static Result<std::unique_ptr<NpyWriter>> Create(const std::string& path);

  /// \param row [D]; the first row fixes D. Errors: kInternal for another D; as AtomicFile.
  Status Append(std::span<const float> row);
  /// \param columns D to write when there were no rows.
  Status Commit(int columns);

  int64_t rows() const { return rows_; }
  const std::string& path() const { return file_->path(); }

 private:
  explicit NpyWriter(std::unique_ptr<AtomicFile> file) : file_(std::move(file)) {}
  std::unique_ptr<AtomicFile> file_;
  int64_t rows_ = 0;
  size_t columns_ = 0;
};

}  // namespace photovec::bulk
