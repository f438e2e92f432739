// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/json/writer.h"
#include "bench/decode.h"
#include "decode/sandbox/decoder_pool.h"

namespace photovec::bench {

/// What a sandboxed process costs beside a thread, on the same photos.
struct BenchIsolation {
  double thread_images_per_s = 0;  ///< all threads together; median of slices that alternate
  double process_images_per_s = 0;
  double ratio = 0;  ///< median over neighbouring slices, process / thread
  /// Of one image, all threads and processes together; other programs do not count.
  double thread_cpu_ms = 0;
  double process_cpu_ms = 0;
  // One image at a time, wall time: how much longer in a process, the median of photos.
  double added_us_p50 = 0;  ///< of a photo's median
  double added_us_p95 = 0;  ///< of its 95th percentile
  double noise_us_p50 = 0;  ///< the same between two thread decoders
  double noise_us_p95 = 0;
  uint64_t idle_rss_bytes = 0;  ///< largest idle worker before the first image
  int latency_rounds = 0;       ///< how often each photo was timed that way
};

/// Checks that both give the same pixels, then measures for about `seconds`.
/// \param photos encoded, all of which decode; borrowed.
/// Errors: kInternal when a photo decodes differently in a process.
Result<BenchIsolation> RunBenchIsolation(const BenchDecodeOptions& options, decode::DecoderPool& pool,
                                         const std::vector<std::span<const uint8_t>>& photos, double seconds);

std::string ToText(const BenchIsolation& isolation);
void WriteJson(json::Writer& json, const BenchIsolation& isolation);

}  // namespace photovec::bench
