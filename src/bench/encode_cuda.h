// SPDX-License-Identifier: MIT
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "device/cuda/platform.h"
#include "encode/encoder.h"

namespace photovec::bench {

/// Where the pixels of a benchmark's batches lie.
enum class PixelSource { kPinned, kPageable, kDevice };

struct BenchCudaOptions {
  std::string model = "clip-vit-b-32";  ///< folder or preset, as BenchEncodeOptions
  int device = 0;
  std::vector<encode::Precision> precisions = {encode::Precision::kAuto};
  std::vector<int> streams = {1, 2, 4, 8};
  std::vector<int> batches = {1, 8, 32, 128};
  std::vector<PixelSource> inputs = {PixelSource::kPinned};
  int alone_batches = 50;                            ///< one at a time, for their median and p95
  double seconds = 0.5;                              ///< how long each row is measured under load, at least
  std::function<void(const std::string&)> progress;  ///< after each row; may be empty
};

/// One precision, input, batch size and number of streams, each stream with two batches in flight. FLOPs are
/// the executed ones.
struct BenchCudaRow {
  std::string precision;
  std::string input;
  int streams = 0;
  int batch = 0;
  double images_per_s = 0;
  double tflops = 0;
  /// Bare cuBLASLt products of this batch size, one after the other, same process.
  double ceiling_tflops = 0;
  double share_of_ceiling = 0;
  double busy = 0;           ///< union of all batches' compute on the device / wall time
  double device_us = 0;      ///< median compute of a batch on the device, under this load
  double loaded_p50_us = 0;  ///< of a batch, Submit to Wait, under this load
  double loaded_p95_us = 0;
  double alone_p50_us = 0;  ///< of a batch, one at a time on one stream, from pixels to vectors
  double alone_p95_us = 0;
};

struct BenchCudaReport {
  std::string model;
  device::DeviceInfo device;
  double flops_per_image = 0;
  double executed_flops_per_image = 0;
  int predicted_batch = 0;  ///< B*: from here on one batch fills the GPU (docs/performance.md)
  double cube_tflops = 0;   ///< one product of 8192 x 8192 x 8192 in the first precision
  std::string verified;
  std::vector<BenchCudaRow> rows;
};

/// B* = 128 * ceil(SMs / ceil(D / 256)) / T, at least 1: a product that is D wide then has a tile of 128 x
/// 256 for every multiprocessor.
int PredictedBatch(int multiprocessors, int hidden_size, int tokens);

/// Verifies (a shortened model equals encode/reference; neighbours and places change no bit), then measures.
/// Errors: kInvalidRequest for options; kInternal for wrong answers; as CudaEncoder::Create.
Result<BenchCudaReport> RunBenchCuda(device::Platform& platform, const BenchCudaOptions& options);

std::string ToText(const BenchCudaReport& report);
std::string ToJson(const BenchCudaReport& report);

}  // namespace photovec::bench
