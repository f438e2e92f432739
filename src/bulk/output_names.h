// SPDX-License-Identifier: MIT
#pragma once

#include <string>

#include "base/result.h"

namespace photovec::bulk {

/// Where the result of `embed -o NAME.npy` lies, and where it is made. A result is three files, of which the
/// last says what the other two are (result.h). Until it is whole everything is in the folder NAME.partial:
/// run/ (partial_result.h), next/ (a checkpoint that is being rewritten), replaced/ (the older result while
/// the new one takes its place), lock.
struct OutputNames {
  std::string npy;      ///< NAME.npy
  std::string jsonl;    ///< NAME.jsonl
  std::string meta;     ///< NAME.meta.json
  std::string partial;  ///< NAME.partial

  /// Errors: kInvalidRequest unless the name ends in .npy, and when one of the three is a folder.
  static Result<OutputNames> Of(const std::string& npy_path);

  std::string RunFolder() const { return partial + "/run"; }
  std::string NextFolder() const { return partial + "/next"; }
  std::string ReplacedFolder() const { return partial + "/replaced"; }
};

/// The names of the files inside run/, next/ and replaced/.
inline constexpr const char* kRowsName = "/vectors.npy";
inline constexpr const char* kLinesName = "/vectors.jsonl";
inline constexpr const char* kMetaName = "/vectors.meta.json";
inline constexpr const char* kFilesName = "/files";
inline constexpr const char* kJournalName = "/journal";

}  // namespace photovec::bulk
