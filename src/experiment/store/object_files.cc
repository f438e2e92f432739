// SPDX-License-Identifier: MIT
#include "experiment/store/object_files.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <filesystem>
#include <span>
#include <system_error>
#include <utility>
#include <vector>

#include "base/log.h"
#include "base/text/utf8.h"

namespace photovec::experiment {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kPreloadBytes = uint64_t{512} << 20;  // about a second of digesting
// Mappings of a process end at 65,530 (vm.max_map_count); the rest of the program has some, too.
constexpr size_t kMostMapped = 50'000;
constexpr size_t kReadBytes = 256 * 1024;

struct Closer {
  int fd;
  ~Closer() {
    if (fd >= 0) close(fd);
  }
};

std::string Reason(int error) { return std::error_code(error, std::generic_category()).message(); }

Status FromErrno(int error) {
  switch (error) {
    case ENOENT:
    case ENOTDIR:
    case ENAMETOOLONG:
      return {Code::kNotFound, "there is no such object"};
    case EACCES:
    case EPERM:
    case ELOOP:
      return {Code::kSourceNotAllowed, "the file may not be read"};
    case EMFILE:
    case ENFILE:
    case ENOMEM:
      return {Code::kUnavailable, "the store is out of resources: " + Reason(error)};
    default:
      return {Code::kSourceFailed, "the file cannot be read: " + Reason(error)};
  }
}

FileIdentity IdentityOf(const struct stat& info) {
  return {info.st_dev, info.st_ino, info.st_size,
          static_cast<int64_t>(info.st_mtim.tv_sec) * 1'000'000'000 + info.st_mtim.tv_nsec};
}

Status CheckName(std::string_view name) {
  if (name.find('\0') != std::string_view::npos || !IsValidUtf8(name)) {
    return {Code::kInvalidRequest, "an object's name must be UTF-8 without NUL"};
  }
  while (true) {
    const size_t slash = name.find('/');
    const std::string_view part = name.substr(0, slash);
    if (part == "..") return {Code::kSourceNotAllowed, "the name leads out of the store"};
    // "a//b" and "a/./b" are names of other objects than "a/b", and no file can have them.
    if (part.empty() || part == ".") return {Code::kNotFound, "there is no such object"};
    if (slash == std::string_view::npos) return Status::Ok();
    name.remove_prefix(slash + 1);
  }
}

std::string_view ContentTypeOf(std::string_view name) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 9> kTypes = {{
      {".jpg", "image/jpeg"},
      {".jpeg", "image/jpeg"},
      {".png", "image/png"},
      {".webp", "image/webp"},
      {".gif", "image/gif"},
      {".heic", "image/heic"},
      {".avif", "image/avif"},
      {".bmp", "image/bmp"},
      {".tiff", "image/tiff"},
  }};
  const size_t dot = name.rfind('.');
  if (dot == std::string_view::npos) return "application/octet-stream";
  std::string ending(name.substr(dot));
  std::transform(ending.begin(), ending.end(), ending.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; });
  const auto* found =
      std::find_if(kTypes.begin(), kTypes.end(), [&](const auto& t) { return t.first == ending; });
  return found == kTypes.end() ? "application/octet-stream" : found->second;
}

}  // namespace

Result<std::shared_ptr<const StoredObject>> StoredObject::Map(int fd, const FileIdentity& identity,
                                                              std::string_view name) {
  const std::shared_ptr<StoredObject> object(new StoredObject);
  object->identity_ = identity;
  object->content_type_ = ContentTypeOf(name);
  // Digested by reading, not through the mapping: a file that is cut meanwhile must not be a SIGBUS.
  Digester digester;
  std::vector<uint8_t> buffer(std::min(kReadBytes, static_cast<size_t>(identity.bytes) + 1));
  for (off_t at = 0; at < identity.bytes;) {
    const ssize_t got = pread(fd, buffer.data(), buffer.size(), at);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return FromErrno(errno);
    if (got == 0) return Status(Code::kSourceFailed, "the file was cut while it was read");
    const auto n = static_cast<size_t>(std::min<off_t>(got, identity.bytes - at));
    digester.Update(std::span<const uint8_t>(buffer.data(), n));
    at += static_cast<off_t>(n);
  }
  object->digest_ = digester.Finish();
  if (identity.bytes > 0) {  // mmap refuses empty files
    void* data =
        mmap(nullptr, static_cast<size_t>(identity.bytes), PROT_READ, MAP_SHARED | MAP_POPULATE, fd, 0);
    if (data == MAP_FAILED) return FromErrno(errno);
    object->data_ = static_cast<const char*>(data);
  }
  return std::shared_ptr<const StoredObject>(object);
}

StoredObject::~StoredObject() {
  if (data_ != nullptr) munmap(const_cast<char*>(data_), static_cast<size_t>(identity_.bytes));
}

Result<ObjectFiles> ObjectFiles::Open(const std::string& root) {
  std::error_code error;
  fs::path real = fs::canonical(root, error);
  if (error) {
    const bool absent = error == std::errc::no_such_file_or_directory || error == std::errc::not_a_directory;
    return Status(absent ? Code::kNotFound : Code::kUnavailable,
                  "store folder '" + root + "': " + error.message() + "; give a folder of photos");
  }
  if (!fs::is_directory(real, error)) {
    return Status(Code::kInvalidRequest,
                  "store folder '" + root + "' is not a folder; give a folder of photos");
  }
  const fs::directory_iterator readable(real, error);
  if (error) return Status(Code::kUnavailable, "store folder '" + root + "': " + error.message());
  std::string text = real.string();
  if (text == "/") text.clear();
  return ObjectFiles(std::move(text));
}

void ObjectFiles::Preload() {
  std::error_code error;
  const fs::path root(root_ + "/");
  auto walk = fs::recursive_directory_iterator(root, fs::directory_options::skip_permission_denied, error);
  uint64_t unreadable = 0;
  for (; !error && walk != fs::recursive_directory_iterator(); walk.increment(error)) {
    if (objects_.size() >= kMostMapped || preloaded_bytes_ >= kPreloadBytes) {
      log::info("the rest of the store's files is mapped when it is asked for");
      break;
    }
    std::error_code unknown;
    if (!walk->is_regular_file(unknown)) continue;
    const auto found = Find(walk->path().string().substr(root_.size() + 1));
    if (!found.ok()) {
      ++unreadable;
      continue;
    }
    ++preloaded_files_;
    preloaded_bytes_ += (*found)->bytes().size();
  }
  if (error) log::warn("the store's folder could not be read to its end: {}", error.message());
  if (unreadable > 0) {
    log::warn(
        "{} files of the store's folder cannot be served: unreadable, a link that leaves the folder, or a "
        "name that is not UTF-8",
        unreadable);
  }
}

Result<std::shared_ptr<const StoredObject>> ObjectFiles::Find(const std::string& name) {
  RETURN_IF_ERROR(CheckName(name));
  const std::string path = root_ + "/" + name;
  struct stat info {};
  if (stat(path.c_str(), &info) != 0) {
    const int failure = errno;
    objects_.erase(name);
    return FromErrno(failure);
  }
  const auto known = objects_.find(name);
  if (known != objects_.end() && known->second->identity() == IdentityOf(info)) return known->second;
  return Load(name);
}

Result<std::shared_ptr<const StoredObject>> ObjectFiles::Load(const std::string& name) {
  // O_NONBLOCK: opening a FIFO must not wait for its writer.
  const Closer file{open((root_ + "/" + name).c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)};
  if (file.fd < 0) return FromErrno(errno);
  if (!Contains(file.fd)) return Status(Code::kSourceNotAllowed, "the name leads out of the store");
  struct stat info {};
  if (fstat(file.fd, &info) != 0) return FromErrno(errno);
  if (!S_ISREG(info.st_mode)) return Status(Code::kNotFound, "there is no such object");
  ASSIGN_OR_RETURN(auto object, StoredObject::Map(file.fd, IdentityOf(info), name));
  if (objects_.size() >= kMostMapped) objects_.erase(objects_.begin());
  objects_[name] = object;
  return object;
}

// Asked of the open file, so that no rename or new link can slip in between the check and the use.
bool ObjectFiles::Contains(int fd) const {
  std::array<char, PATH_MAX> path{};
  const ssize_t n = readlink(("/proc/self/fd/" + std::to_string(fd)).c_str(), path.data(), path.size());
  if (n <= 0 || static_cast<size_t>(n) >= path.size()) return false;
  return std::string_view(path.data(), static_cast<size_t>(n)).starts_with(root_ + "/");
}

bool ObjectFiles::IsFolder(const std::string& name) const {
  if (!CheckName(name).ok()) return false;
  struct stat info {};
  return stat((root_ + "/" + name).c_str(), &info) == 0 && S_ISDIR(info.st_mode);
}

}  // namespace photovec::experiment
