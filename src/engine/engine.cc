// SPDX-License-Identifier: MIT
#include "engine/engine.h"

#include <utility>

#include "base/log.h"
#include "base/text/sizes.h"
#include "engine/device_choice.h"
#include "pipeline/model_runtime.h"

namespace photovec::engine {
namespace {

ModelSummary Summarize(const LoadedModel& loaded) {
  ModelSummary summary;
  summary.name = loaded.choice.name;
  summary.dir = loaded.choice.dir;
  summary.fingerprint = loaded.setup.fingerprint;
  summary.weights_sha256 = loaded.weights_sha256;
  summary.encoder = loaded.setup.encoder->info();
  summary.spec = loaded.setup.spec;
  if (loaded.setup.tokenizer != nullptr) summary.text_rule = loaded.setup.tokenizer->info().rule;
  summary.text_fingerprint = loaded.setup.text_fingerprint;
  summary.handle = loaded.setup.encoder.get();
  summary.streams = loaded.setup.encoder->stream_count();
  summary.load_seconds = loaded.load_seconds;
  return summary;
}

void LogModel(const ModelSummary& model) {
  log::info("model {}: {} from {}, fingerprint {}, {} dimensions, {} weights packed, loaded in {:.1f} s",
            model.name, model.encoder.precision, model.dir, model.fingerprint, model.encoder.embedding_dim,
            HumanBytes(model.encoder.packed_bytes), model.load_seconds);
  log::info("  {} {}: {} streams, batches of up to {}", model.encoder.backend, model.encoder.detail,
            model.streams, model.encoder.max_batch);
  if (const auto& text = model.encoder.text) {
    log::info("  texts of up to {} tokens by the rule {}, fingerprint {}, batches of up to {}",
              text->max_tokens, model.text_rule, model.text_fingerprint, text->max_batch);
  }
}

void LogPlan(const Machine& machine, const MachinePlan& plan, const EngineOptions& options) {
  log::info("photovec {} on {} ({} cores, {}, {})", PHOTOVEC_VERSION, machine.cpu_model,
            machine.physical_cores, machine.isa, HumanBytes(machine.memory_bytes));
  log::info("device {} ({})", NameOf(plan.backend), plan.device_why);
  log::info("streams {} ({}), precision {} ({})", StreamsText(plan), plan.streams_why, NameOf(plan.precision),
            plan.precision_why);
  log::info("decoders {} ({}), decode {}, jpeg scaling {}, damaged {}, alpha {}, color {}", plan.decoders,
            plan.decoders_why, NameOf(options.decode_mode), NameOf(options.decode.jpeg_scaling),
            NameOf(options.decode.damaged), NameOf(options.decode.alpha), NameOf(options.decode.color));
  if (options.cache_bytes > 0) log::info("result cache of {}", HumanBytes(options.cache_bytes));
}

/// Once the models are here: only then is it known what they leave.
void SettleBudget(const Machine& machine, const EngineOptions& options,
                  const std::vector<pipeline::ModelSetup>& models, MachinePlan& plan) {
  MemoryNeeds needs{ResidentBytes(), 0, options.cache_bytes};
  for (const pipeline::ModelSetup& model : models) {
    needs.slots += pipeline::DefaultSlotBytes(model, plan.decode_threads);
  }
  const std::string warning = FitBudget(machine, options, needs, plan);
  log::info("memory budget {} ({}), decoders' memory {}", HumanBytes(plan.memory_budget_bytes),
            plan.memory_why, HumanBytes(plan.decode_memory_bytes));
  if (!warning.empty()) log::warn("{}", warning);
}

}  // namespace

Result<std::unique_ptr<Engine>> StartEngine(const EngineOptions& options,
                                            std::unique_ptr<fetch::Fetcher> fetcher,
                                            int max_items_per_request, const SlowStages& slow,
                                            std::unique_ptr<metrics::Registry> registry) {
  auto engine = std::make_unique<Engine>();
  ASSIGN_OR_RETURN(const auto choices, ParseModelChoices(options.models));
  const Machine machine = ProbeMachine();
  ASSIGN_OR_RETURN(engine->plan, PlanFor(machine, options));
  RETURN_IF_ERROR(PlanDecoding(options, engine->plan));
  LogPlan(machine, engine->plan, options);

  std::vector<pipeline::ModelSetup> setups;
  for (const ModelChoice& choice : choices) {
    ASSIGN_OR_RETURN(LoadedModel loaded, SetUpModel(choice, options, engine->plan,
                                                    choices.size() == 1 && engine->plan.pin_threads));
    loaded.setup.encoder = SlowDown(std::move(loaded.setup.encoder), slow.encode);
    engine->models.push_back(Summarize(loaded));
    LogModel(engine->models.back());
    setups.push_back(std::move(loaded.setup));
  }
  SettleBudget(machine, options, setups, engine->plan);
  pipeline::PipelineOptions pipeline;
  pipeline.decoders = engine->plan.decode_threads;
  pipeline.decode = options.decode;
  pipeline.memory_budget_bytes = engine->plan.memory_budget_bytes;
  pipeline.decode_memory_bytes = static_cast<int64_t>(engine->plan.decode_memory_bytes);
  pipeline.cache_bytes = options.cache_bytes;
  pipeline.admission = options.admission;
  pipeline.batch_wait_us = options.batch_wait_us;
  pipeline.max_items_per_request = max_items_per_request;
  engine->registry = registry != nullptr ? std::move(registry) : metrics::Registry::Create();
  engine->fetcher = SlowDown(std::move(fetcher), slow.fetch);
  ASSIGN_OR_RETURN(Decoding decoding, StartDecoding(options, engine->plan));
  engine->decoders = std::move(decoding.pool);
  engine->gpu_jpeg = std::move(decoding.gpu);
  if (engine->decoders) {
    engine->decoder_metrics = std::make_unique<DecoderMetrics>(*engine->decoders, *engine->registry);
  }
  if (engine->gpu_jpeg) {
    engine->gpu_jpeg_metrics = std::make_unique<GpuJpegMetrics>(*engine->gpu_jpeg, *engine->registry);
  }
  ASSIGN_OR_RETURN(engine->pipeline,
                   pipeline::Pipeline::Create(std::move(setups), *engine->fetcher,
                                              SlowDown(std::move(decoding.factory), slow.decode),
                                              *engine->registry, pipeline));
  return engine;
}

bool HasHangingStream(const Engine& engine) {
  if (engine.gpu_jpeg != nullptr && engine.gpu_jpeg->hangs()) return true;
  for (const ModelSummary& model : engine.models) {
    for (int i = 0; i < model.streams; ++i) {
      if (!model.handle->stream(i).usable()) return true;
    }
  }
  return false;
}

}  // namespace photovec::engine
