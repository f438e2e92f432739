// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "encode/encoder.h"

namespace photovec::encode {

/// What a batch is of: images, or texts that have so many tokens each.
struct CeilingBatch {
  int images = 0;
  int texts = 0;
  int tokens = 0;
};

/// What the encoder is measured against: oneDNN's bare matrix products of the same model, with the very
/// weights that the encoder holds (prepacked, distinct for each layer), no bias, no post-ops, in the same
/// precision, on the same threads. Included: patch product, q k v, attention output, fc1, fc2 of all layers
/// (of the last block k v for all rows, the rest for one row an image or text), projection. Not included:
/// attention's own products.
class CeilingProbe {
 public:
  enum class Kind {
    kWhole,  ///< each product once for the whole batch, M = B*T, divided by oneDNN among its own threads
    kDealt,  ///< cut into the same groups and panels and dealt to the same threads as in the encoder
  };

  /// \param encoder made by CreateCpuEncoder(); must outlive the probe.
  /// \param batch what Submit() or SubmitTexts() would take.
  /// Errors: kInvalidRequest for another backend or batch; kUnavailable without memory.
  static Result<std::unique_ptr<CeilingProbe>> Create(Encoder& encoder, const CeilingBatch& batch);
  virtual ~CeilingProbe() = default;

  /// Runs the products of one batch on a stream, by the thread that calls the stream's Submit(). Different
  /// streams may run at the same time. The first run of a stream allocates.
  virtual Status RunBatch(int stream, Kind kind) = 0;
  /// 2 x multiply-adds of one RunBatch(); the same for both kinds.
  virtual double flops_per_batch() const = 0;
  virtual int threads_per_stream() const = 0;
  /// Runs `steps` x 8192 fused multiply-adds of full vectors (bf16: dot products) on each thread of a stream,
  /// in registers; returns how many FLOPs that were, 0 where there is no such instruction to try (AMX).
  virtual double RunPeak(int stream, int steps) = 0;
};

}  // namespace photovec::encode
