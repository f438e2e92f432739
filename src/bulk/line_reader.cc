// SPDX-License-Identifier: MIT
#include "bulk/line_reader.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace photovec::bulk {
namespace {
constexpr size_t kPiece = 64 * 1024;
}  // namespace

LineReader::LineReader(FileDescriptor file, std::string name, char separator)
    : file_(std::move(file)), name_(std::move(name)), separator_(separator) {}

Result<LineReader> LineReader::Open(const std::string& path, char separator) {
  FileDescriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.valid()) {
    return Status(errno == ENOENT || errno == ENOTDIR ? Code::kNotFound : Code::kUnavailable,
                  "cannot read " + path + ": " + std::strerror(errno));
  }
  return LineReader(std::move(file), path, separator);
}

Result<LineReader> LineReader::OpenOrStdin(const std::string& path, char separator) {
  if (path != "-") return Open(path, separator);
  FileDescriptor input(fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3));
  if (!input.valid()) {
    return Status(Code::kUnavailable, std::string("cannot read the list on stdin: ") + std::strerror(errno));
  }
  return LineReader(std::move(input), "the list on stdin", separator);
}

std::optional<size_t> LineReader::FindSeparator() {
  const size_t found = buffer_.find(separator_, std::max(begin_, searched_));
  if (found != std::string::npos) return found;
  searched_ = buffer_.size();
  return std::nullopt;
}

// Reads one piece; false at the end or after an error.
bool LineReader::Fill() {
  if (ended_) return false;
  buffer_.erase(0, begin_);
  searched_ -= std::min(searched_, begin_);
  begin_ = 0;
  const size_t have = buffer_.size();
  buffer_.resize(have + kPiece);
  ssize_t got = -1;
  do {
    got = read(file_.get(), buffer_.data() + have, kPiece);
  } while (got < 0 && errno == EINTR);
  buffer_.resize(have + static_cast<size_t>(std::max<ssize_t>(got, 0)));
  if (got < 0) error_ = errno;
  ended_ = got <= 0;
  return !ended_;
}

Result<std::optional<LineReader::Line>> LineReader::Next() {
  std::optional<size_t> found = FindSeparator();
  while (!found && buffer_.size() - begin_ <= kMaxLine && Fill()) found = FindSeparator();
  if (error_ != 0) {
    return Status(Code::kUnavailable, "cannot read " + name_ + ": " + std::strerror(error_));
  }
  const size_t length = found.value_or(buffer_.size()) - begin_;
  if (length > kMaxLine) {
    return Status(Code::kInvalidRequest, name_ + " has a line of more than 1 MiB at byte " +
                                             std::to_string(position_) + ": is it a list?");
  }
  if (!found && length == 0) return std::optional<Line>();
  const size_t taken = length + (found ? 1 : 0);
  Line line{buffer_.substr(begin_, length), found.has_value(), position_ + taken};
  begin_ += taken;
  position_ += taken;
  return std::optional<Line>(std::move(line));
}

bool LineReader::Ready() {
  while (!ended_ && !FindSeparator() && buffer_.size() - begin_ <= kMaxLine) {
    pollfd wait{file_.get(), POLLIN, 0};
    if (poll(&wait, 1, 0) <= 0) return false;
    Fill();
  }
  return true;
}

}  // namespace photovec::bulk
