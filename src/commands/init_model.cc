// SPDX-License-Identifier: MIT
#include "commands/init_model.h"

#include <cstdio>
#include <filesystem>
#include <limits>
#include <system_error>
#include <utility>

#include "base/deadline.h"
#include "base/text/sizes.h"
#include "cli/exit.h"
#include "commands/commands.h"
#include "model/presets.h"
#include "model/random/init.h"

namespace photovec::commands {
namespace {

namespace fs = std::filesystem;

std::string PresetLines() {
  std::string text;
  for (const model::Preset& preset : model::Presets()) {
    if (!text.empty()) text += "; ";
    text += std::string(preset.name) + " (" + std::string(preset.summary) + ")";
  }
  return text;
}

class InitModelCommand : public cli::Command {
 public:
  std::string path() const override { return "init-model"; }
  std::string summary() const override {
    return "Write a model directory with random weights, for demos, tests and speed measurements";
  }

  void Declare(cli::FlagSet& flags) override {
    flags.Positional("PRESET", &options_.preset, PresetLines());
    flags.Positional("DIR", &options_.directory, "where the files go; made when missing");
    flags.Integer("seed", &options_.seed, 0, std::numeric_limits<int64_t>::max(),
                  "the same seed gives the same bytes on every machine");
    flags.Choice("dtype", &options_.dtype, "number format of the file");
    flags.Switch("images-only", &options_.images_only, "leave the text tower out");
    flags.Switch("force", &options_.force, "replace a model that is already there");
  }

  int Run() override {
    const TimePoint begin = Clock::now();
    const Status status = RunInitModel(options_);
    if (status.code() == Code::kInvalidRequest) return cli::ReportUsage(status);
    if (!status.ok()) return cli::ReportFailure(status);
    std::error_code ignored;
    const auto bytes = fs::file_size(options_.directory + "/model.safetensors", ignored);
    std::printf("%s: %s with random weights (seed %llu), %s, in %.1f s\n", options_.directory.c_str(),
                options_.preset.c_str(), static_cast<unsigned long long>(options_.seed),
                HumanBytes(bytes).c_str(), static_cast<double>(MicrosBetween(begin, Clock::now())) / 1e6);
    return cli::kExitOk;
  }

 private:
  InitModelOptions options_;
};

}  // namespace

Status RunInitModel(const InitModelOptions& options) {
  ASSIGN_OR_RETURN(model::Preset preset, model::PresetNamed(options.preset));
  if (options.images_only) preset = model::ImagesOnly(std::move(preset));
  std::error_code error;
  fs::create_directories(options.directory, error);
  if (error) return {Code::kUnavailable, options.directory + ": cannot create: " + error.message()};
  for (const char* name : model::kModelFiles) {
    const std::string path = options.directory + "/" + name;
    if (!options.force && fs::exists(fs::symlink_status(path, error))) {
      return {Code::kInvalidRequest, path + " is there already; give --force to replace it"};
    }
    // Another model's tokenizer must not stay. What cannot go is named when it is written over.
    fs::remove(path, error);
  }
  return model::WriteRandomModel(preset, options.directory,
                                 {.seed = options.seed, .dtype = options.dtype, .threads = 0});
}

std::unique_ptr<cli::Command> MakeInitModelCommand() { return std::make_unique<InitModelCommand>(); }

}  // namespace photovec::commands
