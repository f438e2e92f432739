// SPDX-License-Identifier: MIT
#include "commands/lab_programs.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <initializer_list>
#include <string_view>
#include <system_error>
#include <utility>

#include "cli/exit.h"
#include "commands/engine_flags.h"

namespace photovec::commands {
namespace {

// Declares settings by name and type only.
class Names {
 public:
  explicit Names(cli::FlagSet& flags) : flags_(flags) {}
  Names& Texts(std::initializer_list<const char*> names) {
    for (const char* name : names) flags_.Text(name, &text_, "", "");
    return *this;
  }
  Names& Integers(std::initializer_list<const char*> names) {
    for (const char* name : names) flags_.Integer(name, &integer_, 0, 0, "");
    return *this;
  }
  Names& Numbers(std::initializer_list<const char*> names) {
    for (const char* name : names) flags_.Number(name, &number_, 0, 0, "");
    return *this;
  }
  Names& Sizes(std::initializer_list<const char*> names) {
    for (const char* name : names) flags_.Size(name, &size_, 0, "");
    return *this;
  }
  Names& Switches(std::initializer_list<const char*> names) {
    for (const char* name : names) flags_.Switch(name, &switch_, "");
    return *this;
  }
  Names& Lists(std::initializer_list<const char*> names) {
    for (const char* name : names) flags_.List(name, &list_, "", "");
    return *this;
  }

 private:
  // Flags keep pointers to these, but nothing is ever assigned through an entry's flags.
  static inline std::string text_;
  static inline int integer_ = 0;
  static inline double number_ = 0;
  static inline uint64_t size_ = 0;
  static inline bool switch_ = false;
  static inline std::vector<std::string> list_;

  cli::FlagSet& flags_;
};

void DeclareExperiment(cli::FlagSet& flags) {
  Names(flags)
      .Lists({"vary", "set", "model", "server"})
      .Texts({"images", "source", "api", "arrival", "think", "images-per-request", "duration", "warmup",
              "drain", "find-capacity", "capacity-trial", "latency", "out", "trace", "lang"})
      .Integers({"clients", "repetitions", "seed"})
      .Numbers({"rate", "error-rate", "trace-seconds"})
      .Sizes({"bandwidth"});
}

void DeclareCompare(cli::FlagSet& flags) { Names(flags).Texts({"threshold", "variant"}); }

void DeclareObjectStore(cli::FlagSet& flags) {
  Names(flags)
      .Texts({"root", "latency", "log", "host", "port-file"})
      .Sizes({"bandwidth"})
      .Numbers({"error-rate"})
      .Integers({"seed", "port"});
}

void DeclareBenchEncode(cli::FlagSet& flags) {
  Names(flags)
      .Lists({"model", "precision", "streams", "input", "layout", "batch"})
      .Texts({"device"})
      .Numbers({"seconds", "slice"})
      .Integers({"rounds", "texts"})
      .Switches({"pin", "json"});
}

void DeclareBenchDecode(cli::FlagSet& flags) {
  static engine::EngineOptions unused;
  DeclareDecodeFlags(flags, &unused);
  Names(flags).Texts({"images"}).Integers({"seconds"}).Switches({"json"}).Lists({"model"});
}

void DeclareBenchPipeline(cli::FlagSet& flags) {
  static engine::EngineOptions unused;
  DeclareEngineFlags(flags, &unused);
  Names(flags)
      .Texts({"preset", "images"})
      .Integers({"most-images", "passes", "lanes", "images-per-request"})
      .Numbers({"seconds"})
      .Switches({"http", "json"});
}

class LabEntry : public cli::Command {
 public:
  using Declarer = void (*)(cli::FlagSet& flags);
  LabEntry(std::string path, std::string summary, Declarer declare)
      : path_(std::move(path)), summary_(std::move(summary)), declare_(declare) {}
  std::string path() const override { return path_; }
  std::string summary() const override { return summary_; }
  void Declare(cli::FlagSet& flags) override { declare_(flags); }
  int Run() override { return cli::ReportFailure({Code::kInternal, path_ + " is run by photovec-lab"}); }

 private:
  const std::string path_;
  const std::string summary_;
  const Declarer declare_;
};

}  // namespace

std::vector<std::unique_ptr<cli::Command>> LabEntries() {
  std::vector<std::unique_ptr<cli::Command>> entries;
  const auto add = [&](const char* path, const char* summary, LabEntry::Declarer declare) {
    entries.push_back(std::make_unique<LabEntry>(path, summary, declare));
  };
  add("experiment", "Vary an option of serve under load; compare stage times and resource use in a report",
      DeclareExperiment);
  add("compare", "What changed between two experiments; exit code 4 when a stage or the throughput regressed",
      DeclareCompare);
  add("object-store", "Serve a folder as GCS, S3 and plain HTTP would, with their latency",
      DeclareObjectStore);
  add("bench.encode", "Run the encoder beside the bare matrix products of the same shapes",
      DeclareBenchEncode);
  add("bench.decode", "Decode and resize photos, beside plain libjpeg-turbo on the same files",
      DeclareBenchDecode);
  add("bench.pipeline", "Photos to vectors end to end, beside what decoding and encoding alone would allow",
      DeclareBenchPipeline);
  return entries;
}

Result<std::string> ProgramBeside(const std::string& name) {
  std::error_code error;
  const std::filesystem::path self = std::filesystem::read_symlink("/proc/self/exe", error);
  if (error) return Status(Code::kNotFound, "/proc/self/exe cannot be read: " + error.message());
  const std::filesystem::path path = self.parent_path() / name;
  if (access(path.c_str(), X_OK) == 0) return path.string();
  return Status(Code::kNotFound, "the program " + name + " is needed, but is not at " + path.string() + " (" +
                                     std::strerror(errno) + "); build it (cmake --build BUILD --target " +
                                     name + ") or install it beside " + self.filename().string());
}

std::optional<int> StartLab(char** argv) {
  if (argv[0] == nullptr || argv[1] == nullptr) return std::nullopt;
  const std::string_view command = argv[1];
  const auto entries = LabEntries();
  const bool asked = std::any_of(entries.begin(), entries.end(), [&](const auto& entry) {
    const std::string path = entry->path();
    return path.substr(0, path.find('.')) == command;
  });
  if (!asked) return std::nullopt;
  const auto lab = ProgramBeside("photovec-lab");
  if (!lab.ok()) return cli::ReportFailure(lab.status().WithContext(std::string(command)));
  execv(lab->c_str(), argv);
  return cli::ReportFailure({Code::kUnavailable, *lab + " cannot be started: " + std::strerror(errno)});
}

}  // namespace photovec::commands
