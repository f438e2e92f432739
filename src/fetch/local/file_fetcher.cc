// SPDX-License-Identifier: MIT
#include "fetch/local/file_fetcher.h"

#include <fcntl.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <system_error>
#include <utility>
#include <vector>

#include "base/log.h"
#include "base/text/sizes.h"
#include "fetch/local/fetch_pool.h"
#include "fetch/reference.h"

namespace photovec::fetch {
namespace {

constexpr int64_t kChunkBytes = 1 << 20;

Status Outside() { return {Code::kSourceNotAllowed, "it is not under the image root"}; }

Status Failed(int error) {
  return {Code::kSourceFailed,
          "reading it failed: " + std::error_code(error, std::generic_category()).message()};
}

/// Fills [from, to) of the file into `data`; returns how many bytes there were.
Result<int64_t> ReadRange(int fd, uint8_t* data, int64_t from, int64_t to) {
  int64_t done = 0;
  while (from + done < to) {
    const ssize_t got = pread(fd, data + done, static_cast<size_t>(to - from - done), from + done);
    if (got == 0) break;
    if (got > 0) {
      done += got;
    } else if (errno != EINTR) {
      return Failed(errno);
    }
  }
  return done;
}

bool SameFile(const struct stat& a, const struct stat& b) {
  return a.st_size == b.st_size && a.st_mtim.tv_sec == b.st_mtim.tv_sec &&
         a.st_mtim.tv_nsec == b.st_mtim.tv_nsec;
}

bool IsFileUrl(std::string_view reference) {
  // SchemeOf says kFile for bare names, too; only a URL has a ':' at this place after "file".
  return SchemeOf(reference) == Scheme::kFile && reference.size() > 4 && reference[4] == ':' &&
         strncasecmp(reference.data(), "file", 4) == 0;
}

/// What is left of an absolute path when it begins with `root`.
std::optional<std::string> Below(const std::string& root, const std::string& path) {
  if (root.empty() || !path.starts_with(root)) return std::nullopt;
  size_t rest = root.size();
  if (root.back() != '/' && rest < path.size() && path[rest] != '/') return std::nullopt;
  rest = std::min(path.find_first_not_of('/', rest), path.size());
  return path.substr(rest);
}

}  // namespace

Result<Bytes> ReadRegularFile(int fd, int64_t max_bytes, const std::function<Status()>& still_wanted) {
  struct stat before {};
  if (fstat(fd, &before) != 0) return Failed(errno);
  if (!S_ISREG(before.st_mode)) return Status(Code::kSourceNotAllowed, "it is not a regular file");
  const int64_t size = before.st_size;
  if (size > max_bytes) {
    return Status(Code::kBodyTooLarge,
                  "it has " + HumanBytes(static_cast<uint64_t>(size)) + ", the limit is " +
                      HumanBytes(static_cast<uint64_t>(std::max<int64_t>(max_bytes, 0))));
  }
  // The kernel reads all of it ahead while the first chunk is copied; only advice, so it cannot fail in a way
  // that matters.
  posix_fadvise(fd, 0, size, POSIX_FADV_WILLNEED);
  std::vector<uint8_t> data(static_cast<size_t>(size));
  bool complete = true;
  for (int64_t at = 0; at < size && complete; at += kChunkBytes) {
    RETURN_IF_ERROR(still_wanted());
    const int64_t end = std::min(size, at + kChunkBytes);
    ASSIGN_OR_RETURN(const int64_t got, ReadRange(fd, data.data() + at, at, end));
    complete = got == end - at;
  }
  struct stat after {};
  if (fstat(fd, &after) != 0) return Failed(errno);
  if (!complete || !SameFile(before, after)) {
    return Status(Code::kSourceChanged, "it was changed while it was read; ask again");
  }
  return Bytes::Own(std::move(data));
}

Result<std::string> FileFetcher::RelativePath(std::string_view reference) const {
  std::string path(reference);
  if (IsFileUrl(reference)) {
    std::string_view rest = reference.substr(5);
    if (rest.starts_with("//")) {
      rest.remove_prefix(2);
      const size_t slash = rest.find('/');
      const std::string_view host = rest.substr(0, slash);
      if (!host.empty() && host != "localhost") {
        return Status(Code::kSourceNotAllowed, "it is on another host; write file:///path");
      }
      rest.remove_prefix(host.size());
    }
    if (!rest.starts_with('/')) return Status(Code::kInvalidRequest, "no absolute path; write file:///path");
    if (rest.find_first_of("?#") != std::string_view::npos) {
      return Status(Code::kInvalidRequest, "file URLs have no query; write %3F for '?' and %23 for '#'");
    }
    ASSIGN_OR_RETURN(path, PercentDecode(rest));
  }
  if (path.empty()) return Status(Code::kInvalidRequest, "the name is empty");
  if (path.find('\0') != std::string::npos) return Status(Code::kInvalidRequest, "the name contains NUL");
  if (path.front() != '/') return path;
  for (const std::string& root : {root_.real_path(), root_.given_path()}) {
    if (const auto relative = Below(root, path)) return *relative;
  }
  return Outside();
}

Result<Bytes> FileFetcher::Read(const FetchRequest& request) const {
  ASSIGN_OR_RETURN(const std::string path, RelativePath(request.reference));
  ASSIGN_OR_RETURN(const FileDescriptor file, root_.OpenFile(path));
  return ReadRegularFile(file.get(), request.max_bytes, [&] { return StillWanted(request); });
}

void FileFetcher::Fetch(FetchRequest request, FetchCallback done) {
  pool_.Post(std::move(request), std::move(done), [this](const FetchRequest& r) -> Result<Bytes> {
    Result<Bytes> bytes = Read(r);
    if (bytes.ok()) return bytes;
    const Status status = bytes.status().WithContext("file " + Shown(r.reference));
    log::debug("fetch: {}", status.ToString());
    return status;
  });
}

}  // namespace photovec::fetch
