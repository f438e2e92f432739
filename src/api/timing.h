// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "base/deadline.h"
#include "base/stage_times.h"
#include "pipeline/request.h"

namespace photovec::api {

/// The stages of a request that the HTTP server itself measures; pipeline::RequestStage has those of the
/// pipeline. Both go into one metric and one Server-Timing header, so no name stands twice. Docs:
/// docs/metrics.md.
enum class HttpStage : uint8_t {
  kReceive,  ///< from the end of the request's header until its body is here
  kParse,    ///< reading the JSON, base64 included; 0 for raw and multipart bodies, which are parsed as they
             ///< come
  kSerialise,  ///< writing the reply's body
  kTotal,      ///< "http_total": from the end of the request's header until the reply's body is written
};
inline constexpr size_t kHttpStageCount = 4;
std::string_view HttpStageName(HttpStage stage);

/// The clock of one request. Not thread-safe.
class RequestTiming {
 public:
  explicit RequestTiming(TimePoint started = Clock::now()) : started_(started) {}
  /// Microseconds; adds to what the stage has.
  void Add(HttpStage stage, int64_t us) { us_[static_cast<size_t>(stage)] += us; }
  int64_t Micros(HttpStage stage) const { return us_[static_cast<size_t>(stage)]; }
  TimePoint started() const { return started_; }
  /// Sets kTotal, the first time that it is called.
  void Stop() {
    if (std::exchange(stopped_, true)) return;
    us_[static_cast<size_t>(HttpStage::kTotal)] = MicrosBetween(started_, Clock::now());
  }

 private:
  TimePoint started_;
  bool stopped_ = false;
  std::array<int64_t, kHttpStageCount> us_{};
};

/// Adds the time between its birth and its death to a stage.
class StageClock {
 public:
  StageClock(RequestTiming& timing, HttpStage stage) : timing_(timing), stage_(stage) {}
  ~StageClock() { timing_.Add(stage_, MicrosBetween(began_, Clock::now())); }
  StageClock(const StageClock&) = delete;
  StageClock& operator=(const StageClock&) = delete;

 private:
  RequestTiming& timing_;
  HttpStage stage_;
  TimePoint began_ = Clock::now();
};

/// The value of the Server-Timing header (W3C), milliseconds: "receive;dur=1.204, ...,
/// http_total;dur=38.115". Of each pipeline stage the maximum over the request's images; stages that no image
/// reached are left out.
std::string ServerTiming(const RequestTiming& timing, const pipeline::RequestResult& result);

}  // namespace photovec::api
