// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/stage_times.h"
#include "base/status.h"
#include "metrics/registry.h"
#include "pipeline/admission.h"
#include "pipeline/request.h"
#include "pipeline/request_stages.h"

namespace photovec::pipeline {

/// What a model's queues and streams look like at one moment.
struct ModelSample {
  int fetch_waiting = 0;   ///< references whose fetch has not begun
  int decode_waiting = 0;  ///< encoded photos that wait for a decoder (or a slot)
  size_t batch_waiting = 0;
  int tokenize_waiting = 0;  ///< texts that wait for a tokenizer
  size_t text_batch_waiting = 0;
  int slots_free = 0;
  std::vector<int64_t> stream_busy_us;  ///< so far, per stream
  TimePoint at;
};

/// Where an item was given up, before it cost anything more. Both kinds have a batch queue of their own.
enum class DropQueue : uint8_t { kFetch, kDecode, kTokenize, kBatch, kTextBatch };
inline constexpr int kDropQueueCount = 5;

/// The metrics of one model. Observe*: any thread, no lock of its own. Sample: one thread at a time.
/// Names, labels and buckets: metrics/names.h; meanings: docs/metrics.md.
class ModelMetrics {
 public:
  /// \param registry must live until Detach().
  /// \param cache whether there is a result cache, whose lookups are counted.
  /// \param texts whether the model takes texts, whose metrics are there only then.
  ModelMetrics(metrics::Registry& registry, const std::string& model, int streams, bool cache = false,
               bool texts = false);

  /// An item has its result. The stages admit_wait and fetch of images are counted for references only: an
  /// upload spends no time in them. A text is ignored where there are none.
  void ObserveItem(const ItemResult& item);
  void ObserveRequest(const RequestStageTimes& stages);
  void ObserveBatch(ItemKind kind, int size);
  /// The result cache was asked for an image. Only with a cache.
  void ObserveLookup(bool found);
  void ObserveDrop(DropQueue queue);
  /// Refreshes what Admission says of the model.
  void SampleAdmission(const ModelState& images, const ModelState& texts);
  /// Refreshes the gauges. Stream busy ratios are over the time since the last call.
  void Sample(const ModelSample& sample);
  /// From now on nothing touches the registry. Not concurrent with Observe* or Sample.
  void Detach() { attached_.store(false); }

 private:
  static constexpr size_t kCodeCount = static_cast<size_t>(Code::kSourceTimeout) + 1;
  struct Stream {
    metrics::Counter* busy_seconds;
    metrics::Gauge* busy_ratio;
    int64_t seen_us = 0;
  };
  // What items of one kind have; without a registry's objects where the model takes none of it.
  struct Kind {
    std::array<metrics::Distribution*, kStageCount> stages{};           // those of StagesOf(kind)
    std::array<std::atomic<metrics::Counter*>, kCodeCount> outcomes{};  // made when a code first occurs
    metrics::Distribution* batch_size = nullptr;
  };
  Kind& Of(ItemKind kind) { return kinds_[static_cast<size_t>(kind)]; }
  void AddKind(ItemKind kind);
  void AddTexts();
  metrics::Counter& Outcomes(ItemKind kind, Code code);

  metrics::Registry& registry_;
  const std::string model_;
  std::atomic<bool> attached_{true};
  std::array<Kind, kItemKindCount> kinds_;
  std::array<metrics::Distribution*, kRequestStageCount> request_stages_;
  metrics::Counter* tokens_ = nullptr;  // this and the next three only with texts
  metrics::Gauge* text_rate_ = nullptr;
  metrics::Gauge* tokenize_queue_ = nullptr;
  metrics::Gauge* text_batch_queue_ = nullptr;
  metrics::Counter* damaged_;
  std::array<metrics::Counter*, decode::EnumNames(decode::JpegBy{}).size()> jpegs_{};  // null for kNobody
  metrics::Counter* cache_hits_ = nullptr;
  metrics::Counter* cache_misses_ = nullptr;
  metrics::Gauge* fetch_queue_;
  metrics::Gauge* decode_queue_;
  metrics::Gauge* batch_queue_;
  metrics::Gauge* slots_free_;
  std::array<metrics::Counter*, kDropQueueCount> dropped_{};
  struct LaneGauges {
    metrics::Gauge* wait;
    metrics::Gauge* text_wait;  ///< null without texts
    metrics::Gauge* limit;
    metrics::Gauge* waiting;
    metrics::Gauge* running;
  };
  std::array<LaneGauges, kLaneCount> lanes_{};
  metrics::Gauge* rate_;
  std::vector<Stream> streams_;
  TimePoint sampled_at_;
};

}  // namespace photovec::pipeline
