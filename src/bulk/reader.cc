// SPDX-License-Identifier: MIT
#include "bulk/reader.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <functional>
#include <memory>
#include <thread>
#include <utility>

#include "base/files.h"
#include "fetch/local/file_fetcher.h"

namespace photovec::bulk {
namespace {

// A file that is being written is given so much time to be finished; then it is an error of its own.
constexpr std::array kWaits = {std::chrono::milliseconds(20), std::chrono::milliseconds(100),
                               std::chrono::milliseconds(500)};

// File systems stamp a write with a clock that ticks 100 to 1,000 times a second: of a file that was written
// less than two ticks ago a further write may not show.
constexpr int64_t kFreshNs = 20'000'000;

bool WrittenJustNow(int fd) {
  struct stat info {};
  timespec now{};
  if (fstat(fd, &info) != 0 || clock_gettime(CLOCK_REALTIME, &now) != 0) return false;
  const int64_t age =
      (now.tv_sec - info.st_mtim.tv_sec) * 1'000'000'000 + (now.tv_nsec - info.st_mtim.tv_nsec);
  return age >= 0 && age < kFreshNs;
}

Result<Bytes> ReadOnce(const std::string& path, int64_t max_bytes,
                       const std::function<Status()>& still_wanted) {
  // O_NONBLOCK: a pipe that nobody writes must not hang.
  const FileDescriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!file.valid()) {
    return Status(errno == ENOENT || errno == ENOTDIR ? Code::kNotFound : Code::kSourceFailed,
                  "cannot read " + path + ": " + std::strerror(errno));
  }
  if (WrittenJustNow(file.get())) return Status(Code::kSourceChanged, "it was written just now");
  auto bytes = fetch::ReadRegularFile(file.get(), max_bytes, still_wanted);
  if (bytes.ok()) return bytes;
  const Status& why = bytes.status();
  // The fetcher's word for a folder or a device, which it must not open; here nothing is forbidden.
  const Code code = why.code() == Code::kSourceNotAllowed ? Code::kSourceFailed : why.code();
  return Status(code, path + ": " + why.message());
}

}  // namespace

Result<Bytes> ReadWholeFile(const std::string& path, int64_t max_bytes,
                            const std::function<Status()>& still_wanted) {
  for (const auto wait : kWaits) {
    auto bytes = ReadOnce(path, max_bytes, still_wanted);
    if (bytes.ok() || bytes.status().code() != Code::kSourceChanged) return bytes;
    std::this_thread::sleep_for(wait);
  }
  auto bytes = ReadOnce(path, max_bytes, still_wanted);
  if (bytes.ok() || bytes.status().code() != Code::kSourceChanged) return bytes;
  return Status(Code::kSourceChanged, path + " was changed while it was read, " +
                                          std::to_string(kWaits.size() + 1) +
                                          " times in a row; embed it when its writer is done");
}

PathReader::PathReader(int threads, size_t max_waiting) : pool_("read", threads, 0, max_waiting) {}

void PathReader::Fetch(fetch::FetchRequest request, fetch::FetchCallback done) {
  auto shared = std::make_shared<fetch::FetchCallback>(std::move(done));
  std::function<void()> task = [request = std::move(request), shared] {
    const auto still_wanted = [&] { return fetch::StillWanted(request); };
    const Status wanted = still_wanted();
    (*shared)(wanted.ok() ? ReadWholeFile(request.reference, request.max_bytes, still_wanted)
                          : Result<Bytes>(wanted));
  };
  if (!pool_.TryPost(task)) (*shared)(Status(Code::kOverloaded, "too many files wait to be read"));
}

}  // namespace photovec::bulk
