// SPDX-License-Identifier: MIT
#pragma once

#include <functional>
#include <string>

#include "base/machine.h"
#include "base/result.h"
#include "bench/photo_set.h"
#include "bulk/stage_summary.h"
#include "engine/engine.h"

namespace photovec::bench {

/// Photos to vectors end to end, beside what decoding and encoding alone would allow.
struct BenchPipelineOptions {
  std::string images;  ///< a folder
  int most_images = 256;
  double seconds = 10;  ///< measured of each kind, over all passes
  int passes = 3;       ///< times that the kinds take turns
  bool http = false;    ///< also through an HTTP server on loopback
  int clients = 4;      ///< requests that are always unanswered
  int images_per_request = 32;
  decode::DecodeOptions decode;
  /// Called after each pass with a line for people; may be empty.
  std::function<void(const std::string&)> progress;
};

/// Rates are images a second, CPU times those of this process for one image (hardly moved by other programs).
/// All are medians over passes; shares are medians of each pass's own share.
struct BenchPipelineReport {
  struct Kind {
    double rate = 0;
    double cpu_ms = 0;
  };
  Kind decode;    ///< all decode threads at once, nothing else running
  Kind encode;    ///< all streams at once with full batches, nothing else running
  Kind pipeline;  ///< from memory through decode, batch, encode, collect
  Kind http;      ///< keep-alive, multipart uploads, binary replies; the clients' threads are in its CPU time
  double bound = 0;          ///< 1/(1/decode + 1/encode) where both use the same CPUs, else the slower
  double share = 0;          ///< pipeline / bound
  double cpu_share = 0;      ///< the same by CPU time
  double busy = 0;           ///< share of the usable CPUs' time that the pipeline had
  double http_cost = 0;      ///< share of the pipeline's rate that is lost on HTTP
  double http_cpu_cost = 0;  ///< the same by CPU time, without the clients' own
  double client_cpu_ms = 0;

  BenchPipelineOptions options;
  engine::ModelSummary model;
  int threads_per_stream = 0;
  int decoders = 0;
  bool shared_cpus = true;  ///< decoding and encoding use the same processors
  PhotoSet photos;
  bulk::StageSummary stages;  ///< of the last end-to-end pass
  Machine machine;
};

/// Proves that the pipeline answers right (its vectors of a few photos must equal those of one decoder and
/// one stream used by hand), then measures. Blocks.
/// \param engine idle, of one model: its streams are also used directly.
/// Errors: as LoadPhotos; kInternal when a vector is wrong, saying how far, or when a photo fails.
Result<BenchPipelineReport> RunBenchPipeline(engine::Engine& engine, const BenchPipelineOptions& options);

std::string ToText(const BenchPipelineReport& report);
std::string ToJson(const BenchPipelineReport& report);

}  // namespace photovec::bench
