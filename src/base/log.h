// SPDX-License-Identifier: MIT
#pragma once

#include <spdlog/spdlog.h>

#include <array>

#include "base/enum_names.h"

namespace photovec {

/// Logging: `log::info("loaded {} in {} ms", name, ms)`. Lines go to stderr, stdout belongs to results.
/// Thread-safe. Never log request bodies, credentials or the query string of a URL.
namespace log {
using spdlog::debug;
using spdlog::error;
using spdlog::info;
using spdlog::warn;
/// What was logged so far is written: before the process ends without destructors.
inline void Flush() { spdlog::default_logger_raw()->flush(); }
}  // namespace log

/// spdlog makes its registry on first use, behind a guard in a library that ThreadSanitizer does not see
/// into: made before main() it is there before any thread.
inline const bool kLogIsMade = spdlog::default_logger_raw() != nullptr;

/// Lines of less weight are not logged.
enum class LogLevel { kDebug, kInfo, kWarn, kError, kOff };
constexpr auto EnumNames(LogLevel /*of*/) {
  return std::array{EnumName{LogLevel::kDebug, "debug"}, EnumName{LogLevel::kInfo, "info"},
                    EnumName{LogLevel::kWarn, "warn"}, EnumName{LogLevel::kError, "error"},
                    EnumName{LogLevel::kOff, "off"}};
}

/// Sets the format and the level. Call once, from main.
void InitLogging(LogLevel level);

}  // namespace photovec
