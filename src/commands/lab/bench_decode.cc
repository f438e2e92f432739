// SPDX-License-Identifier: MIT
#include <cstdio>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/json/writer.h"
#include "base/machine.h"
#include "bench/decode.h"
#include "bench/decode_gpu.h"
#include "bench/isolation.h"
#include "bulk/walker.h"
#include "cli/exit.h"
#include "commands/engine_flags.h"
#include "commands/lab/commands.h"
#include "device/cuda/loader.h"
#include "engine/decoding.h"
#include "engine/device_choice.h"
#include "engine/machine_plan.h"
#include "engine/model_setup.h"
#include "model/model_folder.h"

namespace photovec::commands {
namespace {

class BenchDecodeCommand : public cli::Command {
 public:
  std::string path() const override { return "bench.decode"; }
  std::string summary() const override {
    return "Decode and resize photos, beside plain libjpeg-turbo on the same files";
  }
  LogLevel default_log_level() const override { return LogLevel::kWarn; }

  void Declare(cli::FlagSet& flags) override {
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
      return cli::ReportUsage({Code::kInvalidRequest, "--images DIR is required: a folder of photos"});
    }
    bench::BenchDecodeOptions bench;
    if (!options_.models.empty()) {
      const auto choice = engine::ParseModelChoice(options_.models[0]);
      if (!choice.ok()) return cli::ReportUsage(choice.status());
      const auto dir = model::ModelFolder(choice->dir);
      if (!dir.ok()) return cli::ReportFailure(dir.status());
      const auto spec = preprocess::LoadSpec(*dir);
      if (!spec.ok()) return cli::ReportFailure(spec.status());
      bench.spec = *spec;
    }
    bench.decode = options_.decode;
    bench.seconds = seconds_;
    bench.threads = engine::MakePlan(ProbeMachine(), options_).decoders;
    bulk::PathWalker walker({images_}, false);
    while (auto found = walker.Next()) {
      if (!found->status.ok()) return cli::ReportFailure(found->status);
      bench.files.push_back(std::move(found->path));
    }
    if (bench.files.empty()) {
      const std::string why = images_ + " holds no photos (by their names); any folder of photos will do";
      return cli::ReportFailure({Code::kInvalidRequest, why});
    }
    if (options_.decode_device != engine::DecodeDevice::kCpu) return RunOnGpu(bench);
    std::unique_ptr<decode::DecoderPool> pool;
    std::optional<bench::BenchIsolation> isolation;
    if (options_.decode_mode == engine::DecodeMode::kProcess) {
      auto created = decode::DecoderPool::Create(engine::ToPoolOptions(options_, bench.threads));
      if (!created.ok()) return cli::ReportFailure(created.status());
      pool = std::move(*created);
      bench.afterwards = [&](const auto& photos) -> Status {
        ASSIGN_OR_RETURN(isolation, bench::RunBenchIsolation(bench, *pool, photos, seconds_));
        return Status::Ok();
      };
    }
    return Measure(bench, "isolation", isolation);
  }

 private:
  // Beside CPU threads of this process, whatever --decode says: what processes cost is measured without a
  // GPU.
  int RunOnGpu(bench::BenchDecodeOptions& bench) const {
    const auto platform = device::LoadPlugin();
    if (!platform.ok()) return cli::ReportFailure(platform.status());
    const auto chosen = engine::ChooseDevice("cuda");
    if (!chosen.ok()) return cli::ReportFailure(chosen.status());
    std::optional<bench::BenchGpuDecode> gpu;
    bench.afterwards = [&](const auto& photos) -> Status {
      ASSIGN_OR_RETURN(
          gpu, bench::RunBenchGpuDecode(bench, **platform, chosen->devices.front(), photos, seconds_));
      return Status::Ok();
    };
    return Measure(bench, "gpu", gpu);
  }

  // `more`: what bench.afterwards may find out, a member of the JSON object.
  template <typename More>
  int Measure(const bench::BenchDecodeOptions& bench, std::string_view key,
              const std::optional<More>& more) const {
    const auto report = bench::RunBenchDecode(bench);
    if (!report.ok()) return cli::ReportFailure(report.status());
    std::string text;
    if (json_) {
      json::Writer json(text);
      json.BeginObject();
      bench::WriteMembers(json, *report);
      if (more) bench::WriteJson(json.Key(key), *more);
      json.EndObject();
      text += "\n";
    } else {
      text = bench::ToText(*report) + (more ? bench::ToText(*more) : "");
    }
    std::printf("%s", text.c_str());
    return cli::kExitOk;
  }

  std::string images_;
  int seconds_ = 10;
  bool json_ = false;
  engine::EngineOptions options_;
};

}  // namespace

std::unique_ptr<cli::Command> MakeBenchDecodeCommand() { return std::make_unique<BenchDecodeCommand>(); }

}  // namespace photovec::commands
