// SPDX-License-Identifier: MIT
#include "fetch/local/beneath.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string_view>
#include <system_error>

#include "base/log.h"

namespace photovec::fetch {
namespace {

// O_NONBLOCK: opening a FIFO must not wait for its writer. O_NOCTTY: nor may a terminal become ours.
constexpr int kOpenFlags = O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;

int OpenAt2(int directory, const char* path, int flags) {
  open_how how{};
  how.flags = static_cast<__u64>(flags);
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
  return static_cast<int>(syscall(SYS_openat2, directory, path, &how, sizeof how));
}

Status FromErrno(int error) {
  switch (error) {
    case EXDEV:   // leads outside
    case ELOOP:   // a magic link, a symbolic link where none is followed, or a loop of them
    case EACCES:  // also tells nobody which files exist in a folder that is closed to us
    case EPERM:
    case ENXIO:  // a socket, or a device without a driver
    case ENODEV:
      return {Code::kSourceNotAllowed, "it is not a file that may be read"};
    case ENOENT:
    case ENOTDIR:
      return {Code::kNotFound, "there is no such file"};
    case ENAMETOOLONG:
      return {Code::kInvalidRequest, "the name is too long"};
    case EMFILE:
    case ENFILE:
    case ENOMEM:
      return {Code::kUnavailable, "the server has too many files open"};
    default:
      return {Code::kSourceFailed, std::string("it cannot be opened: ") +
                                       std::error_code(error, std::generic_category()).message()};
  }
}

}  // namespace

Result<BeneathRoot> BeneathRoot::Open(const std::string& path, Method method) {
  BeneathRoot root;
  root.root_ = FileDescriptor(open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!root.root_.valid()) {
    return Status(Code::kInvalidRequest,
                  "image root '" + path + "': " + std::error_code(errno, std::generic_category()).message() +
                      "; give a folder that exists and can be read");
  }
  std::error_code ignored;  // a path that opens can be resolved; if not, only absolute names suffer
  root.real_path_ = std::filesystem::canonical(path, ignored).string();
  root.given_path_ = std::filesystem::absolute(path, ignored).lexically_normal().string();
  for (std::string* text : {&root.real_path_, &root.given_path_}) {
    while (text->size() > 1 && text->back() == '/') text->pop_back();
  }
  root.method_ = method;
  if (method == Method::kAuto) {
    if (const FileDescriptor probe(OpenAt2(root.root_.get(), ".", O_PATH | O_CLOEXEC)); !probe.valid()) {
      log::info("openat2 is not available here: symbolic links under {} will not be followed", path);
      root.method_ = Method::kWalk;
    }
  }
  return root;
}

int BeneathRoot::OpenByKernel(const std::string& relative) const {
  // EAGAIN: a rename elsewhere raced with a ".." in the path. The kernel asks to try again.
  constexpr int kAttempts = 16;
  int fd = -1;
  for (int i = 0; i < kAttempts; ++i) {
    fd = OpenAt2(root_.get(), relative.c_str(), kOpenFlags);
    if (fd >= 0 || errno != EAGAIN) break;
  }
  return fd;
}

int BeneathRoot::OpenByWalk(const std::string& relative) const {
  FileDescriptor folder;
  std::string_view rest = relative;
  while (true) {
    const int at = folder.valid() ? folder.get() : root_.get();
    const size_t slash = rest.find('/');
    const std::string part(rest.substr(0, slash));
    const bool last = slash == std::string_view::npos;
    if (part == "..") {
      errno = EXDEV;
      return -1;
    }
    if (last) return openat(at, part.empty() ? "." : part.c_str(), kOpenFlags | O_NOFOLLOW);
    rest.remove_prefix(slash + 1);
    if (part.empty() || part == ".") continue;
    FileDescriptor next(openat(at, part.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!next.valid()) {
      const int error = errno;
      struct stat info {};
      const bool link = fstatat(at, part.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(info.st_mode);
      errno = link ? ELOOP : error;
      return -1;
    }
    folder = std::move(next);
  }
}

Result<FileDescriptor> BeneathRoot::OpenFile(const std::string& relative) const {
  const char* path = relative.empty() ? "." : relative.c_str();
  const int fd = method_ == Method::kWalk ? OpenByWalk(path) : OpenByKernel(path);
  if (fd < 0) return FromErrno(errno);
  return FileDescriptor(fd);
}

}  // namespace photovec::fetch
