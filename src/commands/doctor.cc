// SPDX-License-Identifier: MIT
#include <algorithm>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include "base/json_text.h"
#include "base/machine.h"
#include "base/result.h"
#include "base/text/sizes.h"
#include "cli/exit.h"
#include "cli/exit_codes.h"
#include "commands/commands.h"
#include "commands/engine_flags.h"
#include "engine/decoding.h"
#include "engine/device_choice.h"
#include "engine/machine_plan.h"
#include "engine/machine_report.h"
#include "engine/model_setup.h"

namespace photovec::commands {
namespace {

struct ModelReport {
  engine::ModelChoice choice;
  Status status;
  encode::EncoderInfo encoder;
  model::VisionConfig config;
  std::string fingerprint;
  double load_seconds = 0;
};

ModelReport TryModel(const engine::ModelChoice& choice, const engine::EngineOptions& options,
                     const engine::Plan& plan) {
  ModelReport report;
  report.choice = choice;
  const Result<engine::LoadedModel> loaded = engine::SetUpModel(choice, options, plan, true);
  report.status = loaded.status();
  if (!loaded.ok()) return report;
  report.encoder = loaded->setup.encoder->info();
  report.config = loaded->config;
  report.fingerprint = loaded->setup.fingerprint;
  report.load_seconds = loaded->load_seconds;
  return report;
}

/// Starts one decoder process and asks which walls stand around it, and whether it has libheif.
std::vector<engine::Check> CheckDecoder(const engine::EngineOptions& options) {
  engine::Check sandbox{"decoder sandbox", false, false, ""};
  engine::Check heif{"HEIC and AVIF", false, false, "decoded only in decoder processes"};
  const auto pool = decode::DecoderPool::Create(engine::ToPoolOptions(options, 1));
  if (!pool.ok()) {
    sandbox.detail = pool.status().message();
    return {sandbox, heif};
  }
  const uint32_t layers = (*pool)->layers();
  sandbox.ok = layers == decode::kAllLayers;
  sandbox.detail = "active: " + decode::LayerNames(layers);
  if (!sandbox.ok) {
    sandbox.detail += "; missing: " + decode::LayerNames(decode::kAllLayers & ~layers) + " (" +
                      (*pool)->missing_why() + ")";
  }
  const decode::HeifSupport& support = (*pool)->heif();
  heif.ok = support.hevc && support.av1;
  heif.detail = support.detail;
  if (support.hevc || support.av1) heif.detail += "; with --decode=process only";
  return {sandbox, heif};
}

void PrintMachine(const Machine& machine) {
  std::printf("Machine\n");
  std::printf("  cpu              %s\n", machine.cpu_model.c_str());
  std::printf("  instructions     %s\n", machine.isa.c_str());
  std::printf("  cores            %d physical, %zu CPUs usable, quota %.2f CPUs\n", machine.physical_cores,
              machine.cpus.size(), machine.cpu_quota);
  std::printf("  caches           L2 %s a core, L3 %s\n", HumanBytes(machine.l2_bytes).c_str(),
              HumanBytes(machine.l3_bytes).c_str());
  std::printf("  memory           %s (the cgroup's limit where lower)\n",
              HumanBytes(machine.memory_bytes).c_str());
}

void PrintPlan(const engine::Plan& plan) {
  std::printf("Defaults\n");
  std::printf("  device           %s (%s)\n", plan.backend.c_str(), plan.device_why.c_str());
  std::printf("  precision        %s (%s)\n", plan.precision.c_str(), plan.precision_why.c_str());
  std::printf("  streams          %s (%s)\n", engine::StreamsText(plan).c_str(), plan.streams_why.c_str());
  std::printf("  decoders         %d (%s)\n", plan.decoders, plan.decoders_why.c_str());
  std::printf("  memory budget    %s (%s)\n", HumanBytes(plan.memory_budget_bytes).c_str(),
              plan.memory_why.c_str());
}

void PrintModel(const ModelReport& model) {
  std::printf("Model %s\n", model.choice.name.c_str());
  if (!model.status.ok()) {
    std::printf("  FAIL             %s\n", model.status.message().c_str());
    return;
  }
  const model::VisionConfig& c = model.config;
  std::printf("  ok               %s, patch %d, %d px, %d layers x %d, %d heads, %s -> %d dimensions\n",
              c.architecture.c_str(), c.patch_size, c.image_size, c.layers, c.hidden_size, c.heads,
              std::string(model::ActivationName(c.activation)).c_str(), c.embedding_dim());
  std::printf("  encoder          %s %s, %s\n", model.encoder.backend.c_str(),
              model.encoder.precision.c_str(), model.encoder.detail.c_str());
  std::printf("  weights          %s packed, loaded and warmed up in %.2f s\n",
              HumanBytes(model.encoder.packed_bytes).c_str(), model.load_seconds);
  std::printf("  fingerprint      %s\n", model.fingerprint.c_str());
}

std::string ChecksJson(const std::vector<engine::Check>& checks) {
  std::string out;
  for (const engine::Check& check : checks) {
    out += (out.empty() ? "" : ",") + std::string("{\"name\":") + JsonString(check.name) +
           ",\"ok\":" + (check.ok ? "true" : "false") + ",\"needed\":" + (check.needed ? "true" : "false") +
           ",\"detail\":" + JsonString(check.detail) + "}";
  }
  return "[" + out + "]";
}

std::string LibrariesJson() {
  std::string out;
  for (const engine::LibraryVersion& library : engine::LoadedLibraries()) {
    out += (out.empty() ? "" : ",") + JsonString(library.name) + ":" + JsonString(library.version);
  }
  return "{" + out + "}";
}

std::string PlanJson(const engine::Plan& plan) {
  return "{\"device\":" + JsonString(plan.backend) + ",\"precision\":" + JsonString(plan.precision) +
         ",\"streams\":" + std::to_string(plan.streams) +
         ",\"threads_per_stream\":" + std::to_string(plan.threads_per_stream) +
         ",\"decoders\":" + std::to_string(plan.decoders) +
         ",\"memory_budget_bytes\":" + std::to_string(plan.memory_budget_bytes) +
         ",\"why\":{\"device\":" + JsonString(plan.device_why) +
         ",\"precision\":" + JsonString(plan.precision_why) + ",\"streams\":" + JsonString(plan.streams_why) +
         ",\"decoders\":" + JsonString(plan.decoders_why) +
         ",\"memory_budget\":" + JsonString(plan.memory_why) + "}}";
}

std::string ModelsJson(const std::vector<ModelReport>& models) {
  std::string out;
  for (const ModelReport& model : models) {
    out += (out.empty() ? "" : ",") + std::string("{\"name\":") + JsonString(model.choice.name) +
           ",\"dir\":" + JsonString(model.choice.dir) + ",\"error\":" + JsonError(model.status) +
           ",\"fingerprint\":" + JsonString(model.fingerprint) +
           ",\"architecture\":" + JsonString(model.config.architecture) +
           ",\"precision\":" + JsonString(model.encoder.precision) +
           ",\"detail\":" + JsonString(model.encoder.detail) +
           ",\"dimensions\":" + std::to_string(model.encoder.embedding_dim) +
           ",\"packed_bytes\":" + std::to_string(model.encoder.packed_bytes) + "}";
  }
  return "[" + out + "]";
}

class DoctorCommand : public cli::Command {
 public:
  std::string path() const override { return "doctor"; }
  std::string summary() const override {
    return "Show what this machine has, which defaults follow, and what is missing";
  }
  std::string default_log_level() const override { return "warn"; }
  void Declare(cli::FlagSet& flags) override {
    flags.Group("Output");
    flags.Switch("json", &json_, "print one JSON object");
    DeclareEngineFlags(flags, &options_);
  }

  int Run() override {
    std::vector<engine::ModelChoice> choices;
    if (!options_.models.empty()) {
      auto parsed = engine::ParseModelChoices(options_.models);
      if (!parsed.ok()) return cli::ReportUsage(parsed.status());
      choices = std::move(*parsed);
    }
    const Machine machine = ProbeMachine();
    const Result<engine::Plan> planned = engine::PlanFor(machine, options_);
    if (!planned.ok())
      return planned.status().code() == Code::kInvalidRequest ? cli::ReportUsage(planned.status())
                                                              : cli::ReportFailure(planned.status());
    const engine::Plan& plan = *planned;
    std::vector<engine::Check> checks = engine::CheckSystem();
    checks.push_back(engine::CheckCuda());
    for (engine::Check& check : CheckDecoder(options_)) checks.push_back(std::move(check));
    std::vector<ModelReport> models;
    for (const engine::ModelChoice& choice : choices) models.push_back(TryModel(choice, options_, plan));
    json_ ? PrintJson(machine, plan, checks, models) : PrintText(machine, plan, checks, models);
    const bool healthy =
        std::all_of(checks.begin(), checks.end(), [](const engine::Check& c) { return c.ok || !c.needed; }) &&
        std::all_of(models.begin(), models.end(), [](const ModelReport& m) { return m.status.ok(); });
    return healthy ? cli::kExitOk : cli::kExitFailure;
  }

 private:
  static void PrintText(const Machine& machine, const engine::Plan& plan,
                        const std::vector<engine::Check>& checks, const std::vector<ModelReport>& models) {
    std::printf("photovec %s\n", PHOTOVEC_VERSION);
    PrintMachine(machine);
    PrintPlan(plan);
    std::printf("Checks\n");
    for (const engine::Check& check : checks) {
      const char* verdict = check.ok ? "ok  " : check.needed ? "FAIL" : "note";
      std::printf("  %s  %-22s %s\n", verdict, check.name.c_str(), check.detail.c_str());
    }
    std::printf("Libraries\n ");
    for (const engine::LibraryVersion& library : engine::LoadedLibraries()) {
      std::printf(" %s %s", library.name.c_str(), library.version.c_str());
    }
    std::printf("\n");
    for (const ModelReport& model : models) PrintModel(model);
    if (models.empty()) std::printf("No model looked at: give --model DIR to check one.\n");
  }

  static void PrintJson(const Machine& machine, const engine::Plan& plan,
                        const std::vector<engine::Check>& checks, const std::vector<ModelReport>& models) {
    std::printf(
        "{\"photovec\":%s,\"machine\":%s,\"defaults\":%s,\"checks\":%s,\"libraries\":%s,\"models\":%s}\n",
        JsonString(PHOTOVEC_VERSION).c_str(), engine::MachineJson(machine).c_str(), PlanJson(plan).c_str(),
        ChecksJson(checks).c_str(), LibrariesJson().c_str(), ModelsJson(models).c_str());
  }

  bool json_ = false;
  engine::EngineOptions options_;
};

}  // namespace

std::unique_ptr<cli::Command> MakeDoctorCommand() { return std::make_unique<DoctorCommand>(); }

}  // namespace photovec::commands
