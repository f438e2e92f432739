// SPDX-License-Identifier: MIT
#include <algorithm>
#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "api/http_api.h"
#include "base/log.h"
#include "cli/exit.h"
#include "cli/port_file.h"
#include "cli/settings.h"
#include "cli/stop_signal.h"
#include "commands/admission_flags.h"
#include "commands/commands.h"
#include "commands/engine_flags.h"
#include "commands/source_flags.h"
#include "engine/engine.h"
#include "engine/fetch_metrics.h"
#include "engine/slow_stages.h"
#include "fetch/make_fetcher.h"
#include "metrics/resource_sampler.h"
#include "net/server.h"
#include "request_log/writer.h"

namespace photovec::commands {
namespace {

using std::chrono::milliseconds;

// How often the main thread looks for a failed device.
constexpr milliseconds kLook{50};
// A device that failed answers at once, so whoever still waits then waits for something else.
constexpr double kFailedDrainSeconds = 0.7;

class ServeCommand : public cli::Command {
 public:
  std::string path() const override { return "serve"; }
  std::string summary() const override { return "Answer HTTP requests with vectors"; }

  void Declare(cli::FlagSet& flags) override {
    flags.Group("Server");
    flags.Text("host", &server_.host, "ADDRESS", "address to listen on; 0.0.0.0 or :: for all");
    flags.Integer("port", &server_.port, 0, 65'535, "TCP port; 0: any free one, see --port-file");
    flags.Text("port-file", &port_file_, "FILE", "write the port there once requests are served");
    flags.Text("request-log", &request_log_, "FILE",
               "append the times of each embedding request to it, as a line of JSON; empty: off");
    flags.Integer("cache-mb", &cache_mib_, 0, 1 << 20,
                  "MiB of vectors to keep in memory, to answer photos that come again; 0: off");
    flags.Size("max-body", &server_.max_body_bytes, 1024, "largest request body");
    flags.Integer("max-images-per-request", &max_images_, 1, 1'000'000, "images that a request may name");
    flags.Integer("max-connections", &server_.max_connections, 0, 1'000'000,
                  "open connections; 0: half of the limit of open files, at most 4096");
    flags.Integer("io-threads", &server_.io_threads, 0, 64, "event loops; 0: 1 on up to 4 CPUs, else 2");
    flags.Choice(
        "loop-priority", &server_.loop_priority,
        "of the event loops; realtime: ahead of every other thread, needs rights; auto: realtime where it "
        "is allowed, else normal");
    flags.Integer("worker-threads", &server_.worker_threads, 0, 64,
                  "threads for long JSON and base64; 0: 1 to 4 by CPUs");
    flags.Number("drain-timeout", &drain_seconds_, 0, 86'400,
                 "seconds that requests in flight have after SIGTERM");
    flags.Number("request-timeout", &request_seconds_, 0.001, 86'400, "seconds that one request may take");
    flags.Number("header-timeout", &header_seconds_, 0.001, 3'600, "seconds for a request's headers");
    flags.Number("body-timeout", &body_seconds_, 0.001, 86'400,
                 "seconds for a request's body, plus 1 for each 8 KiB received");
    flags.Number("idle-timeout", &idle_seconds_, 0.001, 86'400, "seconds between requests of a connection");
    DeclareAdmissionFlags(flags, &admission_);
    DeclareSourceFlags(flags, &sources_);
    DeclareEngineFlags(flags, &engine_);
  }

  int Run() override {
    const auto choices = engine::ParseModelChoices(engine_.models);
    if (!choices.ok()) return cli::ReportUsage(choices.status());
    const auto slow = engine::ParseSlowStages(ProcessEnvironment()(engine::kSlowStagesVariable).value_or(""));
    if (!slow.ok()) return cli::ReportUsage(slow.status());
    engine::LogSlowStages(*slow);
    ApplyAdmissionFlags(admission_, &engine_, &api_);
    engine_.cache_bytes = static_cast<uint64_t>(cache_mib_) << 20U;
    auto fetch = ToFetchOptions(sources_);
    if (!fetch.ok()) return cli::ReportUsage(fetch.status());
    fetch->max_bytes = engine_.decode.limits.max_file_bytes;
    const cli::StopSignal stop;  // before any thread is made
    auto registry = metrics::Registry::Create();
    engine::FetchMetrics fetch_metrics(*registry);  // outlives the engine, whose fetcher reports to it
    auto fetcher = fetch::MakeFetcher(*fetch, &fetch_metrics, ProcessEnvironment());
    if (!fetcher.ok()) return cli::ReportUsage(fetcher.status());
    std::unique_ptr<request_log::RequestLog> request_log;  // outlives the server, which writes to it
    if (!request_log_.empty()) {
      auto opened = request_log::RequestLog::Open(request_log_);
      if (!opened.ok()) return cli::ReportFailure(opened.status());
      request_log = std::move(*opened);
      api_.request_log = request_log.get();
    }
    auto engine = engine::StartEngine(engine_, std::move(*fetcher), max_images_, *slow, std::move(registry));
    if (!engine.ok()) return cli::ReportFailure(engine.status());
    const int code = Serve(**engine, stop);
    if (code == cli::kExitDeviceFailed || engine::HasHangingStream(**engine)) {
      if (request_log) request_log->Stop();  // writes the last lines
      cli::ExitAtOnce(code);
    }
    return code;
  }

 private:
  int Serve(engine::Engine& engine, const cli::StopSignal& stop) {
    const metrics::ResourceSampler resources(*engine.registry);
    SetTimeouts();
    api::HttpApi api(*engine.pipeline, *engine.registry, api_);
    net::Server server(api, engine.pipeline->budget(), *engine.registry, server_);
    const Status started = server.Start();
    if (started.code() == Code::kInvalidRequest) return cli::ReportUsage(started);  // --host, --port
    if (!started.ok()) return cli::ReportFailure(started);
    const auto port_file = cli::PortFile::Write(port_file_, server.port());
    if (!port_file.ok()) return cli::ReportFailure(port_file.status());
    api.SetReady(true);  // SetUpModel has run every stream
    log::info("listening on {}", cli::ServerUrl(server_.host, server.port()));

    while (!stop.WaitFor(kLook) && !engine.pipeline->device_failed()) WatchDecoders(engine, api);
    const bool failed = engine.pipeline->device_failed();
    if (failed) {
      log::error("the compute device failed: answering what is in flight, then exiting with code {}",
                 cli::kExitDeviceFailed);
    } else {
      log::info("draining {} connections, at most {} s; a second signal ends at once", server.connections(),
                drain_seconds_);
    }
    const double seconds = failed ? std::min(drain_seconds_, kFailedDrainSeconds) : drain_seconds_;
    const Deadline deadline =
        Deadline::After(std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds)));
    server.Stop(deadline);
    engine.pipeline->Drain(deadline);
    log::info("stopped");
    return failed ? cli::kExitDeviceFailed : cli::kExitOk;
  }

  // Readiness follows the decoder processes; they are restarted by themselves.
  void WatchDecoders(engine::Engine& engine, api::HttpApi& api) {
    if (!engine.decoders) return;
    const decode::DecoderPoolStats stats = engine.decoders->stats();
    const bool enough = engine::EnoughDecoders(stats);
    if (enough == enough_decoders_) return;
    enough_decoders_ = enough;
    api.SetReady(enough);
    if (enough) {
      log::info("ready again: {} decoder processes live", stats.alive);
    } else {
      log::error("not ready: {} of {} decoder processes live", stats.alive, stats.wanted);
    }
  }

  void SetTimeouts() {
    const auto ms = [](double seconds) { return static_cast<int64_t>(seconds * 1e3); };
    server_.header_timeout_ms = ms(header_seconds_);
    server_.body_timeout_ms = ms(body_seconds_);
    server_.idle_timeout_ms = ms(idle_seconds_);
    api_.request_deadline = std::chrono::milliseconds(ms(request_seconds_));
  }

  net::ServerOptions server_;
  api::HttpApiOptions api_;
  AdmissionFlags admission_;
  SourceOptions sources_;
  engine::EngineOptions engine_;
  std::string port_file_;
  std::string request_log_;
  int max_images_ = 1000;
  int cache_mib_ = 0;
  double drain_seconds_ = 30;
  double request_seconds_ = 300;
  double header_seconds_ = 10;
  double body_seconds_ = 30;
  double idle_seconds_ = 75;
  bool enough_decoders_ = true;
};

}  // namespace

std::unique_ptr<cli::Command> MakeServeCommand() { return std::make_unique<ServeCommand>(); }

}  // namespace photovec::commands
