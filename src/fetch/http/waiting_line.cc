// SPDX-License-Identifier: MIT
#include "fetch/http/waiting_line.h"

#include <utility>

namespace photovec::fetch {
namespace {

constexpr size_t kMostGroups = 1024;

}  // namespace

std::shared_ptr<Group> WaitingLine::GroupOf(const std::string& name) {
  auto& group = groups_[name];
  if (group == nullptr) group = std::make_shared<Group>(max_active_per_group_);
  return group;
}

void WaitingLine::ForgetGroups() {
  if (groups_.size() <= kMostGroups) return;
  std::erase_if(groups_, [](const auto& group) { return group.second.use_count() == 1; });
}

void WaitingLine::AddLast(DownloadPtr download) {
  waiting_.push_back(std::move(download));
  changed_ = true;
}

void WaitingLine::AddFirst(DownloadPtr download) {
  waiting_.push_front(std::move(download));
  changed_ = true;
}

void WaitingLine::Remove(const Download& download) {
  waiting_.remove_if([&](const DownloadPtr& waiting) { return waiting.get() == &download; });
}

std::vector<DownloadPtr> WaitingLine::TakeReady() {
  std::vector<DownloadPtr> ready;
  if (!std::exchange(changed_, false)) return ready;
  for (auto it = waiting_.begin(); it != waiting_.end() && !full();) {
    if (!(*it)->group->HasRoom()) {
      ++it;
      continue;
    }
    (*it)->group->OnStart();
    ++active_;
    ready.push_back(std::move(*it));
    it = waiting_.erase(it);
  }
  return ready;
}

void WaitingLine::OnInactive(const Download& download) {
  download.group->OnEnd();
  --active_;
  changed_ = true;
}

}  // namespace photovec::fetch
