// SPDX-License-Identifier: MIT
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <system_error>
#include <utility>

#include "base/result.h"
#include "bench/pipeline.h"
#include "bulk/reader.h"
#include "cli/exit.h"
#include "commands/engine_flags.h"
#include "commands/init_model.h"
#include "commands/lab/commands.h"
#include "engine/engine.h"

namespace photovec::commands {
namespace {

// A model folder with random weights, removed at the end.
class TemporaryModel {
 public:
  TemporaryModel() = default;
  ~TemporaryModel() {
    std::error_code ignored;
    if (!dir_.empty()) std::filesystem::remove_all(dir_, ignored);
  }
  TemporaryModel(const TemporaryModel&) = delete;
  TemporaryModel& operator=(const TemporaryModel&) = delete;

  Status Make(const std::string& preset) {
    std::error_code error;
    std::string pattern = (std::filesystem::temp_directory_path(error) / "photovec-bench-XXXXXX").string();
    if (error || mkdtemp(pattern.data()) == nullptr) {
      return {Code::kUnavailable, "cannot make a temporary folder such as " + pattern};
    }
    dir_ = pattern;
    InitModelOptions options;
    options.preset = preset;
    options.directory = dir_;
    return RunInitModel(options);
  }
  const std::string& dir() const { return dir_; }

 private:
  std::string dir_;
};

class BenchPipelineCommand : public cli::Command {
 public:
  std::string path() const override { return "bench.pipeline"; }
  std::string summary() const override {
    return "Photos to vectors end to end, beside what decoding and encoding alone would allow";
  }
  LogLevel default_log_level() const override { return LogLevel::kWarn; }

  void Declare(cli::FlagSet& flags) override {
    flags.Group("Benchmark");
    flags.Text("preset", &preset_, "NAME",
               "without --model: random weights of this shape (see init-model), in a temporary folder");
    flags.Text("images", &bench_.images, "DIR",
               "photos to use (required); 2-megapixel JPEGs are the usual measure");
    flags.Integer("most-images", &bench_.most_images, 1, 100'000, "photos kept in memory");
    flags.Number("seconds", &bench_.seconds, 0.1, 3600, "measured seconds of each kind, over all passes");
    flags.Integer("passes", &bench_.passes, 1, 100, "times that the kinds take turns");
    flags.Switch("http", &bench_.http, "also through the HTTP server on loopback");
    flags.Integer("lanes", &bench_.clients, 1, 1024, "requests that are always unanswered");
    flags.Integer("images-per-request", &bench_.images_per_request, 1, 1000, "images in each");
    flags.Switch("json", &json_, "print one JSON object");
    DeclareEngineFlags(flags, &engine_options_);
  }

  int Run() override {
    if (!preset_.empty() && !engine_options_.models.empty()) {
      return cli::ReportUsage({Code::kInvalidRequest, "give --model or --preset, not both"});
    }
    if (bench_.images.empty()) {
      return cli::ReportUsage(
          {Code::kInvalidRequest,
           "--images DIR is required: a folder of photos. photovec has no JPEG encoder to make "
           "some; scripts/demo derives a few hundred from Debian's wallpapers"});
    }
    TemporaryModel temporary;
    if (!preset_.empty()) {
      const Status made = temporary.Make(preset_);
      if (made.code() == Code::kInvalidRequest) return cli::ReportUsage(made);
      if (!made.ok()) return cli::ReportFailure(made);
      engine_options_.models = {preset_ + "=" + temporary.dir()};
    }
    const auto choices = engine::ParseModelChoices(engine_options_.models);
    if (!choices.ok()) return cli::ReportUsage(choices.status());
    if (choices->size() > 1) return cli::ReportUsage({Code::kInvalidRequest, "bench takes one --model"});
    auto engine = engine::StartEngine(engine_options_, std::make_unique<bulk::PathReader>(1, 1),
                                      bench_.images_per_request);
    if (!engine.ok()) return cli::ReportFailure(engine.status());
    bench_.decode = engine_options_.decode;
    if (!json_) {
      bench_.progress = [](const std::string& line) {
        std::printf("%s\n", line.c_str());
        std::fflush(stdout);
      };
    }
    const auto report = bench::RunBenchPipeline(**engine, bench_);
    if (!report.ok()) return cli::ReportFailure(report.status());
    std::printf("%s", json_ ? (bench::ToJson(*report) + "\n").c_str() : bench::ToText(*report).c_str());
    return cli::kExitOk;
  }

 private:
  std::string preset_;
  bench::BenchPipelineOptions bench_;
  bool json_ = false;
  engine::EngineOptions engine_options_;
};

}  // namespace

std::unique_ptr<cli::Command> MakeBenchPipelineCommand() { return std::make_unique<BenchPipelineCommand>(); }

}  // namespace photovec::commands
