// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/stage_times.h"

namespace photovec::request_log {

/// A stage of one image. Microseconds, relative to RequestRecord::started_us.
struct StageSpan {
  Stage stage{};
  int64_t begin_us = 0;
  int64_t end_us = 0;
};

/// What a server's request log says of one image. Microseconds are relative to RequestRecord::started_us; -1:
/// not reached, or not known (a baseline server may know fewer borders).
struct ItemRecord {
  std::string code = "ok";    ///< or the error's name
  bool by_reference = false;  ///< fetched by the server; else it came with the request
  int64_t bytes = 0;          ///< encoded size
  std::array<int64_t, kBorderCount> at_us = {-1, -1, -1, -1, -1, -1, -1, -1, -1};  ///< by Border
  int decoder = -1;                                                                ///< which decode worker
  int stream = -1;                                                                 ///< which stream
  int64_t batch = -1;  ///< number of the batch on that stream
  int batch_size = 0;
  /// Set by a server whose stages do not follow each other as photovec's do: replaces the derived duration.
  std::array<int64_t, kStageCount> stage_us = {-1, -1, -1, -1, -1, -1, -1, -1};

  int64_t At(Border border) const { return at_us[static_cast<size_t>(border)]; }
  /// Microseconds spent in the stage; -1: not known. For an upload admit_wait and fetch are -1.
  int64_t Micros(Stage stage) const;
  /// What it went through from its admission until it was collected, one after the other without a gap. An
  /// image that failed ends in the stage in which it failed. Empty when its borders are not known.
  std::vector<StageSpan> Spans() const;
};

/// One request as the server saw it: one line of the request log (docs/metrics.md, "Request log").
struct RequestRecord {
  uint64_t id = 0;
  std::string model;         ///< empty: not known
  int status = 0;            ///< HTTP
  int64_t started_us = 0;    ///< CLOCK_MONOTONIC: the end of the request's HTTP header
  int64_t opened_us = -1;    ///< relative: the pipeline request was opened
  int64_t finished_us = -1;  ///< relative: its last result lies in it
  int64_t receive_us = -1;   ///< durations of http/'s own stages
  int64_t parse_us = -1;
  int64_t serialise_us = -1;
  int64_t total_us = -1;  ///< "http_total"
  /// Set by a server that preprocesses or embeds whole requests: replace what is derived from the items.
  int64_t preprocess_us = -1;
  int64_t embed_us = -1;
  int64_t load_decode_us = -1;
  int64_t pool_wait_us = -1;  ///< between its steps, for a thread to run the next one
  std::vector<ItemRecord> items;

  /// The server measures whole steps of a request, of which only the lengths are known.
  bool MeasuredBySteps() const { return load_decode_us >= 0 || preprocess_us >= 0 || embed_us >= 0; }
};

/// Reads a request log. A last line without an end (the server was killed) is left out.
/// Errors: kNotFound; kInvalidRequest naming file and line.
Result<std::vector<RequestRecord>> ReadRequestLog(const std::string& path);

}  // namespace photovec::request_log
