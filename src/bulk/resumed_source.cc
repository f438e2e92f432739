// SPDX-License-Identifier: MIT
#include "bulk/resumed_source.h"

#include <utility>

#include "bulk/walker.h"

namespace photovec::bulk {
namespace {

bool SamePlace(const Found& a, const Found& b) { return a.id.input == b.id.input && a.path == b.path; }

bool ComesBefore(const Found& a, const Found& b) {
  if (a.id.input != b.id.input) return a.id.input < b.id.input;
  return WalkedBefore(a.path, b.path);
}

}  // namespace

Status ResumedSource::ListDiffers(int64_t line, const std::string& before, const std::optional<Found>& now) {
  return {Code::kInvalidRequest, "the list is another one: its name number " + std::to_string(line) +
                                     " was '" + before + "', and " +
                                     (now ? "is '" + now->path + "'" : "is not there any more") +
                                     "; give the same list, or begin anew without --resume"};
}

Result<bool> ResumedSource::Compare(const std::string& folder, int64_t lines, int columns) {
  ASSIGN_OR_RETURN(earlier_, EarlierLines::Open(folder, lines, columns));
  while (true) {
    ASSIGN_OR_RETURN(const auto before, earlier_->Next());
    if (!before) {
      counts_.kept = same_;
      earlier_.reset();
      return true;
    }
    pending_ = source_.Next();
    RETURN_IF_ERROR(source_.status());
    if (kind_ == InputKind::kList && (!pending_ || pending_->path != before->path)) {
      return ListDiffers(same_ + 1, before->path, pending_);
    }
    if (!pending_ || !SamePlace(*before, *pending_) || before->id != pending_->id) break;
    ++same_;
    pending_.reset();
  }
  ASSIGN_OR_RETURN(earlier_, EarlierLines::Open(folder, lines, columns));
  in_earlier_ = true;
  return false;
}

std::optional<Found> ResumedSource::Next() {
  if (!status_.ok()) return std::nullopt;
  if (in_earlier_) return NextEarlier();
  if (pending_) return std::exchange(pending_, std::nullopt);
  return source_.Next();
}

// Reads the next line of the earlier part into before_; false at its end, or after an error.
bool ResumedSource::TakeEarlier() {
  auto line = earlier_->NextWithResult();
  if (!line.ok()) status_ = line.status();
  before_ = line.ok() ? std::move(*line) : std::nullopt;
  return before_.has_value();
}

std::optional<Found> ResumedSource::NextEarlier() {
  if (handed_out_ < same_) {
    ++handed_out_;
    if (!TakeEarlier()) return std::nullopt;
    ++counts_.kept;
    return std::exchange(before_, std::nullopt);
  }
  auto found = Merge();
  if (!found) in_earlier_ = false;
  return found;
}

// before_ and pending_ are the heads of two lists in the same order.
std::optional<Found> ResumedSource::Merge() {
  while (before_ || TakeEarlier()) {
    if (!pending_) pending_ = source_.Next();
    if (!source_.status().ok()) return std::nullopt;
    if (pending_ && SamePlace(*before_, *pending_)) {
      Found earlier = std::move(*before_);
      before_.reset();
      Found found = *std::exchange(pending_, std::nullopt);
      if (earlier.id == found.id && found.status.ok()) {
        ++counts_.kept;
        return earlier;
      }
      ++(earlier.id == found.id ? counts_.kept : counts_.changed);
      return found;
    }
    if (kind_ == InputKind::kList) {
      status_ = ListDiffers(counts_.kept + counts_.changed + 1, before_->path, pending_);
      return std::nullopt;
    }
    if (pending_ && ComesBefore(*pending_, *before_)) {
      ++counts_.added;
      return std::exchange(pending_, std::nullopt);
    }
    ++counts_.gone;
    before_.reset();
  }
  return std::nullopt;
}

}  // namespace photovec::bulk
