// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/json/writer.h"
#include "base/result.h"
#include "bench/decode.h"
#include "device/cuda/platform.h"

namespace photovec::bench {

/// One way to share the decoding out. Medians over passes; times of batches are means.
struct GpuDecodeRow {
  std::string name;     ///< "16 CPU threads", "engines, 2 lanes", …
  std::string missing;  ///< why it could not be measured; then all else is 0
  double images_per_s = 0;
  double times_cpu = 0;      ///< images_per_s over the first row's
  double cpu_ms = 0;         ///< CPU time of this process an image
  double batch = 0;          ///< images a lane decoded at once
  double submit_ms = 0;      ///< of a batch: the lane's thread until nvJPEG's work was queued,
  double decode_ms = 0;      ///< the device from then on to the pixels,
  double resize_ms = 0;      ///< and to the end of the copy to the host
  double on_cpu = 0;         ///< share of images that a CPU decoded after all
  int64_t allocations = 0;   ///< memory that nvJPEG took from the driver once warm
  double least_psnr_db = 0;  ///< of its pixels beside the CPU's exact ones; 0: not compared
};

struct BenchGpuDecode {
  std::string device;
  std::vector<std::string> lanes;  ///< what they call themselves
  int photos = 0;
  int left_out = 0;  ///< photos that no GPU decodes
  double kilobytes = 0;
  double megapixels = 0;
  int passes = 0;
  std::vector<GpuDecodeRow> rows;  ///< the CPU first
};

/// Decodes plain JPEGs with every arrangement of CPU threads and the GPU's lanes, each compared with the
/// CPU's exact pixels first, for about `seconds` together. An arrangement whose pixels are not the CPU's
/// (35 dB) is not timed.
/// \param options spec, decode and threads (of the CPU).
/// \param photos encoded, all of which decode; borrowed.
/// Errors: kInvalidRequest when no GPU would decode any of them, kUnavailable when this one does not.
Result<BenchGpuDecode> RunBenchGpuDecode(const BenchDecodeOptions& options, device::Platform& platform,
                                         int device, const std::vector<std::span<const uint8_t>>& photos,
                                         double seconds);

std::string ToText(const BenchGpuDecode& bench);
void WriteJson(json::Writer& json, const BenchGpuDecode& bench);

}  // namespace photovec::bench
