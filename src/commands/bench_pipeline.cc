// SPDX-License-Identifier: MIT
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "api/http_api.h"
#include "base/json_text.h"
#include "base/machine.h"
#include "base/result.h"
#include "bench/rounds.h"
#include "bulk/reader.h"
#include "cli/exit.h"
#include "commands/commands.h"
#include "commands/engine_flags.h"
#include "commands/init_model.h"
#include "engine/engine.h"
#include "engine/machine_report.h"
#include "net/server.h"

namespace photovec::commands {
namespace {

// What one pass over all modes gave.
struct Pass {
  bench::RoundResult decode, encode, pipeline, http;
  bool shared = true;  // decoding and encoding use the same processors

  double Bound() const {
    if (!shared) return std::min(decode.images_per_s, encode.images_per_s);
    return 1.0 / (1.0 / decode.images_per_s + 1.0 / encode.images_per_s);
  }
  double Share() const { return pipeline.images_per_s / Bound(); }
  double HttpCost() const { return 1.0 - http.images_per_s / pipeline.images_per_s; }
  // The same two figures from CPU time per image: what other programs take does not count in them.
  double CpuShare() const { return (decode.cpu_ms + encode.cpu_ms) / pipeline.cpu_ms; }
  double HttpCpuCost() const { return (http.cpu_ms - http.client_ms) / pipeline.cpu_ms - 1.0; }
};

template <typename Value>
double MedianOf(const std::vector<Pass>& passes, Value value) {
  std::vector<double> values;
  for (const Pass& pass : passes) values.push_back(value(pass));
  std::sort(values.begin(), values.end());
  const size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

// Medians over passes. Shares are medians of each pass's own share, since noise of the machine that lasts
// longer than a pass then cancels out.
struct Report {
  double decode, encode, pipeline, bound, share, http, http_cost, busy;
  double decode_cpu_ms, encode_cpu_ms, pipeline_cpu_ms, http_cpu_ms, client_cpu_ms, cpu_share, http_cpu_cost;

  explicit Report(const std::vector<Pass>& passes)
      : decode(MedianOf(passes, [](const Pass& p) { return p.decode.images_per_s; })),
        encode(MedianOf(passes, [](const Pass& p) { return p.encode.images_per_s; })),
        pipeline(MedianOf(passes, [](const Pass& p) { return p.pipeline.images_per_s; })),
        bound(MedianOf(passes, [](const Pass& p) { return p.Bound(); })),
        share(MedianOf(passes, [](const Pass& p) { return p.Share(); })),
        http(MedianOf(passes, [](const Pass& p) { return p.http.images_per_s; })),
        http_cost(MedianOf(passes, [](const Pass& p) { return p.HttpCost(); })),
        busy(MedianOf(passes, [](const Pass& p) { return p.pipeline.cpu_share; })),
        decode_cpu_ms(MedianOf(passes, [](const Pass& p) { return p.decode.cpu_ms; })),
        encode_cpu_ms(MedianOf(passes, [](const Pass& p) { return p.encode.cpu_ms; })),
        pipeline_cpu_ms(MedianOf(passes, [](const Pass& p) { return p.pipeline.cpu_ms; })),
        http_cpu_ms(MedianOf(passes, [](const Pass& p) { return p.http.cpu_ms; })),
        client_cpu_ms(MedianOf(passes, [](const Pass& p) { return p.http.client_ms; })),
        cpu_share(MedianOf(passes, [](const Pass& p) { return p.CpuShare(); })),
        http_cpu_cost(MedianOf(passes, [](const Pass& p) { return p.HttpCpuCost(); })) {}
};

std::string Printed(const char* format, double a, double b = 0, double c = 0) {
  char text[512];
  std::snprintf(text, sizeof(text), format, a, b, c);
  return text;
}

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
    flags.Text("images", &images_, "DIR",
               "photos to use (required); 2-megapixel JPEGs are the usual measure");
    flags.Integer("most-images", &most_images_, 1, 100'000, "photos kept in memory");
    flags.Number("seconds", &seconds_, 0.1, 3600, "measured seconds of each kind, over all passes");
    flags.Integer("passes", &passes_, 1, 100, "times that the kinds take turns");
    flags.Switch("http", &http_, "also through the HTTP server on loopback");
    flags.Integer("lanes", &load_.lanes, 1, 1024, "requests that are always unanswered");
    flags.Integer("images-per-request", &load_.images_per_request, 1, 1000, "images in each");
    flags.Switch("json", &json_, "print one JSON object");
    DeclareEngineFlags(flags, &engine_options_);
  }

  int Run() override {
    if (!preset_.empty() && !engine_options_.models.empty()) {
      return cli::ReportUsage({Code::kInvalidRequest, "give --model or --preset, not both"});
    }
    if (images_.empty()) {
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
                                      load_.images_per_request);
    if (!engine.ok()) return cli::ReportFailure(engine.status());
    const Status status = Measure(**engine);
    return status.ok() ? cli::kExitOk : cli::ReportFailure(status);
  }

 private:
  Status Measure(engine::Engine& engine) {
    const decode::DecodeOptions decode = engine_options_.decode;
    ASSIGN_OR_RETURN(const bench::PhotoSet photos, bench::LoadPhotos(images_, most_images_, engine, decode));
    RETURN_IF_ERROR(bench::VerifyPipeline(engine, photos, decode));
    bench::WorkTap tap;
    bench::TappedPipeline tapped(*engine.pipeline, tap);
    api::HttpApi api(tapped, *engine.registry);
    std::unique_ptr<net::Server> server;
    if (http_) {
      net::ServerOptions options;
      options.port = 0;
      options.max_body_bytes = uint64_t{1} << 30;
      server = std::make_unique<net::Server>(api, tapped.budget(), *engine.registry, options);
      RETURN_IF_ERROR(server->Start());
      api.SetReady(true);
    }
    std::vector<Pass> passes;
    bulk::StageSummary stages;
    for (int i = 0; i < passes_; ++i) {
      ASSIGN_OR_RETURN(Pass pass, RunPass(engine, photos, decode, tapped, tap, server.get(), &stages));
      if (!json_) PrintPass(i, pass);
      passes.push_back(pass);
    }
    if (server != nullptr) server->Stop(Deadline::After(std::chrono::seconds(5)));
    const Report report(passes);
    json_ ? PrintJson(engine, photos, report, stages) : PrintText(engine, photos, report, stages);
    return Status::Ok();
  }

  Result<Pass> RunPass(engine::Engine& engine, const bench::PhotoSet& photos,
                       const decode::DecodeOptions& decode, bench::TappedPipeline& tapped,
                       bench::WorkTap& tap, net::Server* server, bulk::StageSummary* stages) {
    bench::Load load = load_;
    load.seconds = seconds_ / passes_;
    Pass pass;
    pass.shared = engine.plan.backend == encode::Backend::kCpu;
    ASSIGN_OR_RETURN(pass.decode, bench::DecodeRound(engine, photos, decode, load.seconds));
    ASSIGN_OR_RETURN(pass.encode, bench::EncodeRound(engine, load.seconds));
    ASSIGN_OR_RETURN(pass.pipeline, bench::PipelineRound(tapped, tap, photos, load));
    *stages = tap.TakeStages();
    if (server != nullptr) {
      const int dimensions = engine.models[0].encoder.embedding_dim;
      ASSIGN_OR_RETURN(pass.http, bench::HttpRound(server->port(), tap, photos, load, dimensions));
    }
    return pass;
  }

  void PrintPass(int number, const Pass& pass) const {
    std::printf("pass %d: decode %.1f, encode %.1f, end to end %.1f img/s (%.1f%% of the bound)", number + 1,
                pass.decode.images_per_s, pass.encode.images_per_s, pass.pipeline.images_per_s,
                pass.Share() * 100);
    if (http_) std::printf(", http %.1f img/s", pass.http.images_per_s);
    std::printf("\n");
    std::fflush(stdout);
  }

  void PrintText(const engine::Engine& engine, const bench::PhotoSet& photos, const Report& report,
                 bulk::StageSummary& stages) const {
    const engine::ModelSummary& model = engine.models[0];
    std::printf("\n%s, %s, %d streams, batches of up to %d, %d decoders; %zu photos of %.2f MP and %.0f KB",
                model.name.c_str(), model.encoder.precision.c_str(), model.streams, model.encoder.max_batch,
                engine.plan.decode_threads, photos.photos.size(), photos.mean_megapixels,
                photos.mean_bytes / 1e3);
    if (photos.refused > 0) std::printf(" (%d files refused)", photos.refused);
    std::printf("\nmedians of %d passes:\n", passes_);
    std::printf("  decode alone    %8.1f img/s  %7.2f ms CPU\n", report.decode, report.decode_cpu_ms);
    std::printf("  encode alone    %8.1f img/s  %7.2f ms CPU\n", report.encode, report.encode_cpu_ms);
    std::printf("  bound           %8.1f img/s  %7.2f ms CPU   %s\n", report.bound,
                report.decode_cpu_ms + report.encode_cpu_ms,
                engine.plan.backend == encode::Backend::kCpu
                    ? "1/(1/decode + 1/encode): both use the same CPUs"
                    : "the slower of the two: they run side by side");
    std::printf(
        "  end to end      %8.1f img/s  %7.2f ms CPU   %.1f%% of the bound (target 90%%); by CPU time "
        "%.1f%%\n",
        report.pipeline, report.pipeline_cpu_ms, report.share * 100, report.cpu_share * 100);
    if (http_) {
      std::printf(
          "  through HTTP    %8.1f img/s  %7.2f ms CPU   %.1f%% less; by CPU time %.1f%%, without the "
          "client's own %.2f ms (target 4%%)\n",
          report.http, report.http_cpu_ms, report.http_cost * 100, report.http_cpu_cost * 100,
          report.client_cpu_ms);
    }
    if (report.busy < 0.9) {
      std::printf(
          "note: this process had %.0f%% of the CPUs' time end to end; if other programs took the rest, "
          "trust the figures by CPU time\n",
          report.busy * 100);
    }
    std::printf("\nstages of the last end-to-end pass (%d requests of %d images at a time):\n%s", load_.lanes,
                load_.images_per_request, stages.Table().c_str());
  }

  void PrintJson(const engine::Engine& engine, const bench::PhotoSet& photos, const Report& report,
                 bulk::StageSummary& stages) const {
    const engine::ModelSummary& model = engine.models[0];
    const double gflop = model.encoder.executed_flops_per_image / 1e9;
    std::string out = "{\"benchmark\":\"pipeline\",\"model\":" + JsonString(model.name) +
                      ",\"fingerprint\":" + JsonString(model.fingerprint) +
                      ",\"precision\":" + JsonString(model.encoder.precision) +
                      ",\"batch\":" + std::to_string(model.encoder.max_batch) +
                      ",\"streams\":" + std::to_string(model.streams) +
                      ",\"threads_per_stream\":" + std::to_string(engine.plan.threads_per_stream) +
                      ",\"decoders\":" + std::to_string(engine.plan.decode_threads) +
                      ",\"jpeg_scaling\":" + JsonString(NameOf(engine_options_.decode.jpeg_scaling)) +
                      ",\"color\":" + JsonString(NameOf(engine_options_.decode.color));
    out += Printed(",\"images_per_s\":%.3f,\"decode_images_per_s\":%.3f,\"encode_images_per_s\":%.3f",
                   report.pipeline, report.decode, report.encode);
    out += Printed(",\"bound_images_per_s\":%.3f,\"share_of_bound\":%.4f,\"share_of_ceiling\":%.4f",
                   report.bound, report.share, report.share);
    out += Printed(",\"gflops\":%.3f,\"ceiling_gflops\":%.3f,\"cpus_busy\":%.4f", report.pipeline * gflop,
                   report.bound * gflop, report.busy);
    out += Printed(",\"cpu_ms_per_image\":{\"decode\":%.4f,\"encode\":%.4f,\"pipeline\":%.4f}",
                   report.decode_cpu_ms, report.encode_cpu_ms, report.pipeline_cpu_ms);
    out += Printed(",\"share_of_bound_by_cpu_time\":%.4f", report.cpu_share);
    if (http_) {
      out += Printed(",\"http\":{\"images_per_s\":%.3f,\"cost\":%.4f,\"cost_by_cpu_time\":%.4f", report.http,
                     report.http_cost, report.http_cpu_cost);
      out += Printed(",\"cpu_ms_per_image\":%.4f,\"client_cpu_ms_per_image\":%.4f}", report.http_cpu_ms,
                     report.client_cpu_ms);
    }
    out += Printed(",\"photos\":{\"count\":%.0f,\"mean_megapixels\":%.3f,\"mean_bytes\":%.0f}",
                   static_cast<double>(photos.photos.size()), photos.mean_megapixels, photos.mean_bytes);
    out += ",\"lanes\":" + std::to_string(load_.lanes) +
           ",\"images_per_request\":" + std::to_string(load_.images_per_request) +
           ",\"passes\":" + std::to_string(passes_) + Printed(",\"seconds\":%.3f", seconds_) +
           ",\"stages\":" + stages.Json() + ",\"machine\":" + engine::MachineJson(ProbeMachine()) + "}";
    std::printf("%s\n", out.c_str());
  }

  std::string preset_;
  std::string images_;
  int most_images_ = 256;
  double seconds_ = 10;
  int passes_ = 3;
  bool http_ = false;
  bool json_ = false;
  bench::Load load_;
  engine::EngineOptions engine_options_;
};

}  // namespace

std::unique_ptr<cli::Command> MakeBenchPipelineCommand() { return std::make_unique<BenchPipelineCommand>(); }

}  // namespace photovec::commands
