// SPDX-License-Identifier: MIT
#include "commands/bench_decode_command.h"

#include <cstdio>
#include <string>
#include <utility>

#include "base/machine.h"
#include "commands/bench_decode.h"
#include "commands/bench_gpu_decode.h"
#include "commands/bench_isolation.h"
#include "commands/decoding.h"
#include "commands/defaults.h"
#include "commands/device_choice.h"
#include "commands/engine_options.h"
#include "commands/exit_codes.h"
#include "commands/model_setup.h"
#include "commands/path_walker.h"
#include "commands/report.h"
#include "encode/cuda/plugin_loader.h"

namespace photovec::commands {
namespace {

class BenchDecodeCommand : public Command {
 public:
  std::string path() const override { return "bench.decode"; }
  std::string summary() const override {
    return "Decode and resize photos, beside plain libjpeg-turbo on the same files";
  }
  std::string default_log_level() const override { return "warn"; }

  void Declare(FlagSet& flags) override {
    flags.Group("Benchmark");
    flags.Text("images", &images_, "DIR", "photos to use (required)");
    flags.Integer("seconds", &seconds_, 1, 3600, "about how long to measure");
    flags.Switch("json", &json_, "print one JSON object");
    DeclareDecodeFlags(flags, &options_);
    flags.Group("Model");
    flags.List("model", &options_.models, "DIR",
               "take the preprocessing of this model; none: CLIP's, 224 px");
  }

  int Run() override {
    if (images_.empty()) {
      return ReportUsage({Code::kInvalidRequest, "--images DIR is required: a folder of photos"});
    }
    BenchDecodeOptions bench;
    if (!options_.models.empty()) {
      const auto choice = ParseModelChoice(options_.models[0]);
      if (!choice.ok()) return ReportUsage(choice.status());
      const auto spec = preprocess::LoadSpec(choice->dir);
      if (!spec.ok()) return ReportFailure(spec.status());
      bench.spec = *spec;
    }
    bench.decode = ToDecodeOptions(options_);
    bench.seconds = seconds_;
    bench.threads = MakePlan(ProbeMachine(), options_).decoders;
    PathWalker walker({images_}, false);
    while (auto found = walker.Next()) {
      if (!found->status.ok()) return ReportFailure(found->status);
      bench.files.push_back(std::move(found->path));
    }
    if (bench.files.empty()) {
      const std::string why = images_ + " holds no photos (by their names); any folder of photos will do";
      return ReportFailure({Code::kInvalidRequest, why});
    }
    if (options_.decode_device != "cpu") return RunOnGpu(bench);
    std::unique_ptr<decode::DecoderPool> pool;
    BenchIsolation isolation;
    if (options_.decode == "process") {
      auto created = decode::DecoderPool::Create(ToPoolOptions(options_, bench.threads));
      if (!created.ok()) return ReportFailure(created.status());
      pool = std::move(*created);
      bench.afterwards = [&](const auto& photos) -> Status {
        ASSIGN_OR_RETURN(isolation, RunBenchIsolation(bench, *pool, photos, seconds_));
        return Status::Ok();
      };
    }
    const auto report = RunBenchDecode(bench);
    if (!report.ok()) return ReportFailure(report.status());
    std::string text = json_ ? ToJson(*report) : ToText(*report);
    if (pool && json_) text.insert(text.rfind('}'), ",\"isolation\":" + ToJson(isolation));
    if (pool && !json_) text += ToText(isolation);
    std::printf("%s%s", text.c_str(), text.ends_with('\n') ? "" : "\n");
    return kExitOk;
  }

 private:
  // Beside CPU threads of this process, whatever --decode says: what processes cost is measured without a
  // GPU.
  int RunOnGpu(BenchDecodeOptions& bench) const {
    const auto platform = encode::cuda::LoadPlugin();
    if (!platform.ok()) return ReportFailure(platform.status());
    const auto chosen = ChooseDevice("cuda");
    if (!chosen.ok()) return ReportFailure(chosen.status());
    BenchGpuDecode gpu;
    bench.afterwards = [&](const auto& photos) -> Status {
      ASSIGN_OR_RETURN(gpu, RunBenchGpuDecode(bench, **platform, chosen->devices.front(), photos, seconds_));
      return Status::Ok();
    };
    const auto report = RunBenchDecode(bench);
    if (!report.ok()) return ReportFailure(report.status());
    std::string text = json_ ? ToJson(*report) : ToText(*report);
    if (json_) text.insert(text.rfind('}'), ",\"gpu\":" + ToJson(gpu));
    std::printf("%s%s", text.c_str(), json_ ? "\n" : ToText(gpu).c_str());
    return kExitOk;
  }

  std::string images_;
  int seconds_ = 10;
  bool json_ = false;
  EngineOptions options_;
};

}  // namespace

std::unique_ptr<Command> MakeBenchDecodeCommand() { return std::make_unique<BenchDecodeCommand>(); }

}  // namespace photovec::commands
