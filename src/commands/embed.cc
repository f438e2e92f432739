// SPDX-License-Identifier: MIT
#include <memory>
#include <string>

#include "cli/exit.h"
#include "commands/commands.h"
#include "commands/embed_job.h"
#include "commands/engine_flags.h"
#include "engine/model_setup.h"

namespace photovec::commands {
namespace {

class EmbedCommand : public cli::Command {
 public:
  std::string path() const override { return "embed"; }
  std::string summary() const override {
    return "Turn folders and files into vectors.npy, vectors.jsonl and vectors.meta.json";
  }
  LogLevel default_log_level() const override { return LogLevel::kWarn; }

  void Declare(cli::FlagSet& flags) override {
    // Nobody waits for an answer to each photo here, and the result says which ones are damaged.
    options_.engine.decode.damaged = decode::DamagedMode::kTolerant;
    flags.Positionals("INPUT", &options_.inputs, false, "folders (searched recursively) and files");
    flags.Group("Output");
    flags
        .Text("output", &options_.output, "FILE", "where the vectors go; .jsonl and .meta.json lie beside it")
        .short_name = "o";
    flags.Switch(
        "resume", &options_.resume,
        "go on where the same command was interrupted; from the beginning if there is nothing to go on "
        "with");
    flags.Integer("checkpoint-every", &options_.checkpoint_images, 0, 1'000'000'000,
                  "images after which what is done is made safe; 0: only by time");
    flags.Number("checkpoint-seconds", &options_.checkpoint_seconds, 0, 86'400,
                 "the same by time, whichever comes first; 0: only by images");
    flags.Text("check", &check_, "FILE",
               "only look whether FILE and the two files beside it belong together");
    flags.Group("Input");
    flags.Text("from", &options_.from, "FILE", "a list of files instead of INPUT, one a line; -: on stdin");
    flags.Text("texts", &options_.texts, "FILE",
               "texts instead of images, one a line, or of a .jsonl file {\"id\", \"text\"}; -: on stdin");
    flags.Switch("null", &options_.null_separated, "the names of the list end with NUL (find -print0)");
    flags.Switch("all-files", &options_.all_files,
                 "try every file in folders, not only those that are photos by name or content");
    DeclareEngineFlags(flags, &options_.engine);
  }

  int Run() override {
    if (!check_.empty()) return RunEmbedCheck(check_);
    const int given =
        int{!options_.inputs.empty()} + int{!options_.from.empty()} + int{!options_.texts.empty()};
    if (given != 1) {
      return Usage(given == 0 ? "name at least one INPUT, a list of files with --from, or texts with --texts"
                   : options_.texts.empty()
                       ? "give INPUTs or --from, not both: put their names into the list"
                       : "--texts takes neither INPUTs nor --from: images go into a result of their own");
    }
    if (options_.null_separated && options_.from.empty()) return Usage("--null is about the list of --from");
    const auto choices = engine::ParseModelChoices(options_.engine.models);
    if (!choices.ok()) return cli::ReportUsage(choices.status());
    if (choices->size() > 1) {
      return Usage("embed takes one --model, since its vectors go into one file");
    }
    return RunEmbed(options_);
  }

 private:
  static int Usage(const std::string& message) { return cli::ReportUsage({Code::kInvalidRequest, message}); }

  EmbedOptions options_;
  std::string check_;
};

}  // namespace

std::unique_ptr<cli::Command> MakeEmbedCommand() { return std::make_unique<EmbedCommand>(); }

}  // namespace photovec::commands
