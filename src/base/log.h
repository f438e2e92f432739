// SPDX-License-Identifier: MIT
#pragma once

#include <spdlog/spdlog.h>

#include <string>

#include "base/status.h"

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

/// Sets the format and the level: "debug", "info", "warn", "error" or "off". Call once, from main.
/// Errors: kInvalidRequest for another level.
Status InitLogging(const std::string& level);

}  // namespace photovec
