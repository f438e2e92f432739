// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "decode/gpu/jpeg_scheduler.h"
#include "decode/sandbox/decoder_pool.h"
#include "engine/machine_plan.h"
#include "engine/options.h"
#include "metrics/registry.h"
#include "pipeline/pipeline.h"

namespace photovec::engine {

/// For tests only, as kSlowStagesVariable: what the decoder processes do wrong on purpose
/// (decode/sandbox/faults.h).
inline constexpr const char* kDecoderFaultVariable = "PHOTOVEC_TEST_DECODER_FAULT";

/// Who decodes: threads of this process, or sandboxed processes.
struct Decoding {
  std::unique_ptr<decode::DecoderPool> pool;      ///< null with --decode=thread
  std::unique_ptr<decode::GpuJpegScheduler> gpu;  ///< null with --decode-device=cpu
  pipeline::Pipeline::DecoderFactory factory;
};

/// The decoder processes that `options` ask for, not yet started.
decode::DecoderPoolOptions ToPoolOptions(const EngineOptions& options, int decoders);

/// Adds the threads that wait for the GPU's decoder. Errors: kInvalidRequest when JPEGs are to be decoded on
/// a GPU but models do not run on one.
Status PlanDecoding(const EngineOptions& options, MachinePlan& plan);

/// Starts the decoder processes when there are to be some, and logs which walls stand around them.
/// With --decode-device=gpu or mixed also the GPU's JPEG decoders. Errors: as DecoderPool::Create and
/// StartGpuJpegScheduler.
Result<Decoding> StartDecoding(const EngineOptions& options, const MachinePlan& plan);

/// The formats that are decoded, by title ("JPEG", "TIFF", ...).
/// \param pool null: by threads.
std::vector<std::string> ImageFormats(const decode::DecoderPool* pool);

/// Keeps the photovec_decoder_* metrics current. `pool` and `registry` must outlive it.
class DecoderMetrics {
 public:
  DecoderMetrics(decode::DecoderPool& pool, metrics::Registry& registry);
  ~DecoderMetrics();
  DecoderMetrics(const DecoderMetrics&) = delete;
  DecoderMetrics& operator=(const DecoderMetrics&) = delete;

 private:
  void Sample();
  decode::DecoderPool& pool_;
  metrics::Registry& registry_;
  int sampler_ = -1;
};

/// Keeps the photovec_gpu_decode_* metrics current. `scheduler` and `registry` must outlive it.
class GpuJpegMetrics {
 public:
  GpuJpegMetrics(const decode::GpuJpegScheduler& scheduler, metrics::Registry& registry);
  ~GpuJpegMetrics();
  GpuJpegMetrics(const GpuJpegMetrics&) = delete;
  GpuJpegMetrics& operator=(const GpuJpegMetrics&) = delete;

 private:
  void Sample();
  const decode::GpuJpegScheduler& scheduler_;
  metrics::Registry& registry_;
  int sampler_ = -1;
};

/// Whether enough decoder processes live, and are not stopped, to take work: at least half.
bool EnoughDecoders(const decode::DecoderPoolStats& stats);

}  // namespace photovec::engine
