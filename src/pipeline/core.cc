// SPDX-License-Identifier: MIT
#include "pipeline/core.h"

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "metrics/names.h"

namespace photovec::pipeline {
namespace {

// A decoder takes about 100 photos a second and an object store answers in about 0.2 s, so some 20 photos
// per decoder on their way keep it busy; half as many again for answers that are late.
constexpr int kLookAheadPerDecoder = 32;

// decode, tokenize -> batch. From there the item goes on by itself: it is the batch's client
// (batch/batcher.h), and ends in its request's Collector, as every item does.
void ToBatch(ItemPtr item, SlotRef slot, std::vector<int32_t> ids) {
  batch::Batcher& batcher = item->model().batcher();
  const Turn turn = item->turn();
  batcher.Push(turn, {std::move(slot), std::move(item), std::move(ids)});
}

}  // namespace

Core::Core(PipelineOptions given, fetch::Fetcher& fetcher, metrics::Registry& metrics_registry,
           int model_count, std::vector<std::unique_ptr<decode::Decoder>> decoders)
    : options(std::move(given)),
      registry(metrics_registry),
      budget(options.memory_budget_bytes),
      admission(std::make_shared<Admission>(options.admission)),
      cache(options.cache_bytes > 0 ? std::make_unique<ResultCache>(options.cache_bytes) : nullptr),
      decode_memory(options.decode_memory_bytes > 0
                        ? std::optional<decode::DecodeMemory>(std::in_place, options.decode_memory_bytes,
                                                              options.decoders)
                        : std::nullopt),
      tokenize(cache.get(),
               [](ItemPtr item, std::vector<int32_t> ids) { ToBatch(std::move(item), {}, std::move(ids)); }),
      decode(
          std::move(decoders), options.decode, model_count, cache.get(),
          decode_memory ? &*decode_memory : nullptr, [this] { fetch.Wake(); },
          [](ItemPtr item, SlotRef slot) { ToBatch(std::move(item), std::move(slot), {}); }),
      fetch(fetcher, budget, {kLookAheadPerDecoder * options.decoders, options.decode.limits.max_file_bytes},
            model_count, [this](ItemPtr item) { decode.Push(std::move(item)); }),
      requests([this] {
        fetch.Sweep();
        tokenize.Sweep();
        decode.Sweep();
      }) {}

Status Core::AddModel(ModelSetup setup) {
  ModelRuntime::Hooks hooks;
  hooks.on_slot_freed = [this] { decode.Wake(); };
  hooks.on_device_failure = [this](const Status& status) { OnDeviceFailure(status); };
  ASSIGN_OR_RETURN(auto model, ModelRuntime::Create(static_cast<int>(models.size()), std::move(setup),
                                                    options, options.decoders, registry, std::move(hooks)));
  AdmissionModel load = model->load(ItemKind::kImage);
  load.decoders = options.decoders;
  // Both may stand on the same CPUs, so their times add up. A decoder takes about 100 photos a second.
  if (load.first_rate > 0) load.first_rate = 1 / (1 / load.first_rate + 1 / (100.0 * options.decoders));
  load.fetch_ahead = kLookAheadPerDecoder * options.decoders;
  AdmissionModel texts = model->load(ItemKind::kText);
  texts.decoders = TokenizeStage::kThreads;
  admission->AddModel(load, texts);
  if (model->tokenizer() != nullptr) tokenize.Start();
  models.push_back(std::move(model));
  return Status::Ok();
}

void Core::Enter(ItemPtr item, Source source) {
  if (auto* reference = std::get_if<Reference>(&source)) {
    item->trail().by_reference = true;
    item->reference = std::move(reference->text);
    item->Charge(0, true);
    return fetch.Push(std::move(item));
  }
  if (auto* words = std::get_if<Text>(&source)) {
    item->times().set_kind(ItemKind::kText);
    if (item->model().tokenizer() == nullptr) return item->Fail(item->model().WhyNoTexts());
    item->trail().bytes = words->text.size();
    item->text = std::move(words->text);
    item->Charge(item->text.size(), false);
    return tokenize.Push(std::move(item));
  }
  item->bytes = std::move(std::get<Bytes>(source));
  item->trail().bytes = item->bytes.size();
  item->Charge(item->bytes.size(), false);
  const TimePoint admitted = item->times().At(Border::kAdmitted);
  item->times().MarkAt(Border::kFetchStart, admitted);
  item->times().MarkAt(Border::kFetchEnd, admitted);
  decode.Push(std::move(item));
}

ModelRuntime* Core::FindModel(std::string_view name) const {
  if (name.empty()) return models.front().get();
  const auto found =
      std::find_if(models.begin(), models.end(), [&](const auto& model) { return model->name() == name; });
  return found == models.end() ? nullptr : found->get();
}

void Core::OnDeviceFailure(const Status& status) {
  if (device_failed.exchange(true)) return;
  log::error("a device failed, the server must be restarted: {}", status.ToString());
  if (options.on_device_failure) options.on_device_failure(status);
}

void Core::StartSampling() {
  namespace name = metrics::name;
  budget_used_ = registry.GetGauge(name::kBudgetUsedBytes, "Bytes of waiting photos and request bodies", {});
  registry.GetGauge(name::kBudgetLimitBytes, "What photovec_memory_budget_used_bytes may reach", {})
      ->Set(static_cast<double>(budget.limit()));
  in_flight_ = registry.GetGauge(name::kRequestsInFlight, "Requests opened but not answered", {});
  if (cache != nullptr) {
    cache_bytes_ = registry.GetGauge(name::kCacheBytes, "Bytes that the result cache holds", {});
    registry.GetGauge(name::kCacheLimitBytes, "What photovec_cache_bytes may reach", {})
        ->Set(static_cast<double>(cache->limit_bytes()));
    cache_entries_ = registry.GetGauge(name::kCacheEntries, "Vectors in the result cache", {});
    cache_evictions_ =
        registry.GetCounter(name::kCacheEvictions, "Vectors that left the result cache for others", {});
  }
  if (decode_memory) {
    decode_memory_used_ =
        registry.GetGauge(name::kDecodeMemoryUsedBytes, "Memory that decoders may take now", {});
    registry.GetGauge(name::kDecodeMemoryLimitBytes, "What photovec_decode_memory_used_bytes may reach", {})
        ->Set(static_cast<double>(decode_memory->total_bytes()));
  }
  sampler_id_ = registry.AddSampler([this] { Sample(); });
}

void Core::Sample() {
  std::scoped_lock lock(sampling_);
  for (const auto& model : models) model->Sample();
  for (const auto& model : models) {
    model->metrics().SampleAdmission(admission->State(model->index(), ItemKind::kImage),
                                     admission->State(model->index(), ItemKind::kText));
  }
  budget_used_->Set(static_cast<double>(budget.used()));
  in_flight_->Set(static_cast<double>(requests.size()));
  if (decode_memory) decode_memory_used_->Set(static_cast<double>(decode_memory->used_bytes()));
  if (cache == nullptr) return;
  const CacheStats stats = cache->stats();
  cache_bytes_->Set(static_cast<double>(stats.bytes));
  cache_entries_->Set(static_cast<double>(stats.entries));
  cache_evictions_->RaiseTo(static_cast<double>(stats.evictions));
}

void Core::Stop() {
  if (std::exchange(stopped_, true)) return;
  requests.Stop();
  if (sampler_id_ >= 0) registry.RemoveSampler(sampler_id_);
  fetch.Stop();
  tokenize.Stop();
  decode.Stop();
  for (const auto& model : models) model->Stop();
  cache.reset();  // after the last thread that could use it
}

}  // namespace photovec::pipeline
