// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "bench/work_tap.h"
#include "engine/engine.h"

namespace photovec::bench {

/// Photos held in memory for a benchmark.
struct PhotoSet {
  std::vector<Bytes> photos;
  double mean_megapixels = 0;
  double mean_bytes = 0;
  int refused = 0;  ///< files that did not decode and are left out
};

/// Reads up to `most` photos of a folder and keeps those that decode.
/// Errors: kInvalidRequest when none does (the message says where to get some).
Result<PhotoSet> LoadPhotos(const std::string& dir, int most, const engine::Engine& engine,
                            const decode::DecodeOptions& decode);

/// One measurement: images a second, and how much of the machine this process had.
struct RoundResult {
  double images_per_s = 0;
  double cpu_share = 0;  ///< CPU time of this process / (wall time x usable CPUs)
  double cpu_ms = 0;     ///< CPU time of this process per image: hardly moved by other programs
  double client_ms = 0;  ///< the part of it that the HTTP client's threads took
};

/// All decode threads at once, nothing else running, photos in turn; with --decode-device=gpu or mixed
/// through the GPU's lanes.
Result<RoundResult> DecodeRound(const engine::Engine& engine, const PhotoSet& photos,
                                const decode::DecodeOptions& decode, double seconds);

/// All streams at once with full batches, nothing else running. The pipeline must be idle: its streams are
/// used directly.
Result<RoundResult> EncodeRound(const engine::Engine& engine, double seconds);

/// How requests are offered to the pipeline or the server: `lanes` of them are always unanswered.
struct Load {
  int lanes = 4;
  int images_per_request = 32;
  double seconds = 2;
};

/// From memory through the real pipeline: decode, batch, encode, collect.
Result<RoundResult> PipelineRound(TappedPipeline& pipeline, WorkTap& tap, const PhotoSet& photos,
                                  const Load& load);

/// The same through an HTTP server on loopback: keep-alive, multipart uploads, binary replies. The client's
/// threads are part of this process.
/// \param dimensions D; every reply must carry images_per_request x D floats.
Result<RoundResult> HttpRound(uint16_t port, WorkTap& tap, const PhotoSet& photos, const Load& load,
                              int dimensions);

/// Proves that the pipeline answers right before it is timed: its vectors of a few photos must equal those of
/// one decoder and one stream used by hand. Errors: kInternal saying how far apart they are.
Status VerifyPipeline(const engine::Engine& engine, const PhotoSet& photos,
                      const decode::DecodeOptions& decode);

}  // namespace photovec::bench
