// SPDX-License-Identifier: MIT
#include <atomic>
#include <cstdio>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "base/json/writer.h"
#include "base/log.h"
#include "bulk/output.h"
#include "bulk/reader.h"
#include "bulk/run.h"
#include "bulk/walker.h"
#include "cli/exit.h"
#include "cli/progress.h"
#include "cli/stop_signal.h"
#include "commands/commands.h"
#include "commands/engine_flags.h"
#include "engine/engine.h"

namespace photovec::commands {
namespace {

constexpr int kReaders = 8;
// More than the pipeline ever asks for at a time.
constexpr size_t kMaxReads = bulk::EmbedRun::kChunk * bulk::EmbedRun::kMaxHeld;

// Counts the input beside the work, so that the progress line can say how much is left.
class InputCounter {
 public:
  InputCounter(const std::vector<std::string>& inputs, bool all_files, bool enabled) {
    if (!enabled) return;
    thread_ = std::thread([this, inputs, all_files] {
      bulk::PathWalker walker(inputs, all_files);
      int64_t count = 0;
      while (!abandoned_ && walker.Next()) ++count;
      if (!abandoned_) total_ = count;
    });
  }
  ~InputCounter() {
    abandoned_ = true;
    if (thread_.joinable()) thread_.join();
  }
  InputCounter(const InputCounter&) = delete;
  InputCounter& operator=(const InputCounter&) = delete;
  int64_t total() const { return total_; }

 private:
  std::atomic<bool> abandoned_{false};
  std::atomic<int64_t> total_{-1};
  std::thread thread_;
};

struct Outcome {
  double seconds = 0;
  bool complete = false;
  int64_t skipped = 0;
};

std::string MetaJson(const engine::ModelSummary& model, const engine::EngineOptions& options,
                     const bulk::StageSummary& summary, const Outcome& outcome) {
  std::string out;
  json::Writer writer(out);
  const auto add = [&](std::string_view key, const auto& value) { writer.Line(2).Field(key, value); };
  writer.BeginObject();
  add("photovec", PHOTOVEC_VERSION);
  add("model", model.name);
  add("model_dir", model.dir);
  add("fingerprint", model.fingerprint);
  add("weights_sha256", model.weights_sha256);
  add("dimensions", model.encoder.embedding_dim);
  add("normalized", true);
  add("precision", model.encoder.precision);
  add("jpeg_scaling", NameOf(options.decode.jpeg_scaling));
  add("alpha", NameOf(options.decode.alpha));
  add("color", NameOf(options.decode.color));
  add("complete", outcome.complete);
  add("inputs", summary.images());
  add("vectors", summary.images() - summary.failed());
  add("failed", summary.failed());
  writer.Line(2).Key("failures").BeginObject();
  for (const auto& [code, count] : summary.failures()) writer.Field(code, count);
  writer.EndObject();
  add("skipped_by_name", outcome.skipped);
  writer.Line(2).Field("seconds", outcome.seconds, 3);
  writer.Line(2).Key("stages").Raw(summary.Json());
  writer.Line(0).EndObject();
  return out += '\n';
}

void PrintSummary(const std::string& output, const bulk::StageSummary& summary, const Outcome& outcome) {
  const int64_t vectors = summary.images() - summary.failed();
  const double rate = outcome.seconds > 0 ? static_cast<double>(summary.images()) / outcome.seconds : 0;
  std::printf("%s of %s images embedded in %.1f s, %.1f images/s -> %s\n", cli::Grouped(vectors).c_str(),
              cli::Grouped(summary.images()).c_str(), outcome.seconds, rate, output.c_str());
  std::printf("%s", summary.Table().c_str());
  std::printf("failures: %s\n", summary.FailuresText().c_str());
  if (outcome.skipped > 0) {
    std::printf("%s other files in the folders passed over (--all-files takes them)\n",
                cli::Grouped(outcome.skipped).c_str());
  }
}

class EmbedCommand : public cli::Command {
 public:
  std::string path() const override { return "embed"; }
  std::string summary() const override {
    return "Turn folders and files into vectors.npy, vectors.jsonl and vectors.meta.json";
  }
  LogLevel default_log_level() const override { return LogLevel::kWarn; }

  void Declare(cli::FlagSet& flags) override {
    flags.Positionals("INPUT", &inputs_, true, "folders (searched recursively) and files");
    flags.Group("Output");
    flags.Text("output", &output_, "FILE", "where the vectors go; .jsonl and .meta.json lie beside it")
        .short_name = "o";
    flags.Group("Input");
    flags.Switch("all-files", &all_files_, "try every file in folders, not only names like photos'");
    DeclareEngineFlags(flags, &engine_options_);
  }

  int Run() override {
    const auto choices = engine::ParseModelChoices(engine_options_.models);
    if (!choices.ok()) return cli::ReportUsage(choices.status());
    if (choices->size() > 1) {
      return cli::ReportUsage(
          {Code::kInvalidRequest, "embed takes one --model, since its vectors go into one file"});
    }
    const cli::StopSignal stop;
    auto output = bulk::EmbedOutput::Create(output_);
    if (!output.ok()) {
      return output.status().code() == Code::kInvalidRequest ? cli::ReportUsage(output.status())
                                                             : cli::ReportFailure(output.status());
    }
    auto engine = engine::StartEngine(
        engine_options_, std::make_unique<bulk::PathReader>(kReaders, kMaxReads), bulk::EmbedRun::kChunk);
    if (!engine.ok()) return cli::ReportFailure(engine.status());
    const int code = Embed(**engine, **output, stop);
    if (code == cli::kExitDeviceFailed || engine::HasHangingStream(**engine)) {
      output->reset();  // removes what was not committed
      cli::ExitAtOnce(code);
    }
    return code;
  }

 private:
  int Embed(engine::Engine& engine, bulk::EmbedOutput& output, const cli::StopSignal& stop) {
    bulk::PathWalker walker(inputs_, all_files_);
    const TimePoint begin = Clock::now();
    cli::Progress progress;
    const InputCounter counter(inputs_, all_files_, progress.enabled());
    const engine::ModelSummary& model = engine.models[0];
    // As the pipeline sizes its slots: the batches in flight, one more, and one photo a decoder.
    const int in_flight = model.streams * model.handle->stream(0).depth();
    const int slots = (in_flight + 1) * model.encoder.max_batch + engine.plan.decode_threads;
    bulk::EmbedRun run(
        *engine.pipeline, walker, output, bulk::EmbedRun::UnfinishedFor(slots),
        {[&] { return stop.requested(); },
         [&](int64_t done, int64_t failed) { progress.Update(done, failed, counter.total()); }});
    Status written = run.Run();
    progress.Finish();
    const bool device_failed = engine.pipeline->device_failed();
    Outcome outcome;
    outcome.seconds = static_cast<double>(MicrosBetween(begin, Clock::now())) / 1e6;
    outcome.complete = !run.stopped() && !device_failed;
    outcome.skipped = walker.skipped();
    if (written.ok()) {
      written = output.Commit(model.encoder.embedding_dim,
                              MetaJson(model, engine_options_, run.summary(), outcome));
    }
    if (!written.ok()) return cli::ReportFailure(written);
    PrintSummary(output_, run.summary(), outcome);
    if (device_failed) {
      log::error("the compute device failed; what was done before is written");
      return cli::kExitDeviceFailed;
    }
    if (run.stopped()) {
      log::warn("stopped before the input ended; {} images are written", run.summary().images());
      return cli::kExitFailure;
    }
    return run.summary().failed() > 0 ? cli::kExitSomeFailed : cli::kExitOk;
  }

  std::vector<std::string> inputs_;
  std::string output_ = "vectors.npy";
  bool all_files_ = false;
  engine::EngineOptions engine_options_;
};

}  // namespace

std::unique_ptr<cli::Command> MakeEmbedCommand() { return std::make_unique<EmbedCommand>(); }

}  // namespace photovec::commands
