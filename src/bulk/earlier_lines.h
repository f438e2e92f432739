// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "base/result.h"
#include "bulk/line_reader.h"
#include "bulk/source.h"

namespace photovec::bulk {

/// One record of a PartialResult's `files`: input, size, mtime, length of the path, path.
std::string FileRecord(const Found& found);

/// Reads the lines of a checkpoint again, in their order, with what came of them. Not thread-safe.
/// Errors: kUnavailable when a file of the folder is not what was written.
class EarlierLines {
 public:
  /// \param folder of a PartialResult.
  /// \param lines of its checkpoint.
  /// \param columns D.
  static Result<std::unique_ptr<EarlierLines>> Open(const std::string& folder, int64_t lines, int columns);

  /// Path and id of the next line; nullopt after the last.
  Result<std::optional<Found>> Next();
  /// The same with `kept`, without times; use one of the two for all lines.
  Result<std::optional<Found>> NextWithResult();

 private:
  EarlierLines(std::string folder, int64_t lines, int columns, LineReader text)
      : folder_(std::move(folder)), left_(lines), columns_(columns), text_(std::move(text)) {}
  Result<pipeline::ItemResult> ReadResult();
  Status Broken(const std::string& name) const;

  const std::string folder_;
  int64_t left_;
  const int columns_;
  LineReader text_;
  std::ifstream files_;
  std::ifstream rows_;
};

}  // namespace photovec::bulk
