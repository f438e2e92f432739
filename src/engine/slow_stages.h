// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <memory>
#include <string_view>

#include "base/result.h"
#include "encode/encoder.h"
#include "fetch/fetcher.h"
#include "pipeline/pipeline.h"

namespace photovec::engine {

/// For tests only: makes a stage slower by a known time, so that a test can see whether its figures tell the
/// truth. Not an option, so that nobody finds it in --help and turns it on.
inline constexpr const char* kSlowStagesVariable = "PHOTOVEC_TEST_SLEEP";

/// What each fetch, each decode and each batch waits before it begins.
struct SlowStages {
  std::chrono::milliseconds fetch{0};
  std::chrono::milliseconds decode{0};
  std::chrono::milliseconds encode{0};
};

/// "fetch=50ms,decode=20ms,encode=30ms", any of them; empty: none. Errors: kInvalidRequest naming the
/// variable and saying what it takes.
Result<SlowStages> ParseSlowStages(std::string_view text);
/// One warning when anything is on.
void LogSlowStages(const SlowStages& slow);

/// The same with the delay; with a delay of 0 `inner` itself.
/// The fetcher's delay blocks nobody: a thread of its own starts each fetch when its time has come.
std::unique_ptr<fetch::Fetcher> SlowDown(std::unique_ptr<fetch::Fetcher> inner,
                                         std::chrono::milliseconds delay);
/// The decoder's worker sleeps.
pipeline::Pipeline::DecoderFactory SlowDown(pipeline::Pipeline::DecoderFactory inner,
                                            std::chrono::milliseconds delay);
/// The stream's thread sleeps in Wait.
std::unique_ptr<encode::Encoder> SlowDown(std::unique_ptr<encode::Encoder> inner,
                                          std::chrono::milliseconds delay);

}  // namespace photovec::engine
