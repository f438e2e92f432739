// SPDX-License-Identifier: MIT
#include "bulk/walker.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <span>

#include "base/log.h"
#include "base/text/image_names.h"
#include "decode/formats/formats.h"
#include "decode/sniff.h"

namespace photovec::bulk {
namespace {

constexpr int64_t kNanoseconds = 1'000'000'000;

Status CannotRead(const std::string& path, int error) {
  const Code code = error == ENOENT || error == ENOTDIR ? Code::kNotFound : Code::kUnavailable;
  return {code, "cannot read " + path + ": " + std::strerror(error)};
}

std::string JoinPath(const std::string& folder, const std::string& name) {
  return folder.empty() || folder.back() == '/' ? folder + name : folder + "/" + name;
}

}  // namespace

bool BeginsAsImage(const std::string& path) {
  // Regular files only: opening waits for nobody. Without O_NOFOLLOW, as links to files are taken.
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (fd < 0) return false;
  std::array<uint8_t, kSniffBytes> head{};
  const ssize_t got = pread(fd, head.data(), head.size(), 0);
  close(fd);
  if (got <= 0) return false;
  return decode::FindFormat(decode::Sniff(std::span(head).first(static_cast<size_t>(got)))) != nullptr;
}

Found LookAt(std::string path, uint32_t input) {
  struct stat info {};
  Found found;
  found.id.input = input;
  if (stat(path.c_str(), &info) != 0) {
    found.status = CannotRead(path, errno);
  } else {
    found.id.size = info.st_size;
    found.id.mtime_ns = info.st_mtim.tv_sec * kNanoseconds + info.st_mtim.tv_nsec;
    found.is_folder = S_ISDIR(info.st_mode);
    found.is_regular = S_ISREG(info.st_mode);
    found.device = info.st_dev;
    found.inode = info.st_ino;
  }
  found.path = std::move(path);
  return found;
}

bool WalkedBefore(std::string_view a, std::string_view b) {
  const auto rank = [](char c) { return c == '/' ? 0 : 1 + static_cast<int>(static_cast<unsigned char>(c)); };
  return std::lexicographical_compare(a.begin(), a.end(), b.begin(), b.end(),
                                      [&](char x, char y) { return rank(x) < rank(y); });
}

PathWalker::PathWalker(std::vector<std::string> inputs, bool all_files, Warnings warnings)
    : inputs_(std::move(inputs)), all_files_(all_files), warnings_(warnings) {
  std::reverse(inputs_.begin(), inputs_.end());
}

std::optional<Found> PathWalker::Next() {
  while (true) {
    if (!levels_.empty()) {
      Level& level = levels_.back();
      if (level.order.empty()) {
        levels_.pop_back();
        continue;
      }
      const std::string name = level.text.c_str() + level.order.back();
      level.order.pop_back();
      const std::string folder = level.path;  // VisitInside may push a level, which moves this one
      if (auto found = VisitInside(folder, name)) return found;
    } else if (!inputs_.empty()) {
      std::string path = std::move(inputs_.back());
      inputs_.pop_back();
      ++input_;
      followed_.clear();
      if (auto found = VisitInput(std::move(path))) return found;
    } else {
      return std::nullopt;
    }
  }
}

std::optional<Found> PathWalker::VisitInput(std::string path) {
  Found found = LookAt(std::move(path), input_ - 1);
  if (found.is_folder) return Enter(found);
  return found;
}

std::optional<Found> PathWalker::VisitInside(const std::string& folder, const std::string& name) {
  Found found = LookAt(JoinPath(folder, name), input_ - 1);
  if (!found.status.ok()) {
    struct stat info {};
    if (found.status.code() == Code::kNotFound && lstat(found.path.c_str(), &info) != 0 && errno == ENOENT) {
      ++passed_over_.vanished;
      return std::nullopt;
    }
    return found;  // also a link to nowhere: it may have led to a folder of photos
  }
  if (found.is_folder) return MayEnter(found) ? Enter(found) : std::nullopt;
  if (!found.is_regular) {
    ++passed_over_.not_files;
    return std::nullopt;
  }
  if (!all_files_ && !HasImageName(name) && !BeginsAsImage(found.path)) {
    const std::string extension = ExtensionOf(name);
    passed_over_.CountByName(extension.empty() ? "no extension" : extension);
    return std::nullopt;
  }
  return found;
}

void PathWalker::LeaveOut(const std::string& folder) {
  const Found found = LookAt(folder, 0);
  if (found.is_folder) left_out_ = {found.device, found.inode};
}

bool PathWalker::MayEnter(const Found& folder) {
  const FolderId id(folder.device, folder.inode);
  if (id == left_out_) return false;
  if (std::any_of(levels_.begin(), levels_.end(), [&](const Level& l) { return l.id == id; })) {
    CountLink(passed_over_.loops, folder.path, "leads back to a folder that it lies in");
    return false;
  }
  struct stat info {};
  const bool link = lstat(folder.path.c_str(), &info) == 0 && S_ISLNK(info.st_mode);
  if (link && !followed_.insert(id).second) {
    CountLink(passed_over_.seen_folders, folder.path, "leads to a folder that another link led to before");
    return false;
  }
  return true;
}

void PathWalker::CountLink(int64_t& count, const std::string& path, const char* why) const {
  if (count++ == 0 && warnings_ == Warnings::kOn) {
    log::warn("{} {}: not followed (further ones are only counted)", path, why);
  }
}

// Hands out an error when the listing is not whole; what was listed is still walked.
std::optional<Found> PathWalker::Enter(const Found& folder) {
  const auto unreadable = [&](int error) {
    Found found{folder.path, CannotRead(folder.path, error)};
    found.id.input = folder.id.input;
    return found;
  };
  const std::unique_ptr<DIR, int (*)(DIR*)> dir(opendir(folder.path.c_str()), closedir);
  if (dir == nullptr) return unreadable(errno);
  Level level{folder.path, {folder.device, folder.inode}, {}, {}};
  errno = 0;
  for (const dirent* entry = readdir(dir.get()); entry != nullptr; errno = 0, entry = readdir(dir.get())) {
    const std::string_view name = entry->d_name;
    if (name == "." || name == "..") continue;
    if (!all_files_ && name[0] == '.') {
      passed_over_.CountByName("hidden");
      continue;
    }
    level.order.push_back(level.text.size());
    level.text.append(name).push_back('\0');
  }
  const int error = errno;
  std::sort(level.order.begin(), level.order.end(), [&](size_t a, size_t b) {
    return std::strcmp(level.text.c_str() + a, level.text.c_str() + b) > 0;
  });
  levels_.push_back(std::move(level));
  return error == 0 ? std::nullopt : std::optional(unreadable(error));
}

}  // namespace photovec::bulk
