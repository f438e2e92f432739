// SPDX-License-Identifier: MIT
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/files.h"
#include "model/safetensors.h"

namespace photovec::model {
namespace {

Status Failed(const std::string& path, const char* what) {
  const int error = errno;
  const Code code = error == ENOENT || error == ENOTDIR ? Code::kNotFound : Code::kUnavailable;
  return {code, path + ": cannot " + what + ": " + std::strerror(error)};
}

}  // namespace

Result<std::shared_ptr<const MappedFile>> MappedFile::Open(const std::string& path) {
  // O_NONBLOCK: opening a FIFO of that name must not hang; it means nothing for a regular file.
  const FileDescriptor fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (fd.get() < 0) return Failed(path, "open");
  struct stat info {};
  if (fstat(fd.get(), &info) != 0) return Failed(path, "stat");
  if (!S_ISREG(info.st_mode)) return Status(Code::kInvalidRequest, path + ": not a regular file");

  std::shared_ptr<MappedFile> file(new MappedFile);
  file->size_ = static_cast<size_t>(info.st_size);
  if (file->size_ > 0) {  // mmap refuses empty files
    void* data = mmap(nullptr, file->size_, PROT_READ, MAP_PRIVATE, fd.get(), 0);
    if (data == MAP_FAILED) return Failed(path, "map");
    file->data_ = static_cast<const uint8_t*>(data);
    madvise(data, file->size_, MADV_WILLNEED);  // a hint only
  }
  return std::shared_ptr<const MappedFile>(std::move(file));
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) munmap(const_cast<uint8_t*>(data_), size_);
}

}  // namespace photovec::model
