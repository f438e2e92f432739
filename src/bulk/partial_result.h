// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>

#include "base/files.h"
#include "base/result.h"
#include "bulk/journal.h"
#include "bulk/source.h"
#include "pipeline/request.h"

namespace photovec::bulk {

/// One file of a result.
struct FileDigest {
  uint64_t bytes = 0;
  std::string sha256;  ///< 64 hex digits
};
struct ResultDigests {
  FileDigest npy;
  FileDigest jsonl;
  /// Names the pair: the first 16 hex digits of the SHA-256 of both digests' text. The same vectors and lines
  /// have the same name, whenever and in however many runs they were made.
  std::string Generation() const;
};

/// A result that is being made: a folder with vectors.npy and vectors.jsonl as they will be, `files` (which
/// file each line is about, see FileId) and `journal`. All grow at their ends. A checkpoint syncs them and
/// writes a line into the journal; a run that is killed loses what came after its last checkpoint.
/// vectors.npy is a valid file of the last checkpoint's rows. Not thread-safe.
/// Errors, of everything here: kUnavailable (disk full, ...) naming the file; the object is of no use then,
/// its last checkpoint is.
class PartialResult {
 public:
  /// Makes the folder, which is not there.
  /// \param columns D.
  /// \param name_key what a line calls Found::path: "path", of texts "text" or "id".
  static Result<std::unique_ptr<PartialResult>> Create(const std::string& folder, const RunFacts& run,
                                                       int columns, const std::string& name_key = "path");
  /// Goes on at the last checkpoint whose bytes are what they were (each is read and checked); from the
  /// beginning when there is none.
  static Result<std::unique_ptr<PartialResult>> Open(const std::string& folder, const JournalContent& journal,
                                                     int columns, const std::string& name_key = "path");

  /// One line: path (or text, or id), row, error; path_base64 beside a path that is not UTF-8, where path has
  /// U+FFFD; damaged and rows_ok of a photo that was read although it is damaged.
  Status Add(const Found& found, const pipeline::ItemResult& result);
  /// \param milliseconds of work, for Checkpoint::milliseconds.
  Status SaveCheckpoint(int64_t milliseconds);

  /// The last checkpoint; then both files are read back, and compared with what was written.
  Result<ResultDigests> Seal(int64_t milliseconds);
  /// Adds the text of vectors.meta.json and says so in the journal: from here on this is the result, and
  /// PutInPlace() is all that is missing. Call once, last.
  Status Finish(const std::string& meta_json);

  const Checkpoint& checkpoint() const { return saved_; }  ///< the last
  int64_t lines() const { return now_.lines; }
  int64_t rows() const { return now_.rows; }

 private:
  PartialResult(std::string folder, int columns, std::string name_key)
      : folder_(std::move(folder)), columns_(columns), name_key_(std::move(name_key)) {}
  Status OpenFiles();
  Status AddRow(std::span<const float> row);

  const std::string folder_;
  const int columns_;
  const std::string name_key_;
  std::unique_ptr<AppendFile> rows_;
  std::unique_ptr<AppendFile> lines_;
  std::unique_ptr<AppendFile> files_;
  std::unique_ptr<Journal> journal_;
  Checkpoint now_;
  Checkpoint saved_;
};

/// SHA-256 and size of a file.
/// \param crc gets the CRC-32C of what follows the first `skip` bytes; may be null.
/// Errors: kNotFound, kUnavailable naming the file.
Result<FileDigest> DigestFile(const std::string& path, uint64_t skip = 0, uint32_t* crc = nullptr);

}  // namespace photovec::bulk
