// SPDX-License-Identifier: MIT
#include "pipeline/pipeline.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <utility>

#include "base/log.h"
#include "base/machine.h"
#include "base/text/sizes.h"
#include "pipeline/collector.h"
#include "pipeline/core.h"
#include "pipeline/open_request.h"

namespace photovec::pipeline {
namespace {

constexpr uint64_t kMostDefaultBudget = 2ULL << 30;

Status Validate(const std::vector<ModelSetup>& models, const PipelineOptions& options) {
  if (models.empty()) return {Code::kInvalidRequest, "a pipeline needs at least one model"};
  std::set<std::string_view> names;
  for (const ModelSetup& model : models) {
    if (model.name.empty()) return {Code::kInvalidRequest, "a model has an empty name"};
    if (!names.insert(model.name).second) {
      return {Code::kInvalidRequest, "two models are called '" + model.name + "'; give one another name"};
    }
  }
  if (options.decoders < 0 || options.slots_per_model < 0 || options.batch_wait_us < 0 ||
      options.max_items_per_request < 1) {
    return {Code::kInvalidRequest,
            "decoders, slots per model and batch wait must not be negative, and a request must be allowed at "
            "least one image"};
  }
  return Status::Ok();
}

// One decoder per CPU that this process may really use.
PipelineOptions FillDefaults(PipelineOptions options) {
  const Machine machine = ProbeMachine();
  if (options.decoders == 0) {
    const int cpus = static_cast<int>(machine.cpus.size());
    options.decoders = std::max(1, std::min(cpus, static_cast<int>(std::ceil(machine.cpu_quota))));
  }
  if (options.memory_budget_bytes == 0) {
    options.memory_budget_bytes = std::min(machine.memory_bytes / 4, kMostDefaultBudget);
  }
  if (options.decode_memory_bytes > 0) {
    const decode::DecodeMemory memory(options.decode_memory_bytes, options.decoders);
    int64_t& most = options.decode.limits.max_decoder_bytes;
    most = std::min(most, memory.largest_bytes());
  }
  return options;
}

class PipelineImpl final : public Pipeline {
 public:
  explicit PipelineImpl(std::shared_ptr<Core> core) : core_(std::move(core)) {}
  ~PipelineImpl() override { core_->Stop(); }

  Result<std::unique_ptr<Request>> Open(RequestOptions options, RequestDone done) override {
    if (options.model < 0 || static_cast<size_t>(options.model) >= core_->models.size()) {
      return Status(Code::kInternal, "a request names a model that the pipeline does not have");
    }
    if (core_->device_failed) {
      return Status(Code::kDeviceFailed, "a device failed and this server is about to end; retry elsewhere");
    }
    ModelRuntime& model = *core_->models[static_cast<size_t>(options.model)];
    if (options.ticket == nullptr) {
      AdmissionAsk ask;
      ask.model = options.model;
      ask.lane = options.lane;
      ask.client = options.client;
      ask.images = 0;
      options.ticket = core_->admission->Enter(ask);
    }
    auto cancel = std::make_shared<CancelFlag>();
    ASSIGN_OR_RETURN(const uint64_t id, core_->requests.Register(cancel, options.deadline));
    auto collector = std::make_shared<Collector>(id, std::move(options), std::move(cancel), model,
                                                 core_->requests, core_, std::move(done));
    return std::unique_ptr<Request>(std::make_unique<OpenRequest>(core_, std::move(collector)));
  }

  MemoryBudget& budget() override { return core_->budget; }
  Admission& admission() override { return *core_->admission; }

  std::vector<ModelView> models() const override {
    std::vector<ModelView> views;
    for (const auto& model : core_->models) views.push_back(model->view());
    return views;
  }

  std::optional<ModelView> FindModel(std::string_view name) const override {
    const ModelRuntime* model = core_->FindModel(name);
    return model == nullptr ? std::nullopt : std::optional(model->view());
  }

  const PipelineOptions& options() const override { return core_->options; }

  void Drain(Deadline deadline) override {
    core_->requests.Refuse();
    if (core_->requests.WaitUntilEmpty(deadline)) return;
    log::warn("the time to drain is over: {} requests are cancelled", core_->requests.size());
    core_->requests.CancelAll();
  }

  TimePoint LastEncoded(int model) const override {
    return core_->models.at(static_cast<size_t>(model))->last_encoded();
  }
  bool device_failed() const override { return core_->device_failed; }

 private:
  const std::shared_ptr<Core> core_;
};

}  // namespace

Result<std::unique_ptr<Pipeline>> Pipeline::Create(std::vector<ModelSetup> models, fetch::Fetcher& fetcher,
                                                   DecoderFactory make_decoder, metrics::Registry& registry,
                                                   PipelineOptions options) {
  RETURN_IF_ERROR(Validate(models, options));
  options = FillDefaults(std::move(options));
  std::vector<std::unique_ptr<decode::Decoder>> decoders;
  for (int i = 0; i < options.decoders; ++i) {
    decoders.push_back(make_decoder());
    if (decoders.back() == nullptr) return Status(Code::kInternal, "the decoder factory made no decoder");
  }
  auto core = std::make_shared<Core>(std::move(options), fetcher, registry, static_cast<int>(models.size()),
                                     std::move(decoders));
  auto pipeline = std::make_unique<PipelineImpl>(core);  // from here on its destructor stops the core
  for (ModelSetup& model : models) RETURN_IF_ERROR(core->AddModel(std::move(model)));
  core->StartSampling();
  for (const auto& model : core->models) {
    log::debug("model '{}' ({}): {} slots of {}, {}", model->name(), model->view().fingerprint,
               model->slots().count(), HumanBytes(model->slots().slot_bytes()), model->view().info->detail);
  }
  log::debug("{} decoders, memory budget {}", core->options.decoders, HumanBytes(core->budget.limit()));
  return std::unique_ptr<Pipeline>(std::move(pipeline));
}

}  // namespace photovec::pipeline
