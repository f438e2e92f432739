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
  return registry.GetGauge(name::kQueueDepth, "Images or texts waiting in a queue",
                           Labels{{label::kModel, model}, {label::kQueue, queue}});
}

// What a queue's drops are counted under.
struct DropRow {
  DropQueue queue;
  ItemKind kind;
  const char* label;
};
constexpr std::array<DropRow, kDropQueueCount> kDropRows = {{
    {DropQueue::kFetch, ItemKind::kImage, "fetch"},
    {DropQueue::kDecode, ItemKind::kImage, "decode"},
    {DropQueue::kTokenize, ItemKind::kText, "tokenize"},
    {DropQueue::kBatch, ItemKind::kImage, "batch"},
    {DropQueue::kTextBatch, ItemKind::kText, "batch"},
}};
// What is named by the kind of items that it tells of.
struct KindNames {
  std::string_view stage_seconds, total, batch_size, dropped;
  const char *stage_help, *total_help, *batch_help, *dropped_help;
};
constexpr std::array<KindNames, kItemKindCount> kKindNames = {{
    {name::kImageStageSeconds, name::kImagesTotal, name::kBatchSize, name::kImagesDropped,
     "Time that an image spent in a stage", "Images answered, by outcome", "Images per encoder batch",
     "Images given up while they waited"},
    {name::kTextStageSeconds, name::kTextsTotal, name::kTextBatchSize, name::kTextsDropped,
     "Time that a text spent in a stage", "Texts answered, by outcome", "Texts per encoder batch",
     "Texts given up while they waited"},
}};
const KindNames& NamesOf(ItemKind kind) { return kKindNames[static_cast<size_t>(kind)]; }
constexpr std::array<const char*, kLaneCount> kLanes = {"interactive", "bulk"};

}  // namespace

void ModelMetrics::AddKind(ItemKind kind) {
  const KindNames& names = NamesOf(kind);
  for (const StageBorders& row : StagesOf(kind)) {
    Of(kind).stages[static_cast<size_t>(row.stage)] = registry_.GetDistribution(
        names.stage_seconds, names.stage_help, metrics::kSecondsBuckets,
        Labels{{label::kModel, model_}, {label::kStage, std::string(StageName(row.stage))}});
  }
  Of(kind).batch_size = registry_.GetDistribution(names.batch_size, names.batch_help, metrics::kBatchBuckets,
                                                  {{label::kModel, model_}});
  for (const DropRow& row : kDropRows) {
    if (row.kind != kind) continue;
    dropped_[static_cast<size_t>(row.queue)] = registry_.GetCounter(
        names.dropped, names.dropped_help, {{label::kModel, model_}, {label::kQueue, row.label}});
  }
}

void ModelMetrics::AddTexts() {
  AddKind(ItemKind::kText);
  tokens_ = registry_.GetCounter(name::kTextTokens, "Tokens of texts, padding not counted",
                                 {{label::kModel, model_}});
  text_rate_ = registry_.GetGauge(name::kAdmissionTextRate, "Texts a second when there is enough to do",
                                  {{label::kModel, model_}});
  tokenize_queue_ = QueueGauge(registry_, model_, "tokenize");
  text_batch_queue_ = QueueGauge(registry_, model_, "text_batch");
}

ModelMetrics::ModelMetrics(metrics::Registry& registry, const std::string& model, int streams, bool cache,
                           bool texts)
    : registry_(registry), model_(model), sampled_at_(Clock::now()) {
  AddKind(ItemKind::kImage);
  if (texts) AddTexts();
  for (int i = 0; i < kRequestStageCount; ++i) {
    const std::string stage(RequestStageName(static_cast<RequestStage>(i)));
    request_stages_[static_cast<size_t>(i)] =
        registry.GetDistribution(name::kRequestStageSeconds, "Time that a request spent until a border",
                                 metrics::kSecondsBuckets, {{label::kModel, model}, {label::kStage, stage}});
  }
  damaged_ = registry.GetCounter(name::kImagesDamaged, "Images read although they are damaged",
                                 {{label::kModel, model}});
  for (const auto& [by, who] : decode::EnumNames(decode::JpegBy{})) {
    if (by == decode::JpegBy::kNobody) continue;
    jpegs_[static_cast<size_t>(by)] =
        registry.GetCounter(name::kJpegs, "JPEGs decoded, by who decoded them",
                            {{label::kModel, model}, {label::kDecodedBy, std::string(who)}});
  }
  if (cache) {
    cache_hits_ = registry.GetCounter(name::kCacheHits, "Images and texts answered from the result cache",
                                      {{label::kModel, model}});
    cache_misses_ =
        registry.GetCounter(name::kCacheMisses, "Images and texts looked up in the result cache in vain",
                            {{label::kModel, model}});
  }
  fetch_queue_ = QueueGauge(registry, model, "fetch");
  decode_queue_ = QueueGauge(registry, model, "decode");
  batch_queue_ = QueueGauge(registry, model, "batch");
  slots_free_ = registry.GetGauge(name::kSlotsFree, "Pixel slots that are free", {{label::kModel, model}});
  for (size_t i = 0; i < kLanes.size(); ++i) {
    const Labels lane{{label::kModel, model}, {label::kPriority, kLanes[i]}};
    const auto requests = [&](const char* state) {
      return registry.GetGauge(
          name::kRequestsByState, "Requests that wait, and of which a decoder or tokenizer took something",
          {{label::kModel, model}, {label::kPriority, kLanes[i]}, {label::kState, state}});
    };
    lanes_[i] = {
        registry.GetGauge(name::kAdmissionWait, "Until all images that were admitted would be done", lane),
        texts ? registry.GetGauge(name::kAdmissionTextWait,
                                  "Until all texts that were admitted would be done", lane)
              : nullptr,
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

metrics::Counter& ModelMetrics::Outcomes(ItemKind kind, Code code) {
  std::atomic<metrics::Counter*>& known = Of(kind).outcomes[static_cast<size_t>(code)];
  metrics::Counter* counter = known.load(std::memory_order_acquire);
  if (counter == nullptr) {  // two threads may both ask: the registry gives them the same counter
    counter = registry_.GetCounter(NamesOf(kind).total, NamesOf(kind).total_help,
                                   {{label::kModel, model_}, {label::kCode, std::string(CodeName(code))}});
    known.store(counter, std::memory_order_release);
  }
  return *counter;
}

void ModelMetrics::ObserveItem(const ItemResult& item) {
  if (!attached_.load(std::memory_order_relaxed)) return;
  const StageTimes& times = item.times;
  const Kind& kind = Of(times.kind());
  if (kind.batch_size == nullptr) return;
  Outcomes(times.kind(), item.status.code()).Add();
  if (item.tokens > 0) tokens_->Add(item.tokens);
  if (item.damaged()) damaged_->Add();
  if (auto* jpegs = jpegs_[static_cast<size_t>(item.trail.jpeg_by)]) jpegs->Add();
  const bool upload =
      times.Has(Border::kFetchEnd) && times.At(Border::kFetchEnd) == times.At(Border::kAdmitted);
  for (const StageBorders& row : StagesOf(times.kind())) {
    if (upload && (row.stage == Stage::kAdmitWait || row.stage == Stage::kFetch)) continue;
    const int64_t micros = times.Micros(row.stage);
    if (micros >= 0) kind.stages[static_cast<size_t>(row.stage)]->Observe(Seconds(micros));
  }
}

void ModelMetrics::ObserveRequest(const RequestStageTimes& stages) {
  if (!attached_.load(std::memory_order_relaxed)) return;
  for (size_t i = 0; i < stages.us.size(); ++i) {
    if (stages.us[i] >= 0) request_stages_[i]->Observe(Seconds(stages.us[i]));
  }
}

void ModelMetrics::ObserveBatch(ItemKind kind, int size) {
  if (attached_.load(std::memory_order_relaxed)) Of(kind).batch_size->Observe(size);
}

void ModelMetrics::ObserveLookup(bool found) {
  if (attached_.load(std::memory_order_relaxed)) (found ? cache_hits_ : cache_misses_)->Add();
}

void ModelMetrics::ObserveDrop(DropQueue queue) {
  if (attached_.load(std::memory_order_relaxed)) dropped_[static_cast<size_t>(queue)]->Add();
}

void ModelMetrics::SampleAdmission(const ModelState& images, const ModelState& texts) {
  if (!attached_.load(std::memory_order_relaxed)) return;
  for (size_t i = 0; i < lanes_.size(); ++i) {
    const LaneState& lane = images.lanes[i];
    lanes_[i].wait->Set(lane.wait_s);
    lanes_[i].limit->Set(lane.max_wait_s);
    lanes_[i].waiting->Set(lane.waiting + texts.lanes[i].waiting);
    lanes_[i].running->Set(lane.running + texts.lanes[i].running);
    if (lanes_[i].text_wait != nullptr) lanes_[i].text_wait->Set(texts.lanes[i].wait_s);
  }
  rate_->Set(images.items_per_second);
  if (text_rate_ != nullptr) text_rate_->Set(texts.items_per_second);
}

void ModelMetrics::Sample(const ModelSample& sample) {
  if (!attached_.load(std::memory_order_relaxed)) return;
  fetch_queue_->Set(sample.fetch_waiting);
  decode_queue_->Set(sample.decode_waiting);
  batch_queue_->Set(static_cast<double>(sample.batch_waiting));
  if (tokenize_queue_ != nullptr) {
    tokenize_queue_->Set(sample.tokenize_waiting);
    text_batch_queue_->Set(static_cast<double>(sample.text_batch_waiting));
  }
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
