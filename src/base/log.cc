// SPDX-License-Identifier: MIT
#include "base/log.h"

#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <ctime>
#include <exception>
#include <memory>
#include <mutex>
#include <utility>

#include "base/clock.h"
#include "base/json/writer.h"
#include "base/line_writer.h"
#include "base/log_limiter.h"

namespace photovec {
namespace {

constexpr std::chrono::milliseconds kFlushPatience{1'000};
constexpr size_t kMaxWaitingBytes = size_t{1} << 20;

// What a line of another process, or of a terminal, could be mistaken for stays visible as what it is.
void AppendEscaped(std::string& out, std::string_view text) {
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7F) {
      fmt::format_to(std::back_inserter(out), "\\x{:02x}", byte);
    } else {
      out += c;
    }
  }
}

std::string_view ColorOf(LogLevel level) {
  switch (level) {
    case LogLevel::kInfo:
      return "\x1b[32m";
    case LogLevel::kWarn:
      return "\x1b[33m\x1b[1m";
    case LogLevel::kError:
      return "\x1b[31m\x1b[1m";
    default:
      return "\x1b[36m";
  }
}

// Before there is a writer, and in programs that never make one.
void WriteHere(std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = write(STDERR_FILENO, text.data(), text.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return;
    text.remove_prefix(static_cast<size_t>(n));
  }
}

class Logger {
 public:
  // Never destroyed: threads may log until the process is gone.
  static Logger& Get() {
    static Logger* const logger = new Logger;
    return *logger;
  }

  void Init(LogLevel level, LogFormat format) {
    level_.store(level);
    format_.store(format);
    std::scoped_lock lock(mutex_);
    if (writer_.load() != nullptr) return;
    color_ = isatty(STDERR_FILENO) == 1;
    LineWriterOptions options;
    options.thread_name = "log";
    options.max_waiting_bytes = kMaxWaitingBytes;
    options.gather = std::chrono::milliseconds(0);
    options.tick = [this](std::string& out) { Tick(out, false); };
    writer_.store(LineWriter::To(STDERR_FILENO, std::move(options)).release());
    std::atexit([] { log::Flush(); });
  }

  bool Enabled(LogLevel level) const { return level >= level_.load(std::memory_order_relaxed); }

  void Write(LogLevel level, fmt::string_view format, fmt::format_args args) {
    if (level != LogLevel::kDebug) {
      std::scoped_lock lock(mutex_);
      if (!limiter_.Allow({format.data(), format.size()}, static_cast<int>(level), Clock::now())) return;
    }
    std::string line;
    AppendLine(line, level, fmt::vformat(format, args));
    Put(line);
  }

  void Put(std::string_view line) {
    {
      std::scoped_lock lock(mutex_);
      if (sink_) return sink_(line);
    }
    LineWriter* const writer = writer_.load();
    if (writer == nullptr) return WriteHere(line);
    writer->Write(line);
  }

  void Flush() {
    std::string rest;
    Tick(rest, true);
    if (!rest.empty()) Put(rest);
    if (LineWriter* const writer = writer_.load()) writer->Flush(kFlushPatience);
  }

  log::Stats GetStats() const {
    log::Stats stats;
    if (const LineWriter* const writer = writer_.load()) {
      const LostLines lost = writer->lost();
      stats.dropped_full = lost.full;
      stats.dropped_failed = lost.failed;
    }
    std::scoped_lock lock(mutex_);
    stats.suppressed = limiter_.suppressed();
    return stats;
  }

  void SetSink(std::function<void(std::string_view)> sink) {
    std::scoped_lock lock(mutex_);
    sink_ = std::move(sink);
  }

 private:
  void AppendLine(std::string& out, LogLevel level, std::string_view message) const {
    const std::string time = UtcTime(std::chrono::system_clock::now());
    const std::string_view name = NameOf(level);
    if (format_.load() == LogFormat::kJson) {
      json::Writer line(out);
      line.BeginObject().Field("time", time).Field("level", name).Field("message", message).EndObject();
    } else {
      out += time;
      out += ' ';
      if (color_) out += ColorOf(level);
      out += name;
      if (color_) out += "\x1b[m";
      out += ' ';
      AppendEscaped(out, message);
    }
    out += '\n';
  }

  // What a flood left out, and what nobody took.
  void Tick(std::string& out, bool all) {
    std::vector<LogLimiter::Summary> summaries;
    {
      std::scoped_lock lock(mutex_);
      summaries = limiter_.TakeSummaries(Clock::now(), all);
    }
    for (const LogLimiter::Summary& summary : summaries) {
      AppendLine(out, static_cast<LogLevel>(summary.level),
                 fmt::format("{} more of these in the last {} s: {}", summary.suppressed,
                             LogLimiter::kSummaryEvery.count(), summary.kind));
    }
    const LineWriter* const writer = writer_.load();
    const uint64_t lost = writer == nullptr ? 0 : writer->lost().full;  // what failed would fail again
    const uint64_t told = told_.exchange(lost);
    if (lost > told) {
      AppendLine(out, LogLevel::kWarn,
                 fmt::format("{} lines of this log were dropped: standard error was not read", lost - told));
    }
  }

  std::atomic<LogLevel> level_{LogLevel::kInfo};
  std::atomic<LogFormat> format_{LogFormat::kText};
  std::atomic<LineWriter*> writer_{nullptr};
  std::atomic<uint64_t> told_{0};
  bool color_ = false;  // set before the writer is there
  mutable std::mutex mutex_;
  LogLimiter limiter_;
  std::function<void(std::string_view)> sink_;
};

}  // namespace

void InitLogging(LogLevel level, LogFormat format) { Logger::Get().Init(level, format); }

std::string UtcTime(std::chrono::system_clock::time_point at) {
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(at.time_since_epoch()).count();
  const std::time_t seconds = static_cast<std::time_t>(ms / 1000);
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", parts.tm_year + 1900, parts.tm_mon + 1,
                     parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec, ms % 1000);
}

namespace log {

namespace detail {
bool Enabled(LogLevel level) { return Logger::Get().Enabled(level); }
void Write(LogLevel level, fmt::string_view format, fmt::format_args args) noexcept {
  try {
    Logger::Get().Write(level, format, args);
  } catch (const std::exception&) {
    // Without memory for a line there is none for a complaint either; the caller goes on.
  }
}
}  // namespace detail

void Plain(std::string_view line) noexcept {
  try {
    Logger::Get().Put(std::string(line) + "\n");
  } catch (const std::exception&) {
    // As above.
  }
}

void Flush() { Logger::Get().Flush(); }
Stats GetStats() { return Logger::Get().GetStats(); }
void SetSink(std::function<void(std::string_view)> sink) { Logger::Get().SetSink(std::move(sink)); }

}  // namespace log
}  // namespace photovec
