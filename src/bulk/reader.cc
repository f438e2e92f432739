// SPDX-License-Identifier: MIT
#include "bulk/reader.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

namespace photovec::bulk {
namespace {

class OpenFile {
 public:
  // O_NONBLOCK: opening a pipe that nobody writes must not hang.
  explicit OpenFile(const std::string& path) : fd_(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {}
  ~OpenFile() {
    if (fd_ >= 0) close(fd_);
  }
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;
  int fd() const { return fd_; }

 private:
  const int fd_;
};

Status CannotRead(const std::string& path, int error) {
  const Code code = error == ENOENT || error == ENOTDIR ? Code::kNotFound : Code::kSourceFailed;
  return {code, "cannot read " + path + ": " + std::strerror(error)};
}

}  // namespace

Result<Bytes> ReadWholeFile(const std::string& path, int64_t max_bytes) {
  const OpenFile file(path);
  struct stat info {};
  if (file.fd() < 0 || fstat(file.fd(), &info) != 0) return CannotRead(path, errno);
  if (!S_ISREG(info.st_mode)) return Status(Code::kSourceFailed, path + " is not a regular file");
  if (info.st_size > max_bytes) {
    return Status(Code::kBodyTooLarge, path + " has " + std::to_string(info.st_size) + " bytes; at most " +
                                           std::to_string(max_bytes) + " are allowed");
  }
  std::vector<uint8_t> data(static_cast<size_t>(info.st_size));
  size_t have = 0;
  while (have < data.size()) {
    const ssize_t got = read(file.fd(), data.data() + have, data.size() - have);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return CannotRead(path, errno);
    if (got == 0) break;  // it became shorter meanwhile: the decoder judges what is left
    have += static_cast<size_t>(got);
  }
  data.resize(have);
  return Bytes::Own(std::move(data));
}

PathReader::PathReader(int threads, size_t max_waiting) : pool_("read", threads, 0, max_waiting) {}

void PathReader::Fetch(fetch::FetchRequest request, fetch::FetchCallback done) {
  auto shared = std::make_shared<fetch::FetchCallback>(std::move(done));
  std::function<void()> task = [request = std::move(request), shared] {
    if (request.cancel != nullptr && request.cancel->cancelled()) {
      (*shared)(Status(Code::kCancelled, "cancelled before it was read"));
    } else if (request.deadline.Expired()) {
      (*shared)(Status(Code::kDeadlineExceeded, "its time was up before it was read"));
    } else {
      (*shared)(ReadWholeFile(request.reference, request.max_bytes));
    }
  };
  if (!pool_.TryPost(task)) (*shared)(Status(Code::kOverloaded, "too many files wait to be read"));
}

}  // namespace photovec::bulk
