// SPDX-License-Identifier: MIT
#include <algorithm>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include "base/json/writer.h"
#include "base/machine.h"
#include "base/result.h"
#include "base/text/sizes.h"
#include "cli/exit.h"
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
  std::string text_rule;         ///< empty: images alone
  std::string text_fingerprint;  ///< with a rule
  std::string no_texts;          ///< why there are none, where that is not the model's nature
  double load_seconds = 0;
};

ModelReport TryModel(const engine::ModelChoice& choice, const engine::EngineOptions& options,
                     const engine::MachinePlan& plan) {
  ModelReport report;
  report.choice = choice;
  const Result<engine::LoadedModel> loaded = engine::SetUpModel(choice, options, plan, true);
  report.status = loaded.status();
  if (!loaded.ok()) return report;
  report.encoder = loaded->setup.encoder->info();
  report.config = loaded->config;
  report.fingerprint = loaded->setup.fingerprint;
  if (loaded->setup.tokenizer != nullptr) report.text_rule = loaded->setup.tokenizer->info().rule;
  report.text_fingerprint = loaded->setup.text_fingerprint;
  report.no_texts = loaded->setup.no_texts;
  report.load_seconds = loaded->load_seconds;
  return report;
}

/// Starts one decoder process and asks which walls stand around it, and which codec libraries it has.
std::vector<engine::Check> CheckDecoder(const engine::EngineOptions& options) {
  engine::Check sandbox{"decoder sandbox", false, false, ""};
  const auto pool = decode::DecoderPool::Create(engine::ToPoolOptions(options, 1));
  if (!pool.ok()) {
    sandbox.detail = pool.status().message();
    std::vector<engine::Check> checks = {sandbox};
    for (const decode::LibraryEntry& library : decode::Libraries()) {
      checks.push_back({std::string(library.title), false, false, "decoded only in decoder processes"});
    }
    return checks;
  }
  const uint32_t layers = (*pool)->layers();
  sandbox.ok = layers == decode::kAllLayers;
  sandbox.detail = "active: " + decode::LayerNames(layers);
  if (!sandbox.ok) {
    sandbox.detail += "; missing: " + decode::LayerNames(decode::kAllLayers & ~layers) + " (" +
                      (*pool)->missing_why() + ")";
  }
  std::vector<engine::Check> checks = {sandbox};
  for (size_t i = 0; i < decode::Libraries().size(); ++i) {
    const decode::LibraryEntry& library = decode::Libraries()[i];
    const decode::LibrarySupport& found = (*pool)->libraries()[i];
    checks.push_back({std::string(library.title), found.formats == library.formats, false, found.detail});
    if (found.formats != 0) checks.back().detail += "; with --decode=process only";
  }
  return checks;
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

void PrintPlan(const engine::MachinePlan& plan) {
  std::printf("Defaults\n");
  std::printf("  device           %s (%s)\n", std::string(NameOf(plan.backend)).c_str(),
              plan.device_why.c_str());
  std::printf("  precision        %s (%s)\n", std::string(NameOf(plan.precision)).c_str(),
              plan.precision_why.c_str());
  std::printf("  streams          %s (%s)\n", engine::StreamsText(plan).c_str(), plan.streams_why.c_str());
  std::printf("  decoders         %d (%s)\n", plan.decoders, plan.decoders_why.c_str());
  std::printf("  memory budget    %s (%s)\n", HumanBytes(plan.memory_budget_bytes).c_str(),
              plan.memory_why.c_str());
  std::printf("  decode memory    %s\n", HumanBytes(plan.decode_memory_bytes).c_str());
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
  if (model.encoder.text) {
    std::printf("  modalities       image and text: up to %d tokens by the rule %s, fingerprint %s\n",
                model.encoder.text->max_tokens, model.text_rule.c_str(), model.text_fingerprint.c_str());
  } else {
    std::printf("  modalities       image%s%s\n", model.no_texts.empty() ? "" : "; no texts, because ",
                model.no_texts.c_str());
  }
}

void WriteChecks(json::Writer& writer, const std::vector<engine::Check>& checks) {
  writer.BeginArray();
  for (const engine::Check& check : checks) {
    writer.BeginObject().Field("name", check.name).Field("ok", check.ok).Field("needed", check.needed);
    writer.Field("detail", check.detail).EndObject();
  }
  writer.EndArray();
}

void WriteLibraries(json::Writer& writer) {
  writer.BeginObject();
  for (const engine::LibraryVersion& library : engine::LoadedLibraries()) {
    writer.Field(library.name, library.version);
  }
  writer.EndObject();
}

void WritePlan(json::Writer& writer, const engine::MachinePlan& plan) {
  writer.BeginObject().Field("device", NameOf(plan.backend)).Field("precision", NameOf(plan.precision));
  writer.Field("streams", plan.streams).Field("threads_per_stream", plan.threads_per_stream);
  writer.Field("decoders", plan.decoders).Field("memory_budget_bytes", plan.memory_budget_bytes);
  writer.Field("decode_memory_bytes", plan.decode_memory_bytes);
  writer.Key("why").BeginObject();
  writer.Field("device", plan.device_why).Field("precision", plan.precision_why);
  writer.Field("streams", plan.streams_why).Field("decoders", plan.decoders_why);
  writer.Field("memory_budget", plan.memory_why).EndObject().EndObject();
}

void WriteModels(json::Writer& writer, const std::vector<ModelReport>& models) {
  writer.BeginArray();
  for (const ModelReport& model : models) {
    writer.BeginObject().Field("name", model.choice.name).Field("dir", model.choice.dir);
    writer.Key("error").Error(model.status).Field("fingerprint", model.fingerprint);
    writer.Field("architecture", model.config.architecture).Field("precision", model.encoder.precision);
    writer.Field("detail", model.encoder.detail).Field("dimensions", model.encoder.embedding_dim);
    writer.Field("packed_bytes", model.encoder.packed_bytes);
    writer.Key("modalities").BeginArray().Value("image");
    if (model.encoder.text) writer.Value("text");
    writer.EndArray().Field("text_rule", model.text_rule);
    writer.Field("text_fingerprint", model.text_fingerprint).EndObject();
  }
  writer.EndArray();
}

class DoctorCommand : public cli::Command {
 public:
  std::string path() const override { return "doctor"; }
  std::string summary() const override {
    return "Show what this machine has, which defaults follow, and what is missing";
  }
  LogLevel default_log_level() const override { return LogLevel::kWarn; }
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
    const Result<engine::MachinePlan> planned = engine::PlanFor(machine, options_);
    if (!planned.ok())
      return planned.status().code() == Code::kInvalidRequest ? cli::ReportUsage(planned.status())
                                                              : cli::ReportFailure(planned.status());
    const engine::MachinePlan& plan = *planned;
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
  static void PrintText(const Machine& machine, const engine::MachinePlan& plan,
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

  static void PrintJson(const Machine& machine, const engine::MachinePlan& plan,
                        const std::vector<engine::Check>& checks, const std::vector<ModelReport>& models) {
    std::string out;
    json::Writer writer(out);
    writer.BeginObject().Field("photovec", PHOTOVEC_VERSION);
    writer.Key("machine").Raw(engine::MachineJson(machine));
    WritePlan(writer.Key("defaults"), plan);
    WriteChecks(writer.Key("checks"), checks);
    WriteLibraries(writer.Key("libraries"));
    WriteModels(writer.Key("models"), models);
    writer.EndObject();
    std::printf("%s\n", out.c_str());
  }

  bool json_ = false;
  engine::EngineOptions options_;
};

}  // namespace

std::unique_ptr<cli::Command> MakeDoctorCommand() { return std::make_unique<DoctorCommand>(); }

}  // namespace photovec::commands
