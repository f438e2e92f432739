// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string_view>

#include "base/deadline.h"
#include "base/status.h"

namespace photovec::fetch {

/// One attempt at one reference, when it ended.
struct AttemptReport {
  std::string_view source;  ///< "http", "gs", "s3"
  Code code = Code::kOk;    ///< what it would have meant for the client
  int number = 1;           ///< 1, 2, 3 ...; a hedge has the number of the attempt beside which it ran
  bool hedge = false;
  int64_t bytes = 0;  ///< received body
  Clock::duration took{};
};

/// Hears of what the network does, for metrics. Called on the fetch thread: must not block. Thread-safe.
class FetchObserver {
 public:
  virtual ~FetchObserver() = default;
  virtual void OnAttempt(const AttemptReport& report) = 0;
  /// A reference found the same one in flight and shares its answer.
  virtual void OnShared(std::string_view source) = 0;
  /// A pause before another attempt.
  virtual void OnRetry(std::string_view source, Code why) = 0;
};

}  // namespace photovec::fetch
