// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "base/enum_names.h"
#include "base/result.h"
#include "experiment/run_data.h"

namespace photovec::experiment {

/// How a request asks for vectors.
enum class LoadApi : uint8_t {
  kNative,    ///< POST /embed, JSON {"images":[reference...]}, Accept: application/octet-stream
  kUpload,    ///< POST /embed, multipart/form-data with the photos' bytes, Accept: application/octet-stream
  kOriginal,  ///< POST /clip/embedding, JSON {"images":[reference...]}: the replaced service's call
};

/// When requests start.
enum class Arrival : uint8_t {
  kClosed,    ///< N clients, each: request, wait for the reply, think, again
  kPoisson,   ///< open loop: exponential gaps; a late reply delays no later request
  kConstant,  ///< open loop: equal gaps
};
constexpr auto EnumNames(Arrival /*of*/) {
  return std::array{EnumName{Arrival::kClosed, "closed"}, EnumName{Arrival::kPoisson, "poisson"},
                    EnumName{Arrival::kConstant, "constant"}};
}

struct LoadOptions {
  uint16_t port = 0;  ///< the server, on 127.0.0.1
  LoadApi api = LoadApi::kNative;
  std::string model;  ///< empty: the server's default
  Arrival arrival = Arrival::kClosed;
  int clients = 30;        ///< closed loop
  double think_min_s = 3;  ///< closed loop; uniform
  double think_max_s = 5;
  double requests_per_s = 0;  ///< open loop
  int max_connections =
      4096;             ///< open loop: beyond that an arrival is counted as failed, never delayed silently
  int images_min = 30;  ///< images a request, uniform
  int images_max = 50;
  double warmup_s = 5;  ///< same load, not measured
  double seconds = 60;  ///< measured: requests that are to start within it; their replies are awaited
  double drain_s = 60;  ///< how long, at most, replies are awaited after that
  uint64_t seed = 7;
  /// What requests ask for: references, or (kUpload) the bytes of photos. Chosen uniformly, seeded, without
  /// repetition inside one request while there are enough.
  std::vector<std::string> references;
  std::vector<std::string> photos;
};

struct LoadResult {
  std::vector<ClientSample> samples;  ///< of the measured time, in order of intended_us
  int64_t began_us = 0;               ///< of the measured time, CLOCK_MONOTONIC
  double seconds = 0;                 ///< measured time until its end (without the drain)
  double cpu_seconds = 0;             ///< of the generator's own thread, from began_us until the drain's end
  double late_p99_ms = 0;             ///< open loop: how late requests were sent after their arrival
};

/// Drives one load against a server on this machine, from one thread of its own event loop (Asio). Blocks
/// until it is over. Replies are checked: status 200, one vector a photo, error count 0; what is not is
/// counted in the samples.
/// \param stop when it becomes true, ends soon with what was measured. Errors:
/// kInvalidRequest (options that contradict each other), kUnavailable (no server listens on the port).
Result<LoadResult> RunLoad(const LoadOptions& options, const std::atomic<bool>& stop);

}  // namespace photovec::experiment
