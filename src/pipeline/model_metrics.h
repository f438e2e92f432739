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
  int slots_free = 0;
  std::vector<int64_t> stream_busy_us;  ///< so far, per stream
  TimePoint at;
};

/// Where an image was given up, before it cost anything more.
enum class DropQueue : uint8_t { kFetch, kDecode, kBatch };
inline constexpr int kDropQueueCount = 3;

/// The metrics of one model. Observe*: any thread, no lock of its own. Sample: one thread at a time.
/// Names, labels and buckets: metrics/names.h; meanings: docs/metrics.md.
class ModelMetrics {
 public:
  /// \param registry must live until Detach().
  /// \param cache whether there is a result cache, whose lookups are counted.
  ModelMetrics(metrics::Registry& registry, const std::string& model, int streams, bool cache = false);

  /// An image has its result. The stages admit_wait and fetch are counted for references only: an upload
  /// spends no time in them.
  void ObserveItem(const ItemResult& item);
  void ObserveRequest(const RequestStageTimes& stages);
  void ObserveBatch(int size);
  /// The result cache was asked for an image. Only with a cache.
  void ObserveLookup(bool found);
  void ObserveDrop(DropQueue queue);
  /// Refreshes what Admission says of the model.
  void SampleAdmission(const ModelState& state);
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
  metrics::Counter& Images(Code code);

  metrics::Registry& registry_;
  const std::string model_;
  std::atomic<bool> attached_{true};
  std::array<metrics::Distribution*, kStageCount> image_stages_;
  std::array<metrics::Distribution*, kRequestStageCount> request_stages_;
  metrics::Distribution* batch_size_;
  std::array<std::atomic<metrics::Counter*>, kCodeCount> images_{};  // made when a code first occurs
  metrics::Counter* cache_hits_ = nullptr;
  metrics::Counter* cache_misses_ = nullptr;
  metrics::Gauge* fetch_queue_;
  metrics::Gauge* decode_queue_;
  metrics::Gauge* batch_queue_;
  metrics::Gauge* slots_free_;
  std::array<metrics::Counter*, kDropQueueCount> dropped_{};
  struct LaneGauges {
    metrics::Gauge* wait;
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
