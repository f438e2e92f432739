// SPDX-License-Identifier: MIT
#pragma once

#include <fmt/format.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/enum_names.h"

namespace photovec {

/// Lines of less weight are not logged.
enum class LogLevel { kDebug, kInfo, kWarn, kError, kOff };
constexpr auto EnumNames(LogLevel /*of*/) {
  return std::array{EnumName{LogLevel::kDebug, "debug"}, EnumName{LogLevel::kInfo, "info"},
                    EnumName{LogLevel::kWarn, "warn"}, EnumName{LogLevel::kError, "error"},
                    EnumName{LogLevel::kOff, "off"}};
}

enum class LogFormat {
  kText,  ///< 2026-11-29T12:34:56.789Z warn the message
  kJson,  ///< {"time":"2026-11-29T12:34:56.789Z","level":"warn","message":"the message"}
};
constexpr auto EnumNames(LogFormat /*of*/) {
  return std::array{EnumName{LogFormat::kText, "text"}, EnumName{LogFormat::kJson, "json"}};
}

/// Sets level and format, and starts the thread that writes; before that lines are written where they are
/// logged. What is still waiting when the process ends normally is written, for a second at the most. Call
/// from main; again to change the level.
void InitLogging(LogLevel level, LogFormat format = LogFormat::kText);

/// Logging: `log::info("loaded {} in {} ms", name, ms)`. Lines go to stderr, stdout belongs to results.
/// Thread-safe; never blocks: a line waits in a bounded queue, and is dropped when nobody reads stderr. Lines
/// of one thread keep their order. Of one kind (a format string) some 20 may come at once, then 2 a second;
/// every 10 s one line says how many more there were (log_limiter.h). Debug lines are not limited.
/// Control characters are escaped. Never log request bodies, credentials or the query string of a URL.
namespace log {

namespace detail {
bool Enabled(LogLevel level);
void Write(LogLevel level, fmt::string_view format, fmt::format_args args) noexcept;
}  // namespace detail

template <typename... Args>
void debug(fmt::format_string<Args...> format, Args&&... args) {
  if (detail::Enabled(LogLevel::kDebug)) {
    detail::Write(LogLevel::kDebug, format, fmt::make_format_args(args...));
  }
}
template <typename... Args>
void info(fmt::format_string<Args...> format, Args&&... args) {
  if (detail::Enabled(LogLevel::kInfo)) {
    detail::Write(LogLevel::kInfo, format, fmt::make_format_args(args...));
  }
}
template <typename... Args>
void warn(fmt::format_string<Args...> format, Args&&... args) {
  if (detail::Enabled(LogLevel::kWarn)) {
    detail::Write(LogLevel::kWarn, format, fmt::make_format_args(args...));
  }
}
template <typename... Args>
void error(fmt::format_string<Args...> format, Args&&... args) {
  if (detail::Enabled(LogLevel::kError)) {
    detail::Write(LogLevel::kError, format, fmt::make_format_args(args...));
  }
}

/// A line without time and level, whatever the level: what a command tells its user on stderr. Queued behind
/// what was logged before.
void Plain(std::string_view line) noexcept;

/// Waits until what was logged so far is written, a second at the most: before the process ends without
/// destructors.
void Flush();

/// Lines that stderr never got, since the start.
struct Stats {
  uint64_t dropped_full = 0;    ///< nobody read stderr fast enough
  uint64_t dropped_failed = 0;  ///< it could not be written
  uint64_t suppressed = 0;      ///< too many of one kind
};
Stats GetStats();

/// For tests: lines, each with its newline, go there instead of to stderr; an empty one ends that. Called by
/// whoever logs.
void SetSink(std::function<void(std::string_view)> sink);

}  // namespace log

/// The time as logs write it: "2026-11-29T12:34:56.789Z".
std::string UtcTime(std::chrono::system_clock::time_point at);

}  // namespace photovec
