// SPDX-License-Identifier: MIT
#include <sys/utsname.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <filesystem>
#include <string>
#include <thread>
#include <utility>

#include "base/files.h"
#include "base/log.h"
#include "base/machine.h"
#include "cli/exit.h"
#include "cli/progress.h"
#include "cli/stop_signal.h"
#include "commands/lab/commands.h"
#include "commands/lab/experiment_flags.h"
#include "commands/lab_programs.h"
#include "engine/machine_report.h"
#include "experiment/report/report.h"
#include "experiment/run/sweep.h"

namespace photovec::commands {
namespace {

std::string Now(const char* format) {
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  gmtime_r(&now, &utc);
  char text[64];
  std::strftime(text, sizeof(text), format, &utc);
  return text;
}

/// This process's command line, as it was typed.
std::vector<std::string> TypedCommand() {
  const Result<std::string> read = ReadFile("/proc/self/cmdline", uint64_t{1} << 24);
  const std::string text = read.ok() ? *read : std::string();
  std::vector<std::string> words;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\0', at), text.size());
    words.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return words;
}

Status WriteWhole(const std::string& path, const std::string& text) {
  ASSIGN_OR_RETURN(auto file, AtomicFile::Create(path));
  RETURN_IF_ERROR(file->Append(text));
  return file->Commit();
}

std::string FileNamePart(const std::string& name) {
  std::string out;
  for (const char c : name)
    out += std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '=' || c == '.' ? c : '-';
  return out;
}

// Passes a Ctrl-C on to the sweep, which looks at a flag.
class StopRelay {
 public:
  StopRelay(const cli::StopSignal& signal, std::atomic<bool>& stop)
      : thread_([this, &signal, &stop] {
          while (!over_) {
            if (!signal.WaitFor(std::chrono::milliseconds(100))) continue;
            if (!stop.exchange(true))
              log::warn("stopping: the report of what has run is written; a second signal ends at once");
            return;
          }
        }) {}
  ~StopRelay() {
    over_ = true;
    thread_.join();
  }
  StopRelay(const StopRelay&) = delete;
  StopRelay& operator=(const StopRelay&) = delete;

 private:
  std::atomic<bool> over_{false};
  std::thread thread_;
};

class ExperimentCommand : public cli::Command {
 public:
  std::string path() const override { return "experiment"; }
  std::string summary() const override {
    return "Vary an option of serve under load; compare stage times and resource use in a report";
  }
  LogLevel default_log_level() const override { return LogLevel::kWarn; }
  void Declare(cli::FlagSet& flags) override { DeclareExperimentFlags(flags, &options_); }

  int Run() override {
    if (options_.out.empty()) options_.out = "experiment-" + Now("%Y%m%d-%H%M%S");
    const std::string logs = options_.out + "/logs";
    const auto program = ProgramBeside("photovec");
    if (!program.ok()) return cli::ReportFailure(program.status());
    auto sweep = MakeSweep(options_, *program, logs);
    if (!sweep.ok()) return cli::ReportUsage(sweep.status());
    std::error_code error;
    std::filesystem::create_directories(logs, error);
    if (error) {
      return cli::ReportFailure({Code::kUnavailable, "--out: cannot make " + logs + ": " + error.message()});
    }
    const cli::StopSignal signal;  // before any thread is made
    std::atomic<bool> stop{false};
    const StopRelay relay(signal, stop);
    experiment::ExperimentData data = Describe();
    cli::Progress progress;
    sweep->on_progress = [&](const experiment::SweepProgress& at) {
      progress.UpdateText(at.what, at.done, at.seconds_left);
    };
    std::fprintf(stderr, "%zu variant%s, %d run%s each; results go to %s\n", sweep->variants.size(),
                 sweep->variants.size() == 1 ? "" : "s", sweep->repetitions,
                 sweep->repetitions == 1 ? "" : "s", options_.out.c_str());
    experiment::Sweep runner(*std::move(sweep));
    const Status ran = runner.Execute(data, stop);
    progress.Finish();
    if (!ran.ok()) return cli::ReportFailure(ran);
    return WriteResults(data);
  }

 private:
  experiment::ExperimentData Describe() const {
    experiment::ExperimentData data;
    const Machine machine = ProbeMachine();
    data.created = Now("%Y-%m-%dT%H:%M:%SZ");
    data.version = PHOTOVEC_VERSION;
    data.seed = static_cast<uint64_t>(options_.seed);
    data.command = TypedCommand();
    data.machine_json = engine::MachineJson(machine);
    data.cpus = machine.cpu_quota;
    data.versions["photovec"] = PHOTOVEC_VERSION;
    utsname kernel{};
    if (uname(&kernel) == 0) data.versions["kernel"] = kernel.release;
    for (const engine::LibraryVersion& library : engine::LoadedLibraries())
      data.versions[library.name] = library.version;
    data.options = DescribeOptions(options_);
    return data;
  }

  int WriteResults(const experiment::ExperimentData& data) const {
    size_t runs = 0;
    size_t whole = 0;
    for (const auto& variant : data.variants) {
      for (const auto& run : variant.runs) {
        ++runs;
        if (run.failure.empty()) ++whole;
      }
    }
    const experiment::Language language = options_.language;
    const experiment::Analysis analysis = experiment::Analyse(data);
    const std::string base = options_.out + "/report";
    for (const auto& [suffix, text] :
         {std::pair{".json", experiment::ReportJson(data, analysis)},
          std::pair{".md", experiment::ReportMarkdown(data, analysis, language)},
          std::pair{".html", experiment::ReportHtml(data, analysis, language)}}) {
      const Status written = WriteWhole(base + suffix, text);
      if (!written.ok()) return cli::ReportFailure(written);
    }
    if (!options_.trace.empty()) {
      const Status written = WriteTraces(data);
      if (!written.ok()) return cli::ReportFailure(written);
    }
    std::printf("%s\nreport: %s.html (also .md and .json)\n",
                experiment::ReportText(data, analysis, language).c_str(), base.c_str());
    if (data.interrupted) {
      log::warn("interrupted: {} runs had ended", runs);
      return cli::kExitFailure;
    }
    if (whole == 0) return cli::kExitFailure;
    return whole < runs ? cli::kExitSomeFailed : cli::kExitOk;
  }

  // FILE for one variant; FILE with the variant's name before its extension for several.
  Status WriteTraces(const experiment::ExperimentData& data) const {
    const std::filesystem::path file(options_.trace);
    for (const auto& variant : data.variants) {
      if (variant.runs.empty() || variant.runs[0].requests.empty()) continue;
      const experiment::Run& run = variant.runs[0];
      // From the middle of the run, where queues are as they always are.
      const int64_t from =
          run.began_us + static_cast<int64_t>(std::max(0.0, run.seconds - options_.trace_seconds) * 5e5);
      const int64_t to = from + static_cast<int64_t>(options_.trace_seconds * 1e6);
      std::filesystem::path target = file;
      if (data.variants.size() > 1) {
        target.replace_filename(file.stem().string() + "-" + FileNamePart(variant.name) +
                                file.extension().string());
      }
      RETURN_IF_ERROR(WriteWhole(target.string(), experiment::TraceJson(run.requests, from, to)));
    }
    return Status::Ok();
  }

  ExperimentOptions options_;
};

}  // namespace

std::unique_ptr<cli::Command> MakeExperimentCommand() { return std::make_unique<ExperimentCommand>(); }

}  // namespace photovec::commands
