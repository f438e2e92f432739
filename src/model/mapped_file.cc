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
  FileDescriptor fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
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
  RETURN_IF_ERROR(CheckNoLfsPointer(file->bytes()).WithContext(path));
  file->path_ = path;
  file->file_ = std::move(fd);
  return std::shared_ptr<const MappedFile>(std::move(file));
}

Result<std::shared_ptr<const MappedFile>> MappedFile::MapPart(size_t offset, size_t size,
                                                              const void** data) const {
  const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  const size_t begin = offset / page * page;
  std::shared_ptr<MappedFile> part(new MappedFile);
  void* mapped =
      mmap(nullptr, offset + size - begin, PROT_READ, MAP_PRIVATE, file_.get(), static_cast<off_t>(begin));
  if (mapped == MAP_FAILED) return Failed(path_, "map a tensor of");
  part->data_ = static_cast<const uint8_t*>(mapped);
  part->size_ = offset + size - begin;
  madvise(mapped, part->size_, MADV_RANDOM);  // a hint only
  *data = part->data_ + (offset - begin);
  return std::shared_ptr<const MappedFile>(std::move(part));
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) munmap(const_cast<uint8_t*>(data_), size_);
}

}  // namespace photovec::model
