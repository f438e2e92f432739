// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/files.h"
#include "base/result.h"

namespace photovec::bulk {

/// How far a partial result was whole and on the disk. The CRCs (CRC-32C) cover each file from its beginning
/// (vectors.npy: from its first row) up to this checkpoint.
struct Checkpoint {
  int64_t lines = 0;
  int64_t rows = 0;
  uint64_t lines_bytes = 0;
  uint64_t files_bytes = 0;
  uint32_t rows_crc = 0;
  uint32_t lines_crc = 0;
  uint32_t files_crc = 0;
  int64_t milliseconds = 0;                 ///< of work so far, earlier runs included
  std::map<std::string, int64_t> failures;  ///< by code
  int64_t damaged = 0;                      ///< rows of photos that are damaged
  uint64_t journal_end = 0;                 ///< where its line ends in the journal
};

/// What a run was asked to do, by names that people understand: where two differ, neither may go on with the
/// other's work.
using RunFacts = std::map<std::string, std::string>;

/// What a journal says.
struct JournalContent {
  RunFacts run;
  std::vector<Checkpoint> checkpoints;
  bool finished = false;  ///< the result is whole and takes, or took, its place
  uint64_t head_end = 0;  ///< where the first line ends
};

/// The journal of a partial result: one line a record, "<CRC-32C of the JSON, 8 hex digits> <JSON>". The
/// first names the run, each further one is a checkpoint, the last may say that the run is finished.
/// Whatever does not read as such a line, and all that follows it, was never written: a power cut tears
/// tails.
/// Errors: kNotFound; kUnavailable when it cannot be read, or its first line is none.
Result<JournalContent> ReadJournal(const std::string& path);

/// Writes it. Each record is on the disk when the call returns. Not thread-safe. Errors: as AppendFile.
class Journal {
 public:
  static Result<std::unique_ptr<Journal>> Create(const std::string& path, const RunFacts& run);
  /// Goes on behind the first `keep` bytes.
  static Result<std::unique_ptr<Journal>> Open(const std::string& path, uint64_t keep);

  Status Add(const Checkpoint& checkpoint);
  Status AddFinished();

 private:
  explicit Journal(std::unique_ptr<AppendFile> file) : file_(std::move(file)) {}
  Status Write(const std::string& json);
  std::unique_ptr<AppendFile> file_;
};

}  // namespace photovec::bulk
