// SPDX-License-Identifier: MIT
#include "pipeline/model_runtime.h"

#include <chrono>
#include <utility>

#include "base/log.h"
#include "base/text/sizes.h"

namespace photovec::pipeline {
namespace {

Status ValidateTexts(const std::string& model, const encode::TextInfo& tower,
                     const tokenize::TokenizerInfo& tokenizer) {
  const auto invalid = [&](const std::string& what) {
    return Status(Code::kInvalidRequest, "model '" + model + "': " + what);
  };
  if (tower.max_batch < 1 || tower.max_batch_tokens < tower.max_tokens) {
    return invalid("the encoder takes no text of full length");
  }
  const std::string lengths = "the tokenizer gives up to " + std::to_string(tokenizer.max_length) +
                              " tokens, but the text tower takes " + std::to_string(tower.max_tokens);
  if (tokenizer.max_length > tower.max_tokens) return invalid(lengths);
  if (!tower.causal && !(tokenizer.pads && tokenizer.max_length == tower.max_tokens)) {
    return invalid(lengths + ", always as many, with padding behind the text");
  }
  return Status::Ok();
}

Status Validate(const ModelSetup& setup) {
  const auto invalid = [&](const std::string& what) {
    return Status(Code::kInvalidRequest, "model '" + setup.name + "': " + what);
  };
  if (setup.encoder == nullptr) return invalid("there is no encoder");
  const encode::EncoderInfo& info = setup.encoder->info();
  if (setup.encoder->stream_count() < 1) return invalid("the encoder has no stream");
  if (info.max_batch < 1 || info.embedding_dim < 1) return invalid("the encoder gives no vectors");
  if (info.image_size != setup.spec.crop) {
    return invalid("preprocessor_config.json makes images of " + std::to_string(setup.spec.crop) +
                   " pixels, but the model wants " + std::to_string(info.image_size) +
                   "; the two files belong to different models");
  }
  if (info.text.has_value() != (setup.tokenizer != nullptr)) {
    return invalid("a text tower and a tokenizer belong together");
  }
  return info.text ? ValidateTexts(setup.name, *info.text, setup.tokenizer->info()) : Status::Ok();
}

// Each batch in flight holds max_batch slots; one more batch per model is collected meanwhile, and every
// decoder fills one. More would only add waiting, fewer would let a stream run dry.
int DefaultSlots(encode::Encoder& encoder, int decoders) {
  int batches = 1;
  for (int i = 0; i < encoder.stream_count(); ++i) batches += encoder.stream(i).depth();
  return batches * encoder.info().max_batch + decoders;
}

// Slots are made once and lie beside the memory budget, so both ways in which they may not fit are said.
void LogSlots(const std::string& model, const SlotPool& slots, int full_batches, uint64_t budget_bytes) {
  log::info("model {}: {} slots for decoded photos, {}", model, slots.count(),
            HumanBytes(slots.arena_bytes()));
  if (slots.count() < full_batches) {
    log::warn("model {}: full batches on all streams would take {} slots, so batches will be smaller", model,
              full_batches);
  }
  if (slots.arena_bytes() > budget_bytes) {
    log::warn(
        "model {}: its slots take {}, beside a memory budget of {}; fewer streams or smaller batches take "
        "less",
        model, HumanBytes(slots.arena_bytes()), HumanBytes(budget_bytes));
  }
}

}  // namespace

uint64_t DefaultSlotBytes(const ModelSetup& setup, int decoders) {
  return static_cast<uint64_t>(DefaultSlots(*setup.encoder, decoders)) * setup.spec.slot_bytes();
}

ModelRuntime::ModelRuntime(int index, ModelSetup setup, const PipelineOptions& options,
                           metrics::Registry& registry)
    : index_(index),
      setup_(std::move(setup)),
      replaced_service_spec_(preprocess::SquashVariant(setup_.spec)),
      metrics_(registry, setup_.name, setup_.encoder->stream_count(), options.cache_bytes > 0,
               setup_.tokenizer != nullptr),
      batcher_(std::chrono::microseconds(options.batch_wait_us)) {}

Result<std::unique_ptr<ModelRuntime>> ModelRuntime::Create(int index, ModelSetup setup,
                                                           const PipelineOptions& options, int decoders,
                                                           metrics::Registry& registry, Hooks hooks) {
  RETURN_IF_ERROR(Validate(setup));
  std::unique_ptr<ModelRuntime> model(new ModelRuntime(index, std::move(setup), options, registry));
  encode::Encoder& encoder = *model->setup_.encoder;
  const int full = DefaultSlots(encoder, decoders);
  const int slots = options.slots_per_model > 0 ? options.slots_per_model : full;
  ASSIGN_OR_RETURN(model->slots_, SlotPool::Create(model->setup_.spec.slot_bytes(), slots));
  LogSlots(model->name(), *model->slots_, full - decoders - encoder.info().max_batch,
           options.memory_budget_bytes);
  model->slots_->OnRelease(std::move(hooks.on_slot_freed));
  if (const Status status = encoder.RegisterSlots(model->slots_->arena()); !status.ok()) {
    log::warn("model {}: {}; copies to the GPU will be slower", model->name(), status.message());
  }
  batch::StreamsHooks stream_hooks;
  stream_hooks.on_batch = [model = model.get()](const batch::BatchEvent& event) {
    model->metrics_.ObserveBatch(event.kind, event.size);
    if (event.ok) model->last_encoded_.store(Clock::now());
  };
  stream_hooks.on_device_failure = std::move(hooks.on_device_failure);
  stream_hooks.on_stream_lost = [name = model->name()](int stream, const Status& status) {
    log::error("model {}: stream {} is given up, the others go on: {}", name, stream, status.message());
  };
  model->streams_ = std::make_unique<batch::Streams>(encoder, model->batcher_, std::move(stream_hooks));
  return model;
}

AdmissionModel ModelRuntime::load(ItemKind kind) const {
  const bool texts = kind == ItemKind::kText;
  AdmissionModel load;
  load.first_rate = texts ? setup_.texts_per_second : setup_.images_per_second;
  load.streams = setup_.encoder->stream_count() - (texts ? 0 : setup_.encoder->text_stream_count());
  return load;
}

Status ModelRuntime::WhyNoTexts() const {
  return {Code::kInvalidRequest, "model '" + name() + "' takes images alone: " +
                                     (setup_.no_texts.empty() ? "it has no text tower" : setup_.no_texts)};
}

void ModelRuntime::Sample() {
  ModelSample sample;
  sample.fetch_waiting = fetch_waiting.load(std::memory_order_relaxed);
  sample.decode_waiting = decode_waiting.load(std::memory_order_relaxed);
  sample.tokenize_waiting = tokenize_waiting.load(std::memory_order_relaxed);
  sample.batch_waiting = batcher_.depth(ItemKind::kImage);
  sample.text_batch_waiting = batcher_.depth(ItemKind::kText);
  sample.slots_free = slots_->available();
  for (int i = 0; i < streams_->count(); ++i) sample.stream_busy_us.push_back(streams_->BusyMicros(i));
  sample.at = Clock::now();
  metrics_.Sample(sample);
}

void ModelRuntime::Stop() {
  streams_.reset();
  metrics_.Detach();
  if (slots_ != nullptr) setup_.encoder->UnregisterSlots(slots_->arena());
  slots_.reset();
  setup_.encoder.reset();
}

}  // namespace photovec::pipeline
