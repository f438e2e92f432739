// SPDX-License-Identifier: MIT
#include "pipeline/model_metrics.h"

#include <algorithm>

#include "metrics/names.h"

namespace photovec::pipeline {
namespace {

using metrics::Labels;
namespace label = metrics::label;
namespace name = metrics::name;

double Seconds(int64_t micros) { return static_cast<double>(micros) * 1e-6; }

metrics::Gauge* QueueGauge(metrics::Registry& registry, const std::string& model, const char* queue) {
  return registry.GetGauge(name::kQueueDepth, "Images waiting in a queue",
                           Labels{{label::kModel, model}, {label::kQueue, queue}});
}

constexpr std::array<const char*, kDropQueueCount> kDropQueues = {"fetch", "decode", "batch"};
constexpr std::array<const char*, kLaneCount> kLanes = {"interactive", "bulk"};

}  // namespace

ModelMetrics::ModelMetrics(metrics::Registry& registry, const std::string& model, int streams, bool cache)
    : registry_(registry), model_(model), sampled_at_(Clock::now()) {
  for (int i = 0; i < kStageCount; ++i) {
    image_stages_[static_cast<size_t>(i)] = registry.GetDistribution(
        name::kImageStageSeconds, "Time that an image spent in a stage", metrics::kSecondsBuckets,
        Labels{{label::kModel, model}, {label::kStage, std::string(StageName(static_cast<Stage>(i)))}});
  }
  for (int i = 0; i < kRequestStageCount; ++i) {
    const std::string stage(RequestStageName(static_cast<RequestStage>(i)));
    request_stages_[static_cast<size_t>(i)] =
        registry.GetDistribution(name::kRequestStageSeconds, "Time that a request spent until a border",
                                 metrics::kSecondsBuckets, {{label::kModel, model}, {label::kStage, stage}});
  }
  batch_size_ = registry.GetDistribution(name::kBatchSize, "Images per encoder batch", metrics::kBatchBuckets,
                                         {{label::kModel, model}});
  if (cache) {
    cache_hits_ = registry.GetCounter(name::kCacheHits, "Images answered from the result cache",
                                      {{label::kModel, model}});
    cache_misses_ = registry.GetCounter(name::kCacheMisses, "Images looked up in the result cache in vain",
                                        {{label::kModel, model}});
  }
  fetch_queue_ = QueueGauge(registry, model, "fetch");
  decode_queue_ = QueueGauge(registry, model, "decode");
  batch_queue_ = QueueGauge(registry, model, "batch");
  slots_free_ = registry.GetGauge(name::kSlotsFree, "Pixel slots that are free", {{label::kModel, model}});
  for (size_t i = 0; i < kDropQueues.size(); ++i) {
    dropped_[i] = registry.GetCounter(name::kImagesDropped, "Images given up while they waited",
                                      {{label::kModel, model}, {label::kQueue, kDropQueues[i]}});
  }
  for (size_t i = 0; i < kLanes.size(); ++i) {
    const Labels lane{{label::kModel, model}, {label::kPriority, kLanes[i]}};
    const auto requests = [&](const char* state) {
      return registry.GetGauge(
          name::kRequestsByState, "Requests that wait, and of which an image was taken by a decoder",
          {{label::kModel, model}, {label::kPriority, kLanes[i]}, {label::kState, state}});
    };
    lanes_[i] = {
        registry.GetGauge(name::kAdmissionWait, "Until all that was admitted would be done", lane),
        registry.GetGauge(name::kAdmissionMaxWait, "How long a request may wait to be admitted", lane),
        requests("waiting"), requests("running")};
  }
  rate_ = registry.GetGauge(name::kAdmissionRate, "Images a second when there is enough to do",
                            {{label::kModel, model}});
  for (int i = 0; i < streams; ++i) {
    const Labels labels{{label::kModel, model}, {label::kStream, std::to_string(i)}};
    streams_.push_back(
        {registry.GetCounter(name::kStreamBusySeconds, "Time that a stream had a batch in flight", labels),
         registry.GetGauge(name::kStreamBusyRatio, "Share of the time since the last look that it was busy",
                           labels)});
  }
}

metrics::Counter& ModelMetrics::Images(Code code) {
  std::atomic<metrics::Counter*>& known = images_[static_cast<size_t>(code)];
  metrics::Counter* counter = known.load(std::memory_order_acquire);
  if (counter == nullptr) {  // two threads may both ask: the registry gives them the same counter
    counter = registry_.GetCounter(name::kImagesTotal, "Images answered, by outcome",
                                   {{label::kModel, model_}, {label::kCode, std::string(CodeName(code))}});
    known.store(counter, std::memory_order_release);
  }
  return *counter;
}

void ModelMetrics::ObserveItem(const ItemResult& item) {
  if (!attached_.load(std::memory_order_relaxed)) return;
  Images(item.status.code()).Add();
  const StageTimes& times = item.times;
  const bool upload =
      times.Has(Border::kFetchEnd) && times.At(Border::kFetchEnd) == times.At(Border::kAdmitted);
  const int first = static_cast<int>(upload ? Stage::kDecodeWait : Stage::kAdmitWait);
  for (int i = first; i < kStageCount; ++i) {
    const int64_t micros = times.Micros(static_cast<Stage>(i));
    if (micros >= 0) image_stages_[static_cast<size_t>(i)]->Observe(Seconds(micros));
  }
}

void ModelMetrics::ObserveRequest(const RequestStageTimes& stages) {
  if (!attached_.load(std::memory_order_relaxed)) return;
  for (size_t i = 0; i < stages.us.size(); ++i) {
    if (stages.us[i] >= 0) request_stages_[i]->Observe(Seconds(stages.us[i]));
  }
}

void ModelMetrics::ObserveBatch(int size) {
  if (attached_.load(std::memory_order_relaxed)) batch_size_->Observe(size);
}

void ModelMetrics::ObserveLookup(bool found) {
  if (attached_.load(std::memory_order_relaxed)) (found ? cache_hits_ : cache_misses_)->Add();
}

void ModelMetrics::ObserveDrop(DropQueue queue) {
  if (attached_.load(std::memory_order_relaxed)) dropped_[static_cast<size_t>(queue)]->Add();
}

void ModelMetrics::SampleAdmission(const ModelState& state) {
  if (!attached_.load(std::memory_order_relaxed)) return;
  for (size_t i = 0; i < lanes_.size(); ++i) {
    const LaneState& lane = state.lanes[i];
    lanes_[i].wait->Set(lane.wait_s);
    lanes_[i].limit->Set(lane.max_wait_s);
    lanes_[i].waiting->Set(lane.waiting);
    lanes_[i].running->Set(lane.running);
  }
  rate_->Set(state.images_per_second);
}

void ModelMetrics::Sample(const ModelSample& sample) {
  if (!attached_.load(std::memory_order_relaxed)) return;
  fetch_queue_->Set(sample.fetch_waiting);
  decode_queue_->Set(sample.decode_waiting);
  batch_queue_->Set(static_cast<double>(sample.batch_waiting));
  slots_free_->Set(sample.slots_free);
  const int64_t elapsed_us = MicrosBetween(sampled_at_, sample.at);
  for (size_t i = 0; i < streams_.size() && elapsed_us > 0; ++i) {
    Stream& stream = streams_[i];
    const int64_t busy_us = sample.stream_busy_us[i] - stream.seen_us;
    stream.seen_us = sample.stream_busy_us[i];
    stream.busy_seconds->Add(Seconds(busy_us));
    // A batch counts when it ends, so a short look may see more busy time than time.
    stream.busy_ratio->Set(std::min(1.0, static_cast<double>(busy_us) / static_cast<double>(elapsed_us)));
  }
  if (elapsed_us > 0) sampled_at_ = sample.at;
}

}  // namespace photovec::pipeline
