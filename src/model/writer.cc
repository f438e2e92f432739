// SPDX-License-Identifier: MIT
#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <boost/json.hpp>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

#include "model/safetensors.h"

namespace photovec::model {
namespace {

namespace bjson = boost::json;

constexpr std::array<std::string_view, 3> kDtypeNames = {"F32", "F16", "BF16"};

Status Failed(const std::string& path, const char* what) {
  const int error = errno;
  return {Code::kUnavailable, path + ": cannot " + what + ": " + std::strerror(error)};
}

}  // namespace

Result<std::unique_ptr<SafetensorsWriter>> SafetensorsWriter::Create(const std::string& path,
                                                                     std::span<const Declaration> tensors) {
  bjson::object header;
  header["__metadata__"] = {{"format", "pt"}};  // transformers refuses files without it
  uint64_t offset = 0;
  for (const Declaration& tensor : tensors) {
    uint64_t bytes = DTypeBytes(tensor.dtype);
    for (const int64_t side : tensor.shape) bytes *= static_cast<uint64_t>(side);
    bjson::object entry;
    entry["dtype"] = kDtypeNames[static_cast<size_t>(tensor.dtype)];
    entry["shape"] = bjson::array(tensor.shape.begin(), tensor.shape.end());
    entry["data_offsets"] = {offset, offset + bytes};
    header[tensor.name] = std::move(entry);
    offset += bytes;
  }
  std::string text = bjson::serialize(header);
  while (text.size() % 8 != 0) text += ' ';  // so that the data is aligned

  std::unique_ptr<SafetensorsWriter> writer(new SafetensorsWriter);
  writer->path_ = path;
  writer->temporary_ = path + ".partial";
  writer->fd_ = open(writer->temporary_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (writer->fd_ < 0) return Failed(writer->temporary_, "create");
  std::array<uint8_t, 8> length{};
  for (size_t i = 0; i < length.size(); ++i) length[i] = static_cast<uint8_t>(text.size() >> (8 * i));
  RETURN_IF_ERROR(writer->Append(length));
  RETURN_IF_ERROR(writer->Append({reinterpret_cast<const uint8_t*>(text.data()), text.size()}));
  writer->expected_ = writer->written_ + offset;
  return writer;
}

SafetensorsWriter::~SafetensorsWriter() {
  if (fd_ < 0) return;
  close(fd_);
  unlink(temporary_.c_str());
}

Status SafetensorsWriter::Append(std::span<const uint8_t> bytes) {
  while (!bytes.empty()) {
    const ssize_t wrote = write(fd_, bytes.data(), bytes.size());
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) return Failed(temporary_, "write");
    written_ += static_cast<uint64_t>(wrote);
    bytes = bytes.subspan(static_cast<size_t>(wrote));
  }
  return Status::Ok();
}

Status SafetensorsWriter::Finish() {
  if (written_ != expected_) {
    return {Code::kInternal, temporary_ + ": " + std::to_string(written_) + " bytes written, " +
                                 std::to_string(expected_) + " declared"};
  }
  if (fdatasync(fd_) != 0) return Failed(temporary_, "flush");
  if (std::rename(temporary_.c_str(), path_.c_str()) != 0) return Failed(path_, "create");
  close(std::exchange(fd_, -1));
  return Status::Ok();
}

}  // namespace photovec::model
