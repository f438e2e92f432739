// SPDX-License-Identifier: MIT
#include "experiment/store/store_log.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <boost/json/serialize.hpp>
#include <cerrno>
#include <charconv>
#include <system_error>

#include "base/log.h"
#include "base/text/utf8.h"
#include "experiment/store/object_files.h"

namespace photovec::experiment {
namespace {

constexpr size_t kBufferBytes = 64 * 1024;

std::string Reason(int error) { return std::error_code(error, std::generic_category()).message(); }

template <typename T>
void AppendNumber(std::string& out, T value) {
  std::array<char, 32> text{};
  const auto result = std::to_chars(text.data(), text.data() + text.size(), value);  // reads back as the same
  out.append(text.data(), static_cast<size_t>(result.ptr - text.data()));
}

}  // namespace

Result<std::unique_ptr<StoreLog>> StoreLog::Create(const std::string& path) {
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd < 0) return Status(Code::kUnavailable, "cannot write the log '" + path + "': " + Reason(errno));
  return std::unique_ptr<StoreLog>(new StoreLog(path, fd));
}

StoreLog::~StoreLog() {
  Flush();
  close(fd_);
}

void StoreLog::Append(const StoreLogLine& line) {
  if (failed_) return;
  const std::string_view object = IsValidUtf8(line.object) ? line.object : std::string_view();
  buffer_ += "{\"n\":";
  AppendNumber(buffer_, line.n);
  buffer_ += ",\"object\":";
  buffer_ += boost::json::serialize(boost::json::string_view(object.data(), object.size()));
  buffer_ += ",\"received_us\":";
  AppendNumber(buffer_, line.received_us);
  buffer_ += ",\"latency_ms\":";
  AppendNumber(buffer_, line.latency_ms);
  buffer_ += ",\"status\":";
  AppendNumber(buffer_, line.status);
  buffer_ += ",\"bytes\":";
  AppendNumber(buffer_, line.bytes);
  buffer_ += "}\n";
  if (buffer_.size() >= kBufferBytes) Flush();
}

void StoreLog::Flush() {
  std::string_view rest = buffer_;
  while (!rest.empty() && !failed_) {
    const ssize_t n = write(fd_, rest.data(), rest.size());
    if (n >= 0) {
      rest.remove_prefix(static_cast<size_t>(n));
    } else if (errno != EINTR) {
      failed_ = true;
      log::error("the log '{}' ends early: {}", path_, Reason(errno));
    }
  }
  buffer_.clear();
}

}  // namespace photovec::experiment
