// SPDX-License-Identifier: MIT
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.h"
#include "bulk/source.h"

namespace photovec::bulk {

/// So much of a file in a folder is read to see whether it is a photo, when its name does not say so.
inline constexpr size_t kSniffBytes = 4096;

/// Whether a file begins as a supported format does. What cannot be read does not.
bool BeginsAsImage(const std::string& path);

/// What stat() says of a path, links followed. A file of any kind is good here; what cannot be looked at has
/// a status of kNotFound or kUnavailable and no id.
Found LookAt(std::string path, uint32_t input);

/// Whether the walk comes to `a` before `b`, both found in the same input: names are compared one folder
/// after the other.
bool WalkedBefore(std::string_view a, std::string_view b);

/// Lists files one at a time: named files as they are, folders recursively and sorted by name (bytes). Keeps
/// the names of one folder per level in memory, about 10 bytes and its text for each, whatever the size of
/// the tree. Follows links to folders, but not to one that the link lies in (a loop), and to each folder once
/// for each input, so that links across each other cannot multiply.
/// Whatever cannot be read is handed out with a status: a folder, a listing that broke off, a name that
/// stat() fails for. Not thread-safe.
class PathWalker : public Source {
 public:
  /// Whether links that are not followed are logged (the first of each kind; all are counted).
  enum class Warnings { kOn, kOff };

  /// \param all_files also files that neither by name nor by content are images, and hidden names (.something).
  PathWalker(std::vector<std::string> inputs, bool all_files, Warnings warnings = Warnings::kOn);

  /// Passes over a folder wherever it is met, without counting it: the one that the result is made in. Does
  /// nothing when there is no such folder. Call before Next().
  void LeaveOut(const std::string& folder);

  /// Devices, sockets and pipes inside folders are passed over.
  std::optional<Found> Next() override;
  const PassedOver& passed_over() const override { return passed_over_; }

 private:
  using FolderId = std::pair<dev_t, ino_t>;
  // One folder's names, one after the other in one text, each ended by NUL.
  struct Level {
    std::string path;
    FolderId id;
    std::string text;
    std::vector<size_t> order;  // where each begins, sorted descending: the next is at the back
  };
  std::optional<Found> VisitInput(std::string path);
  std::optional<Found> VisitInside(const std::string& folder, const std::string& name);
  bool MayEnter(const Found& folder);
  void CountLink(int64_t& count, const std::string& path, const char* why) const;
  std::optional<Found> Enter(const Found& folder);

  std::vector<std::string> inputs_;  // the next is at the back
  const bool all_files_;
  const Warnings warnings_;
  uint32_t input_ = 0;  // how many were begun
  std::vector<Level> levels_;
  std::set<FolderId> followed_;  // in this input
  std::optional<FolderId> left_out_;
  PassedOver passed_over_;
};

}  // namespace photovec::bulk
