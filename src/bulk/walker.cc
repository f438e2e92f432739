// SPDX-License-Identifier: MIT
#include "bulk/walker.h"

#include <dirent.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <cstring>
#include <functional>

#include "base/text/ascii.h"

namespace photovec::bulk {
namespace {

Status CannotRead(const std::string& path, int error) {
  const Code code = error == ENOENT || error == ENOTDIR ? Code::kNotFound : Code::kUnavailable;
  return {code, "cannot read " + path + ": " + std::strerror(error)};
}

std::string JoinPath(const std::string& folder, const std::string& name) {
  return folder.empty() || folder.back() == '/' ? folder + name : folder + "/" + name;
}

}  // namespace

bool HasImageExtension(std::string_view name) {
  static constexpr std::array<std::string_view, 13> kExtensions = {
      "jpg", "jpeg", "jpe", "jfif", "png", "webp", "gif", "heic", "heif", "avif", "bmp", "tif", "tiff"};
  const size_t dot = name.rfind('.');
  if (dot == std::string_view::npos) return false;
  const std::string extension = LowerAscii(name.substr(dot + 1));
  return std::find(kExtensions.begin(), kExtensions.end(), extension) != kExtensions.end();
}

PathWalker::PathWalker(std::vector<std::string> inputs, bool all_files)
    : inputs_(std::move(inputs)), all_files_(all_files) {
  std::reverse(inputs_.begin(), inputs_.end());
}

std::optional<PathWalker::Found> PathWalker::Next() {
  while (true) {
    if (!levels_.empty()) {
      Level& level = levels_.back();
      if (level.names.empty()) {
        levels_.pop_back();
        continue;
      }
      const std::string name = std::move(level.names.back());
      level.names.pop_back();
      const std::string folder = level.path;  // VisitInside may push a level, which moves this one
      if (auto found = VisitInside(folder, name)) return found;
    } else if (!inputs_.empty()) {
      std::string path = std::move(inputs_.back());
      inputs_.pop_back();
      if (auto found = VisitInput(std::move(path))) return found;
    } else {
      return std::nullopt;
    }
  }
}

std::optional<PathWalker::Found> PathWalker::VisitInput(std::string path) {
  struct stat info {};
  if (stat(path.c_str(), &info) != 0) return Found{path, CannotRead(path, errno)};
  if (S_ISDIR(info.st_mode)) return Enter(path, {info.st_dev, info.st_ino});
  return Found{std::move(path), Status::Ok()};
}

std::optional<PathWalker::Found> PathWalker::VisitInside(const std::string& folder, const std::string& name) {
  const std::string path = JoinPath(folder, name);
  struct stat info {};
  if (stat(path.c_str(), &info) != 0) {
    // A dangling link that looks like a photo is worth a line; any other is not.
    if (HasImageExtension(name)) return Found{path, CannotRead(path, errno)};
    ++skipped_;
    return std::nullopt;
  }
  if (S_ISDIR(info.st_mode)) {
    const std::pair id(info.st_dev, info.st_ino);
    const bool inside =
        std::any_of(levels_.begin(), levels_.end(), [&](const Level& l) { return l.id == id; });
    return inside ? std::nullopt : Enter(path, id);
  }
  if (!S_ISREG(info.st_mode) || (!all_files_ && !HasImageExtension(name))) {
    ++skipped_;
    return std::nullopt;
  }
  return Found{path, Status::Ok()};
}

std::optional<PathWalker::Found> PathWalker::Enter(const std::string& path, std::pair<dev_t, ino_t> id) {
  DIR* dir = opendir(path.c_str());
  if (dir == nullptr) return Found{path, CannotRead(path, errno)};
  Level level{path, id, {}};
  while (const dirent* entry = readdir(dir)) {
    const std::string name = entry->d_name;
    if (name == "." || name == "..") continue;
    if (!all_files_ && name[0] == '.') {
      ++skipped_;
      continue;
    }
    level.names.push_back(name);
  }
  closedir(dir);
  std::sort(level.names.begin(), level.names.end(), std::greater<>());
  levels_.push_back(std::move(level));
  return std::nullopt;
}

}  // namespace photovec::bulk
