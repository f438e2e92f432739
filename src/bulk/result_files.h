// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/result.h"
#include "bulk/output_names.h"
#include "bulk/partial_result.h"

/// The three files of a result: how a finished one takes the place of the older one, and whether those that
/// lie somewhere belong together. Blocking. Of one output, one caller at a time (output_lock.h).
namespace photovec::bulk {

/// Puts a finished result (PartialResult::Finish) from run/ where the user wants it: each older file gets a
/// second name in replaced/, then the new ones are renamed over them, NAME.meta.json last. When a step fails
/// the older result is put back. When the process dies between two steps the files do not belong together,
/// which NAME.meta.json tells (CheckResult), and the next run of this output calls this again.
/// Errors: kUnavailable saying what failed and what lies where. The new result stays in run/ and can be put
/// in place later.
Status PutInPlace(const OutputNames& names);

/// What is in NAME.partial/run.
struct Leftover {
  std::optional<JournalContent> journal;  ///< of an interrupted run
  bool finished = false;                  ///< nothing is missing but PutInPlace() or RemoveLeftover()
};
/// Looks, and tidies what a run that died left behind: next/ and what is half removed.
/// Errors: kUnavailable when something there cannot be read, moved or removed.
Result<Leftover> FindLeftover(const OutputNames& names);
/// Removes run/, next/ and replaced/. Errors: kUnavailable naming what is left.
Status RemoveLeftover(const OutputNames& names);
/// Makes next/ what run/ was. Errors: kUnavailable.
Status TakeNext(const OutputNames& names);

/// What NAME.meta.json says of a result that is whole.
struct CheckedResult {
  std::string generation;
  std::string fingerprint;
  int64_t vectors = 0;
  int64_t inputs = 0;
  int64_t failed = 0;
};
/// Reads all three files and compares sizes and digests. A run that puts new files in place meanwhile is
/// waited for, in a way: it begins again when NAME.meta.json changed under it.
/// Errors: kNotFound, kUnavailable; kChecksumMismatch for files that do not belong together or are damaged;
/// kInvalidRequest for a NAME.meta.json of photovec 0.1 or of another program. All name the file.
Result<CheckedResult> CheckResult(const OutputNames& names);

}  // namespace photovec::bulk
