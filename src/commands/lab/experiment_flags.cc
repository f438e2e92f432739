// SPDX-License-Identifier: MIT
#include "commands/lab/experiment_flags.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>
#include <string_view>

#include "base/files.h"
#include "bulk/walker.h"
#include "cli/suggest.h"
#include "commands/commands.h"
#include "experiment/parse.h"
#include "experiment/run/variants.h"
#include "experiment/store/object_store.h"

namespace photovec::commands {
namespace {

using experiment::Setting;

// Options of serve that the experiment itself sets.
constexpr std::array<std::string_view, 5> kOwn = {"host", "port", "port-file", "request-log", "model"};
// An upload keeps its photos in memory.
constexpr size_t kMaxUploadBytes = size_t{2} << 30;

Status Invalid(std::string message) { return {Code::kInvalidRequest, std::move(message)}; }

Status WithFlag(const char* flag, const Status& status) {
  return {status.code(), std::string("--") + flag + ": " + status.message()};
}

/// The options of `serve`, to check names and values against.
class ServeFlags {
 public:
  ServeFlags() : command_(MakeServeCommand()) { command_->Declare(flags_); }

  /// The words for serve's command line. Errors: kInvalidRequest naming the option or the value.
  Result<std::vector<std::string>> Words(const Setting& setting) const {
    const auto& [name, value] = setting;
    if (std::find(kOwn.begin(), kOwn.end(), name) != kOwn.end()) {
      return Invalid("'" + name + "' cannot be varied or set: the experiment itself " +
                     (name == "model" ? "takes --model" : "chooses it"));
    }
    const cli::Flag* flag = flags_.Find(name);
    if (flag == nullptr) {
      return Invalid("serve has no option '" + name + "'" + cli::DidYouMean(name, flags_.Names(), "") +
                     " (photovec serve --help lists them)");
    }
    if (const Status assigned = flag->assign({value}); !assigned.ok()) {
      return Invalid(name + ": " + assigned.message());
    }
    if (flag->type != cli::FlagType::kSwitch) return std::vector<std::string>{"--" + name, value};
    return value == "true" ? std::vector<std::string>{"--" + name} : std::vector<std::string>{};
  }

 private:
  std::unique_ptr<cli::Command> command_;
  cli::FlagSet flags_;
};

Status AppendWords(const ServeFlags& serve, const std::vector<Setting>& settings,
                   std::vector<std::string>& command) {
  for (const Setting& setting : settings) {
    ASSIGN_OR_RETURN(const auto words, serve.Words(setting));
    command.insert(command.end(), words.begin(), words.end());
  }
  return Status::Ok();
}

std::vector<std::string> ServeCommandLine(const ExperimentOptions& options, const std::string& program) {
  std::vector<std::string> command = {program,        "serve",       "--port",        "0",
                                      "--port-file",  "{port_file}", "--request-log", "{request_log}",
                                      "--allow-host", "127.0.0.1:*", "--allow-cidr",  "127.0.0.0/8"};
  for (const std::string& model : options.models) command.insert(command.end(), {"--model", model});
  return command;
}

Result<std::vector<experiment::SweepVariant>> OwnVariants(const ExperimentOptions& options,
                                                          const std::string& program) {
  if (options.models.empty()) {
    return Invalid("--model DIR is required: the model to run (photovec init-model makes one to try with)");
  }
  const ServeFlags serve;
  std::vector<Setting> fixed;
  for (const std::string& text : options.fixed) {
    auto setting = experiment::ParseSetting(text);
    if (!setting.ok()) return WithFlag("set", setting.status());
    fixed.push_back(*std::move(setting));
  }
  std::vector<experiment::Axis> axes;
  for (const std::string& text : options.vary) {
    auto axis = experiment::ParseAxis(text);
    if (!axis.ok()) return WithFlag("vary", axis.status());
    axes.push_back(*std::move(axis));
  }
  ASSIGN_OR_RETURN(const auto grid, experiment::MakeGrid(axes));
  std::vector<experiment::SweepVariant> variants;
  for (const auto& settings : grid) {
    experiment::SweepVariant variant{experiment::VariantName(settings), settings,
                                     ServeCommandLine(options, program)};
    if (const Status set = AppendWords(serve, fixed, variant.command); !set.ok()) return WithFlag("set", set);
    if (const Status vary = AppendWords(serve, settings, variant.command); !vary.ok()) {
      return WithFlag("vary", vary);
    }
    variants.push_back(std::move(variant));
  }
  return variants;
}

Result<std::vector<experiment::SweepVariant>> ServerVariants(const ExperimentOptions& options) {
  if (!options.vary.empty() || !options.fixed.empty()) {
    return Invalid("--server brings whole command lines: --vary and --set do not go with it");
  }
  std::vector<experiment::SweepVariant> variants;
  for (const std::string& text : options.servers) {
    const auto setting = experiment::ParseSetting(text);
    if (!setting.ok()) {
      return Invalid("--server: '" + text +
                     "' must be NAME=COMMAND, with {port_file} and {request_log} in it");
    }
    auto words = experiment::SplitCommand(setting->second);
    if (!words.ok()) return WithFlag("server", words.status());
    for (const char* needed : {"{port_file}", "{request_log}"}) {
      if (setting->second.find(needed) == std::string::npos) {
        return Invalid("--server " + setting->first + ": the command lacks " + needed +
                       ", where its port (resp. its request log) is expected");
      }
    }
    variants.push_back({setting->first, {}, *std::move(words)});
  }
  return variants;
}

/// Photos below `folder`, as paths relative to it.
Result<std::vector<std::string>> ListPhotos(const std::string& folder) {
  if (folder.empty())
    return Invalid("--images DIR is required: a folder of photos (scripts/photos makes one)");
  std::vector<std::string> names;
  bulk::PathWalker walker({folder}, false);
  while (auto found = walker.Next()) {
    RETURN_IF_ERROR(found->status);
    names.push_back(std::filesystem::path(found->path).lexically_relative(folder).string());
  }
  if (names.empty()) {
    return Status(Code::kNotFound,
                  "--images: no photo below " + folder + " (names like *.jpg, *.png, *.webp)");
  }
  return names;
}

Result<std::vector<std::string>> ReadPhotos(const std::string& folder,
                                            const std::vector<std::string>& names) {
  std::vector<std::string> photos;
  size_t bytes = 0;
  for (const std::string& name : names) {
    Result<std::string> photo = ReadFile(folder + "/" + name, uint64_t{1} << 30);
    if (!photo.ok()) {
      return Status(Code::kNotFound, "--images: " + folder + "/" + name + " cannot be read");
    }
    bytes += photo->size();
    photos.push_back(std::move(*photo));
    if (bytes > kMaxUploadBytes) return photos;  // enough to choose from
  }
  return photos;
}

Status SetLoad(const ExperimentOptions& options, experiment::LoadOptions& load) {
  const auto range = [](const char* flag, const std::string& text, experiment::Range& value) {
    const auto parsed = experiment::ParseRange(text);
    if (!parsed.ok()) return WithFlag(flag, parsed.status());
    value = *parsed;
    return Status::Ok();
  };
  const auto seconds = [](const char* flag, const std::string& text, double& value) {
    const auto parsed = experiment::ParseSeconds(text);
    if (!parsed.ok()) return WithFlag(flag, parsed.status());
    value = *parsed;
    return Status::Ok();
  };
  experiment::Range think;
  experiment::Range images;
  RETURN_IF_ERROR(range("think", options.think, think));
  RETURN_IF_ERROR(range("images-per-request", options.images_per_request, images));
  RETURN_IF_ERROR(seconds("duration", options.duration, load.seconds));
  RETURN_IF_ERROR(seconds("warmup", options.warmup, load.warmup_s));
  RETURN_IF_ERROR(seconds("drain", options.drain, load.drain_s));
  if (images.low < 1) return Invalid("--images-per-request: at least 1 image");
  if (load.seconds < 1) return Invalid("--duration: at least 1s");
  load.think_min_s = think.low;
  load.think_max_s = think.high;
  load.images_min = static_cast<int>(images.low);
  load.images_max = static_cast<int>(images.high);
  load.clients = options.clients;
  load.requests_per_s = options.requests_per_s;
  load.seed = static_cast<uint64_t>(options.seed);
  load.arrival = options.arrival;
  if (load.arrival != experiment::Arrival::kClosed && load.requests_per_s <= 0) {
    return Invalid("--arrival " + std::string(NameOf(options.arrival)) + " needs --rate: requests a second");
  }
  if (load.arrival == experiment::Arrival::kClosed && load.requests_per_s > 0) {
    return Invalid("--rate needs --arrival poisson or constant: in a closed loop the clients set the rate");
  }
  const bool original = options.api == RequestApi::kOriginal;
  const bool upload = options.source == PhotoSource::kUpload;
  load.api = upload     ? experiment::LoadApi::kUpload
             : original ? experiment::LoadApi::kOriginal
                        : experiment::LoadApi::kNative;
  if (upload && original) {
    return Invalid("--api original names images and cannot carry them: use --source store");
  }
  return Status::Ok();
}

}  // namespace

void DeclareExperimentFlags(cli::FlagSet& flags, ExperimentOptions* options) {
  flags.Group("What to compare");
  flags.List("vary", &options->vary, "NAME=A,B",
             "option of serve and its values; several: the full grid, up to 24 variants");
  flags.List("set", &options->fixed, "NAME=VALUE", "option of serve that is the same for all variants");
  flags.List("model", &options->models, "DIR", "model directory, as for serve");
  flags.List("server", &options->servers, "NAME=COMMAND",
             "another server as a variant; {port_file}, {request_log}, {store_url} are filled in");
  flags.Group("Load");
  flags.Text("images", &options->images, "DIR", "photos to ask for (required)");
  flags.Choice("source", &options->source,
               "photos by reference from a simulated object store, or sent along");
  flags.Choice("api", &options->api, "POST /embed, or the replaced service's call");
  flags.Choice("arrival", &options->arrival, "N clients that wait for their replies, or requests at a rate");
  flags.Integer("clients", &options->clients, 1, 10'000, "closed loop: clients");
  flags.Text("think", &options->think, "SECONDS",
             "closed loop: pause between a reply and the next request, 3-5 or 0");
  flags.Number("rate", &options->requests_per_s, 0, 1e6, "requests a second, for poisson and constant");
  flags.Text("images-per-request", &options->images_per_request, "N-M", "photos a request");
  flags.Text("duration", &options->duration, "TIME", "measured time of one run: 60s, 2m");
  flags.Text("warmup", &options->warmup, "TIME", "the same load before that, not measured");
  flags.Text("drain", &options->drain, "TIME", "how long, at most, the last replies are awaited");
  flags.Integer("repetitions", &options->repetitions, 1, 100, "runs of each variant, interleaved");
  flags.Text("find-capacity", &options->objective, "OBJECTIVE",
             "then search the highest rate that keeps it, such as 'p95<800ms'");
  flags.Text("capacity-trial", &options->capacity_trial, "TIME", "measured time of one trial of that search");
  flags.Integer("seed", &options->seed, 0, int64_t{1} << 53, "of everything that is drawn");
  flags.Group("Simulated object store");
  flags.Text("latency", &options->latency, "SPEC", "time until a photo's first byte, log-normal; 0: none");
  flags.Size("bandwidth", &options->bandwidth, 0, "bytes a second of one transfer; 0: unlimited");
  flags.Number("error-rate", &options->error_rate, 0, 1, "share of fetches answered with 503");
  flags.Group("Output");
  flags.Text("out", &options->out, "DIR", "where report.json, report.md, report.html and logs go",
             "experiment-DATE-TIME");
  flags.Text("trace", &options->trace, "FILE",
             "also write a trace for Perfetto (ui.perfetto.dev) of each variant's first run");
  flags.Number("trace-seconds", &options->trace_seconds, 0.1, 60, "how much of it");
  flags.Choice("lang", &options->language, "language of the report");
}

Result<experiment::SweepOptions> MakeSweep(const ExperimentOptions& options, const std::string& program,
                                           const std::string& work_dir) {
  experiment::SweepOptions sweep;
  auto variants = options.servers.empty() ? OwnVariants(options, program) : ServerVariants(options);
  if (!variants.ok()) return variants.status();
  sweep.variants = *std::move(variants);
  RETURN_IF_ERROR(SetLoad(options, sweep.load));
  if (const auto spec = experiment::ParseLatency(options.latency); !spec.ok())
    return WithFlag("latency", spec.status());
  if (!options.objective.empty()) {
    auto objective = experiment::ParseObjective(options.objective);
    if (!objective.ok()) return WithFlag("find-capacity", objective.status());
    sweep.objective = *std::move(objective);
  }
  const auto trial = experiment::ParseSeconds(options.capacity_trial);
  if (!trial.ok()) return WithFlag("capacity-trial", trial.status());
  sweep.capacity_trial_s = *trial;
  sweep.repetitions = options.repetitions;
  sweep.work_dir = work_dir;
  ASSIGN_OR_RETURN(auto photos, ListPhotos(options.images));
  if (options.source == PhotoSource::kUpload) {
    ASSIGN_OR_RETURN(sweep.load.photos, ReadPhotos(options.images, photos));
    return sweep;
  }
  sweep.objects = std::move(photos);
  sweep.store_command = {program,        "object-store",
                         "--root",       options.images,
                         "--port",       "0",
                         "--port-file",  "{port_file}",
                         "--latency",    options.latency,
                         "--bandwidth",  std::to_string(options.bandwidth),
                         "--error-rate", std::to_string(options.error_rate),
                         "--seed",       std::to_string(options.seed),
                         "--log",        work_dir + "/object-store.requests.jsonl"};
  return sweep;
}

std::vector<std::pair<std::string, std::string>> DescribeOptions(const ExperimentOptions& options) {
  // Through the flags, so that no option is forgotten here: each flag's default text is the value it was
  // bound to.
  ExperimentOptions shown = options;
  cli::FlagSet flags;
  DeclareExperimentFlags(flags, &shown);
  std::vector<std::pair<std::string, std::string>> described;
  const auto join = [](const std::vector<std::string>& values) {
    std::string out;
    for (const std::string& value : values) out += (out.empty() ? "" : "; ") + value;
    return out;
  };
  for (const cli::Flag& flag : flags.flags()) {
    std::string value = flag.default_text;
    if (flag.name == "vary") value = join(options.vary);
    if (flag.name == "set") value = join(options.fixed);
    if (flag.name == "model") value = join(options.models);
    if (flag.name == "server") value = join(options.servers);
    if (flag.name == "out") value = options.out;
    if (!value.empty()) described.emplace_back(flag.name, value);
  }
  return described;
}

}  // namespace photovec::commands
