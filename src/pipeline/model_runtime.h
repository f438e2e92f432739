// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>

#include "base/result.h"
#include "base/slot_pool.h"
#include "batch/batcher.h"
#include "batch/streams.h"
#include "metrics/registry.h"
#include "pipeline/admission.h"
#include "pipeline/model_metrics.h"
#include "pipeline/pipeline.h"
#include "preprocess/spec.h"

namespace photovec::pipeline {

/// The bytes of the slots that a model gets by default. The encoder is warmed up.
uint64_t DefaultSlotBytes(const ModelSetup& setup, int decoders);

/// Everything that belongs to one model: how its pixels are made, the slots they lie in, the batcher and the
/// encoder streams. Thread-safe once wired.
class ModelRuntime {
 public:
  struct Hooks {
    std::function<void()> on_slot_freed;                   ///< any thread
    std::function<void(const Status&)> on_device_failure;  ///< a stream's thread
  };

  /// Starts the streams.
  /// \param index its place in the pipeline's list.
  /// Errors: kInvalidRequest (encoder and spec contradict each other), kUnavailable (no memory for slots).
  static Result<std::unique_ptr<ModelRuntime>> Create(int index, ModelSetup setup,
                                                      const PipelineOptions& options, int decoders,
                                                      metrics::Registry& registry, Hooks hooks);
  ~ModelRuntime() { Stop(); }
  ModelRuntime(const ModelRuntime&) = delete;
  ModelRuntime& operator=(const ModelRuntime&) = delete;

  int index() const { return index_; }
  const std::string& name() const { return setup_.name; }
  ModelView view() const {
    return {index_,
            setup_.name,
            setup_.fingerprint,
            &setup_.encoder->info(),
            setup_.tokenizer != nullptr ? &setup_.tokenizer->info() : nullptr,
            setup_.score,
            setup_.text_fingerprint,
            setup_.no_texts,
            setup_.shortening};
  }
  const preprocess::Spec& spec(Preprocessing preprocessing) const {
    return preprocessing == Preprocessing::kModel ? setup_.spec : replaced_service_spec_;
  }
  SlotPool& slots() { return *slots_; }
  batch::Batcher& batcher() { return batcher_; }
  ModelMetrics& metrics() { return metrics_; }
  TimePoint last_encoded() const { return last_encoded_.load(); }
  /// What Admission is told of it at the start; the pipeline adds what the models share.
  AdmissionModel load(ItemKind kind) const;

  /// Null: the model takes images alone.
  const tokenize::Tokenizer* tokenizer() const { return setup_.tokenizer.get(); }
  /// What a text is told that comes to such a model.
  Status WhyNoTexts() const;

  /// How many items wait in the shared queues, kept by the stages for metrics.
  std::atomic<int> fetch_waiting{0};
  std::atomic<int> decode_waiting{0};
  std::atomic<int> tokenize_waiting{0};

  /// Refreshes this model's gauges; one thread at a time.
  void Sample();
  /// Joins the streams, frees encoder and slots. Nothing may be in flight, and metrics are not touched any
  /// more. Idempotent.
  void Stop();

 private:
  ModelRuntime(int index, ModelSetup setup, const PipelineOptions& options, metrics::Registry& registry);

  const int index_;
  ModelSetup setup_;
  const preprocess::Spec replaced_service_spec_;
  ModelMetrics metrics_;
  batch::Batcher batcher_;
  std::atomic<TimePoint> last_encoded_{TimePoint{}};
  std::unique_ptr<SlotPool> slots_;
  std::unique_ptr<batch::Streams> streams_;
};

}  // namespace photovec::pipeline
