// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <list>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "fetch/http/download.h"
#include "fetch/http/group.h"

namespace photovec::fetch {

/// The downloads that wait for their turn, and how many may be active: so many in all, so many per bucket or
/// host. First come, first served, but those of a group at its cap are passed over. Used by the fetch thread
/// alone.
class WaitingLine {
 public:
  WaitingLine(int max_active, int max_active_per_group)
      : max_active_(static_cast<size_t>(max_active)), max_active_per_group_(max_active_per_group) {}

  /// The group of that name, made when there is none. What is known of it lasts at least as long as somebody
  /// holds it.
  std::shared_ptr<Group> GroupOf(const std::string& name);
  /// Drops the groups that nobody holds when there are very many: clients may name any number of hosts.
  void ForgetGroups();

  void AddLast(DownloadPtr download);
  void AddFirst(DownloadPtr download);
  void Remove(const Download& download);

  /// Takes those out that may start now, in their order; each is active from now on, until OnInactive().
  std::vector<DownloadPtr> TakeReady();
  void OnInactive(const Download& download);
  /// Whether as many are active as may be.
  bool full() const { return active_ >= max_active_; }

 private:
  const size_t max_active_;
  const int max_active_per_group_;
  std::unordered_map<std::string, std::shared_ptr<Group>> groups_;
  std::list<DownloadPtr> waiting_;
  size_t active_ = 0;
  bool changed_ = false;  // somebody came into line, or a place became free: TakeReady() may find somebody
};

}  // namespace photovec::fetch
