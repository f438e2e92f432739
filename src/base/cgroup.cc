// SPDX-License-Identifier: MIT
#include "base/cgroup.h"

#include <algorithm>
#include <fstream>
#include <sstream>
#include <string_view>
#include <vector>

namespace photovec {
namespace {

// Version 1 writes "no limit" as the largest multiple of a page below 2^63.
constexpr uint64_t kNoLimit = uint64_t{1} << 60;

/// One line of /proc/self/cgroup: version 2 has no controllers.
struct Group {
  std::vector<std::string> controllers;
  std::string path;
};

/// A mounted hierarchy: `root` is the group that stands at `point`.
struct Hierarchy {
  bool v2 = false;
  std::string root;
  std::string point;
  std::vector<std::string> options;  ///< of version 1 the controllers are among them
};

std::vector<std::string> Split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  std::istringstream in(text);
  for (std::string part; std::getline(in, part, separator);) parts.push_back(part);
  return parts;
}

bool Has(const std::vector<std::string>& list, std::string_view name) {
  return std::find(list.begin(), list.end(), name) != list.end();
}

std::vector<Group> ReadGroups(const std::string& root) {
  std::vector<Group> groups;
  std::ifstream file(root + "/proc/self/cgroup");
  for (std::string line; std::getline(file, line);) {  // "4:memory:/a/b", "0::/a/b"
    const size_t first = line.find(':');
    const size_t second = line.find(':', first == std::string::npos ? first : first + 1);
    if (second == std::string::npos) continue;
    groups.push_back({Split(line.substr(first + 1, second - first - 1), ','), line.substr(second + 1)});
  }
  return groups;
}

/// mountinfo writes blanks in names as \040 and the like (proc(5)).
std::string Unescape(const std::string& text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 3 < text.size()) {
      out += static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 + (text[i + 3] - '0'));
      i += 3;
    } else {
      out += text[i];
    }
  }
  return out;
}

std::vector<Hierarchy> ReadHierarchies(const std::string& root) {
  std::vector<Hierarchy> hierarchies;
  std::ifstream file(root + "/proc/self/mountinfo");
  for (std::string line; std::getline(file, line);) {
    // "33 31 0:30 ROOT POINT options [optional fields] - TYPE source super-options"
    const size_t dash = line.find(" - ");
    if (dash == std::string::npos) continue;
    const std::vector<std::string> before = Split(line.substr(0, dash), ' ');
    const std::vector<std::string> behind = Split(line.substr(dash + 3), ' ');
    if (before.size() < 5 || behind.empty() || !behind[0].starts_with("cgroup")) continue;
    hierarchies.push_back({behind[0] == "cgroup2", Unescape(before[3]), Unescape(before[4]),
                           Split(behind.size() > 2 ? behind[2] : "", ',')});
  }
  return hierarchies;
}

std::string ReadLine(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

template <typename T>
void Lower(std::optional<T>& limit, T value) {
  if (!limit || value < *limit) limit = value;
}

/// A number of bytes; "max" and what is not there limit nothing.
void LowerMemory(const std::string& text, CgroupLimits& limits) {
  std::istringstream in(text);
  uint64_t bytes = 0;
  if (in >> bytes && bytes > 0 && bytes < kNoLimit) Lower(limits.memory_bytes, bytes);
}

void LowerCpus(const std::string& text, CgroupLimits& limits) {
  std::istringstream in(text);  // "200000 100000"; "max 100000" and "-1 100000" limit nothing
  double quota = 0;
  double period = 0;
  if (in >> quota >> period && quota > 0 && period > 0) Lower(limits.cpus, quota / period);
}

void ReadLevel(const std::string& folder, CgroupLimits& limits) {
  LowerMemory(ReadLine(folder + "/memory.max"), limits);
  LowerMemory(ReadLine(folder + "/memory.high"), limits);
  LowerMemory(ReadLine(folder + "/memory.limit_in_bytes"), limits);
  LowerCpus(ReadLine(folder + "/cpu.max"), limits);
  LowerCpus(ReadLine(folder + "/cpu.cfs_quota_us") + " " + ReadLine(folder + "/cpu.cfs_period_us"), limits);
  std::ifstream stat(folder + "/memory.stat");
  uint64_t value = 0;
  for (std::string name; stat >> name >> value;) {
    // Version 1 says what groups around this one allow, also those that a container cannot see.
    if (name == "hierarchical_memory_limit") LowerMemory(std::to_string(value), limits);
  }
}

/// The group's path below the one that is mounted; from a container's own namespace it may not lie below.
std::string Below(const std::string& path, const std::string& root) {
  if (root == "/") return path == "/" ? "" : path;
  const bool inside = path.starts_with(root) && (path.size() == root.size() || path[root.size()] == '/');
  return inside ? path.substr(root.size()) : "";
}

}  // namespace

CgroupLimits ReadCgroupLimits(const std::string& root) {
  CgroupLimits limits;
  const std::vector<Hierarchy> hierarchies = ReadHierarchies(root);
  for (const Group& group : ReadGroups(root)) {
    for (const Hierarchy& hierarchy : hierarchies) {
      const bool same = group.controllers.empty()
                            ? hierarchy.v2
                            : !hierarchy.v2 && std::any_of(group.controllers.begin(), group.controllers.end(),
                                                           [&](const std::string& name) {
                                                             return Has(hierarchy.options, name);
                                                           });
      if (!same) continue;
      std::string path = Below(group.path, hierarchy.root);
      for (;;) {
        ReadLevel(root + hierarchy.point + path, limits);
        if (path.empty()) break;
        path.resize(path.rfind('/') == std::string::npos ? 0 : path.rfind('/'));
      }
    }
  }
  return limits;
}

}  // namespace photovec
