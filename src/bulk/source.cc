// SPDX-License-Identifier: MIT
#include "bulk/source.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "base/text/image_names.h"

namespace photovec::bulk {
namespace {

/// One entry of the list for people.
struct Group {
  int64_t count = 0;
  std::vector<std::pair<int64_t, std::string>> extensions;  // of videos and sounds, the most frequent first
};

std::string GroupText(const std::string& name, Group group) {
  std::string text = std::to_string(group.count) + " " + name;
  if (group.extensions.empty()) return text;
  std::sort(group.extensions.rbegin(), group.extensions.rend());
  constexpr size_t kMostNamed = 4;
  text += " (";
  for (size_t i = 0; i < std::min(group.extensions.size(), kMostNamed); ++i) {
    text.append(i == 0 ? "" : ", ").append(group.extensions[i].second);
  }
  return text + (group.extensions.size() > kMostNamed ? ", ...)" : ")");
}

}  // namespace

void PassedOver::CountByName(const std::string& kind) {
  ++by_name;
  const bool known = kinds.size() < kMostKinds || kinds.contains(kind);
  ++kinds[known ? kind : "others"];
}

std::string PassedOver::KindsText() const {
  std::map<std::string, Group> groups;
  for (const auto& [kind, count] : kinds) {
    const std::string_view media = MediaKindOf(kind);
    Group& group = groups[!media.empty()           ? std::string(media)
                          : kind == "no extension" ? "without an extension"
                                                   : kind];
    group.count += count;
    if (!media.empty()) group.extensions.emplace_back(count, kind);
  }
  std::vector<std::pair<std::string, Group>> sorted(groups.begin(), groups.end());
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const auto& a, const auto& b) { return a.second.count > b.second.count; });
  constexpr size_t kMostListed = 12;
  std::string text;
  int64_t rest = by_name;
  for (size_t i = 0; i < sorted.size() && i < kMostListed; ++i) {
    text.append(i == 0 ? "" : ", ").append(GroupText(sorted[i].first, sorted[i].second));
    rest -= sorted[i].second.count;
  }
  if (text.empty()) return text;
  if (rest > 0) text += ", " + std::to_string(rest) + " of other kinds";
  return std::to_string(by_name) + (by_name == 1 ? " file" : " files") + " passed over: " + text;
}

}  // namespace photovec::bulk
