// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "base/deadline.h"

namespace photovec {

/// The moments at which an item (one image of one request) passes from one stage to the next.
enum class Border : uint8_t {
  kAdmitted,       ///< the item joined its request
  kFetchStart,     ///< its bytes were asked for (for an upload: at once)
  kFetchEnd,       ///< all of its encoded bytes are here
  kDecodeStart,    ///< a decode worker took it, or its vector was found in the result cache
  kDecodeEnd,      ///< pixels exist
  kPreprocessEnd,  ///< the [S,S,3] slot is full
  kEncodeStart,    ///< an encoder stream took it in a batch
  kEncodeEnd,      ///< its row of the batch is computed
  kCollected,      ///< its vector (or error) lies in the request
};
inline constexpr int kBorderCount = 9;

/// Stage i lies between border i and border i + 1. Docs: docs/metrics.md.
enum class Stage : uint8_t {
  kAdmitWait,
  kFetch,
  kDecodeWait,
  kDecode,
  kPreprocess,
  kBatchWait,
  kEncode,
  kCollect,
};
inline constexpr int kStageCount = kBorderCount - 1;

/// The name that metrics, logs, headers and reports use: "fetch", "decode_wait", ...
constexpr std::string_view StageName(Stage stage) {
  constexpr std::array<std::string_view, kStageCount> kNames = {
      "admit_wait", "fetch", "decode_wait", "decode", "preprocess", "batch_wait", "encode", "collect"};
  return kNames[static_cast<size_t>(stage)];
}

/// Timestamps of one item. A border that was not reached (the item failed before it, or its vector was in the
/// result cache and spared it the way) stays unset.
/// Written by whoever holds the item, one thread at a time; not thread-safe.
class StageTimes {
 public:
  void Mark(Border border) { MarkAt(border, Clock::now()); }
  void MarkAt(Border border, TimePoint at) { at_[static_cast<size_t>(border)] = at; }
  bool Has(Border border) const { return at_[static_cast<size_t>(border)] != TimePoint{}; }
  TimePoint At(Border border) const { return at_[static_cast<size_t>(border)]; }

  /// Microseconds spent in the stage, or -1 when one of its borders was not reached.
  int64_t Micros(Stage stage) const {
    const auto begin = static_cast<Border>(stage);
    const auto end = static_cast<Border>(static_cast<int>(stage) + 1);
    return Has(begin) && Has(end) ? MicrosBetween(At(begin), At(end)) : -1;
  }

 private:
  std::array<TimePoint, kBorderCount> at_{};
};

}  // namespace photovec
