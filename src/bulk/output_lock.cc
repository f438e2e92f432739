// SPDX-License-Identifier: MIT
#include "bulk/output_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

#include "base/log.h"

namespace photovec::bulk {
namespace {

constexpr int kTries = 100;  // each lost one is another run's beginning or end

Status CannotWrite(const std::string& path, int error) {
  return {Code::kUnavailable, "cannot write " + path + ": " + std::strerror(error)};
}

std::string HolderOf(const std::string& lock) {
  const auto text = ReadFile(lock, 64);
  if (!text.ok() || text->empty()) return "another process";
  return "process " + text->substr(0, text->find('\n'));
}

/// Whether the locked file is still the one that others will open.
bool StillThere(int fd, const std::string& lock) {
  struct stat ours {};
  struct stat named {};
  return fstat(fd, &ours) == 0 && stat(lock.c_str(), &named) == 0 && ours.st_ino == named.st_ino &&
         ours.st_dev == named.st_dev;
}

/// One try; no descriptor in it: another run removed the folder meanwhile.
Result<FileDescriptor> TryLock(const OutputNames& names) {
  const std::string lock = names.partial + "/lock";
  if (mkdir(names.partial.c_str(), 0777) != 0 && errno != EEXIST) return CannotWrite(names.partial, errno);
  FileDescriptor file(open(lock.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666));
  if (!file.valid()) {
    if (errno == ENOENT) return FileDescriptor();
    return CannotWrite(lock, errno);
  }
  while (flock(file.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EINTR) continue;
    if (errno == EWOULDBLOCK) {
      return Status(Code::kUnavailable, "another run (" + HolderOf(lock) + ") is writing " + names.npy +
                                            "; wait for it, or choose another --output");
    }
    log::warn("{} cannot be locked ({}): see to it yourself that no two runs write {}", lock,
              std::strerror(errno), names.npy);
    break;
  }
  if (!StillThere(file.get(), lock)) return FileDescriptor();
  const std::string pid = std::to_string(getpid()) + "\n";
  if (ftruncate(file.get(), 0) != 0 || write(file.get(), pid.data(), pid.size()) < 0) {
    return CannotWrite(lock, errno);
  }
  return file;
}

}  // namespace

Result<std::unique_ptr<OutputLock>> OutputLock::Take(const OutputNames& names) {
  for (int i = 0; i < kTries; ++i) {
    ASSIGN_OR_RETURN(FileDescriptor file, TryLock(names));
    if (file.valid()) return std::unique_ptr<OutputLock>(new OutputLock(names.partial, std::move(file)));
  }
  return Status(Code::kUnavailable, "other runs make and remove " + names.partial + " all the time");
}

OutputLock::~OutputLock() {
  std::error_code ignored;  // what is left is found, and removed, by the next run
  size_t entries = 0;
  for (auto entry = std::filesystem::directory_iterator(folder_, ignored);
       !ignored && entry != std::filesystem::directory_iterator(); entry.increment(ignored)) {
    ++entries;
  }
  if (ignored || entries != 1) return;
  std::filesystem::remove(folder_ + "/lock", ignored);
  std::filesystem::remove(folder_, ignored);
}

}  // namespace photovec::bulk
