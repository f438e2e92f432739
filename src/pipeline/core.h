// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string_view>
#include <vector>

#include "base/memory_budget.h"
#include "fetch/fetcher.h"
#include "metrics/registry.h"
#include "pipeline/admission.h"
#include "pipeline/decode_stage.h"
#include "pipeline/fetch_stage.h"
#include "pipeline/model_runtime.h"
#include "pipeline/pipeline.h"
#include "pipeline/request_table.h"
#include "pipeline/result_cache.h"
#include "pipeline/tokenize_stage.h"

namespace photovec::pipeline {

/// Everything that requests share, wired together: here, and nowhere else, is the order of the stages.
/// Held by the pipeline and by every request, so that none of them can be left with a dangling pointer.
struct Core {
  /// \param options with every default already replaced by its value.
  Core(PipelineOptions options, fetch::Fetcher& fetcher, metrics::Registry& registry, int model_count,
       std::vector<std::unique_ptr<decode::Decoder>> decoders);
  Core(const Core&) = delete;
  Core& operator=(const Core&) = delete;

  /// Adds a model and starts its streams. Only before the first request. Errors: as ModelRuntime::Create.
  Status AddModel(ModelSetup setup);
  /// Registers the metrics that all models share; call once, after the last AddModel().
  void StartSampling();
  /// An admitted item goes to its first stage: a reference is fetched, bytes that are here are decoded, a
  /// text is tokenized. Never blocks.
  void Enter(ItemPtr item, Source source);
  /// nullptr when there is none of that name; an empty name means the first.
  ModelRuntime* FindModel(std::string_view name) const;
  /// Ends and answers everything, joins all threads, frees what is large. Idempotent.
  void Stop();

  const PipelineOptions options;
  metrics::Registry& registry;
  MemoryBudget budget;
  const std::shared_ptr<Admission> admission;
  std::vector<std::unique_ptr<ModelRuntime>> models;
  std::atomic<bool> device_failed{false};
  std::unique_ptr<ResultCache> cache;                 ///< null: none
  std::optional<decode::DecodeMemory> decode_memory;  ///< none: photos take what they need
  TokenizeStage tokenize;
  DecodeStage decode;
  FetchStage fetch;
  RequestTable requests;

 private:
  void OnDeviceFailure(const Status& status);
  void Sample();

  metrics::Gauge* budget_used_ = nullptr;
  metrics::Gauge* in_flight_ = nullptr;
  metrics::Gauge* cache_bytes_ = nullptr;  // this and the next two only with a cache
  metrics::Gauge* cache_entries_ = nullptr;
  metrics::Counter* cache_evictions_ = nullptr;
  metrics::Gauge* decode_memory_used_ = nullptr;  // only with a bound
  std::mutex sampling_;  // two expositions at once would both claim the busy time since the last one
  int sampler_id_ = -1;
  bool stopped_ = false;
};

}  // namespace photovec::pipeline
