// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/result.h"
#include "bulk/earlier_lines.h"
#include "bulk/source.h"

namespace photovec::bulk {

/// Whether what may be found in the inputs may differ between two runs. Lists must be the same, line by line;
/// folders change.
enum class InputKind { kNamed, kList };

/// The inputs of a run that was interrupted, compared with what it had done. Not thread-safe.
///
/// Compare() goes through the inputs as far as the earlier run came. Mostly nothing differs; then Next() goes
/// on behind it, and the earlier files are appended to. Else Next() first hands out the earlier part anew,
/// `kept` where a file is still what it was, and ends; then, called again, what comes behind it. So the
/// result is that of a run that begins now.
class ResumedSource : public Source {
 public:
  struct Counts {
    int64_t kept = 0;
    int64_t changed = 0;  ///< another size or modification time
    int64_t added = 0;    ///< found among those that were done
    int64_t gone = 0;
  };

  /// \param source the inputs from their beginning; must outlive this object.
  ResumedSource(Source& source, InputKind kind) : source_(source), kind_(kind) {}

  /// \param folder of the earlier PartialResult, with `lines` of `columns` floats.
  /// Returns whether all of it is as it was. Errors: kInvalidRequest (a list differs: the line is named);
  /// kUnavailable.
  Result<bool> Compare(const std::string& folder, int64_t lines, int columns);

  std::optional<Found> Next() override;
  bool Ready() override { return in_earlier_ || pending_ || source_.Ready(); }
  Status status() const override { return status_.ok() ? source_.status() : status_; }
  const PassedOver& passed_over() const override { return source_.passed_over(); }
  const Counts& counts() const { return counts_; }

 private:
  std::optional<Found> NextEarlier();
  std::optional<Found> Merge();
  bool TakeEarlier();
  static Status ListDiffers(int64_t line, const std::string& before, const std::optional<Found>& now);

  Source& source_;
  const InputKind kind_;
  std::unique_ptr<EarlierLines> earlier_;
  int64_t same_ = 0;              // lines of the earlier part that Compare() found as they were
  int64_t handed_out_ = 0;        // of these
  std::optional<Found> before_;   // the earlier part's line that is compared next
  std::optional<Found> pending_;  // what the source had there
  bool in_earlier_ = false;
  Status status_;
  Counts counts_;
};

}  // namespace photovec::bulk
