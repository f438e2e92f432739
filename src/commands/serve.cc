// SPDX-License-Identifier: MIT
#include <algorithm>
#include <chrono>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "api/http_api.h"
#include "base/allocator.h"
#include "base/log.h"
#include "cli/exit.h"
#include "cli/port_file.h"
#include "cli/service_manager.h"
#include "cli/settings.h"
#include "cli/stop_signal.h"
#include "commands/access_flags.h"
#include "commands/admission_flags.h"
#include "commands/commands.h"
#include "commands/engine_flags.h"
#include "commands/listener_flags.h"
#include "commands/readiness.h"
#include "commands/source_flags.h"
#include "commands/upkeep.h"
#include "engine/engine.h"
#include "engine/fetch_metrics.h"
#include "engine/slow_stages.h"
#include "fetch/make_fetcher.h"
#include "metrics/resource_sampler.h"
#include "net/server.h"

namespace photovec::commands {
namespace {

using std::chrono::milliseconds;

// How often the main thread looks for a failed device.
constexpr milliseconds kLook{50};
// Of --max-images-per-request=0.
constexpr int kUsualImages = 1000;
constexpr int kOpenAiImages = 2048;
// A device that failed answers at once, so whoever still waits then waits for something else.
constexpr double kFailedDrainSeconds = 0.7;

Clock::duration Seconds(double seconds) {
  return std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
}

class ServeCommand : public cli::Command {
 public:
  std::string path() const override { return "serve"; }
  std::string summary() const override { return "Answer HTTP requests with vectors"; }

  void Declare(cli::FlagSet& flags) override {
    flags.Group("Server");
    flags.Text("host", &server_.host, "ADDRESS", "address to listen on; 0.0.0.0 or :: for all");
    flags.Integer("port", &server_.port, 0, 65'535, "TCP port; 0: any free one, see --port-file");
    flags.Text("port-file", &port_file_, "FILE", "write the port there once requests are served");
    flags.Integer("cache-mb", &cache_mib_, 0, 1 << 20,
                  "MiB of vectors to keep in memory, to answer photos that come again; 0: off");
    flags.Size("max-body", &server_.max_body_bytes, 1024, "largest request body");
    flags.Integer("max-images-per-request", &max_images_, 0, 1'000'000,
                  "images and texts that a request may name; 0: 2048 in /v1/embeddings, as OpenAI's service "
                  "takes, 1000 "
                  "elsewhere");
    flags.Switch("allow-truncation", &engine_.allow_truncation,
                 "\"dimensions\" in /v1/embeddings cuts vectors of every model, also of those that were not "
                 "trained for "
                 "it");
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
    DeclareListenerFlags(flags, &listeners_, &server_);
    flags.Switch("admin-only", &api_.admin_only,
                 "/metrics, /stats and the dashboard on the admin listener alone");
    DeclareAccessFlags(flags, &access_flags_);
    DeclareReadinessFlags(flags, &readiness_);
    DeclareAdmissionFlags(flags, &admission_);
    DeclareSourceFlags(flags, &sources_);
    DeclareEngineFlags(flags, &engine_);
  }

  int Run() override {
    TuneAllocator();
    const auto choices = engine::ParseModelChoices(engine_.models);
    if (!choices.ok()) return cli::ReportUsage(choices.status());
    const auto slow = engine::ParseSlowStages(ProcessEnvironment()(engine::kSlowStagesVariable).value_or(""));
    if (!slow.ok()) return cli::ReportUsage(slow.status());
    engine::LogSlowStages(*slow);
    api_.usual_items = max_images_ > 0 ? max_images_ : kUsualImages;
    ApplyAdmissionFlags(admission_, &engine_, &api_);
    engine_.cache_bytes = static_cast<uint64_t>(cache_mib_) << 20U;
    auto fetch = ToFetchOptions(sources_);
    if (!fetch.ok()) return cli::ReportUsage(fetch.status());
    fetch->max_bytes = engine_.decode.limits.max_file_bytes;
    const cli::ServiceManager manager;  // before any thread is made, as the next
    if (const Status applied = ApplyListenerFlags(listeners_, manager, &server_); !applied.ok()) {
      return cli::ReportUsage(applied);
    }
    net::RaiseFileLimit();
    cli::StopSignal stop;
    auto registry = metrics::Registry::Create();
    engine::FetchMetrics fetch_metrics(*registry);  // outlives the engine, whose fetcher reports to it
    auto fetcher = fetch::MakeFetcher(*fetch, &fetch_metrics, ProcessEnvironment());
    if (!fetcher.ok()) return cli::ReportUsage(fetcher.status());
    auto access = Access::Open(access_flags_);  // outlives the server, which writes to its logs
    if (access.status().code() == Code::kInvalidRequest) return cli::ReportUsage(access.status());
    if (!access.ok()) return cli::ReportFailure(access.status());
    (*access)->Fill(&api_);
    auto engine =
        engine::StartEngine(engine_, std::move(*fetcher), max_images_ > 0 ? max_images_ : kOpenAiImages,
                            *slow, std::move(registry));
    if (!engine.ok()) return cli::ReportFailure(engine.status());
    const int code = Serve(**engine, **access, stop, manager);
    if (code == cli::kExitDeviceFailed || engine::HasHangingStream(**engine)) {
      (*access)->StopLogs();
      cli::ExitAtOnce(code);
    }
    return code;
  }

 private:
  int Serve(engine::Engine& engine, Access& access, cli::StopSignal& stop,
            const cli::ServiceManager& manager) {
    const metrics::ResourceSampler resources(*engine.registry);
    SetTimeouts();
    api_.image_formats = engine::ImageFormats(engine.decoders.get());
    api::HttpApi api(*engine.pipeline, *engine.registry, api_);
    net::Server server(api, engine.pipeline->budget(), *engine.registry, server_);
    const Status started = server.Start();
    if (started.code() == Code::kInvalidRequest) return cli::ReportUsage(started);  // --host, --port
    if (!started.ok()) return cli::ReportFailure(started);
    const auto admin_port_file = cli::PortFile::Write(listeners_.admin_port_file, server.admin_port());
    if (!admin_port_file.ok()) return cli::ReportFailure(admin_port_file.status());
    std::optional<ReadinessWatch> readiness(std::in_place, engine, api, readiness_);
    LogListeners(server, server_, listeners_, !access_flags_.keys_path.empty());
    const auto port_file = cli::PortFile::Write(port_file_, server.port());
    if (!port_file.ok()) return cli::ReportFailure(port_file.status());
    manager.Ready("serving");

    Upkeep upkeep(server, manager);
    MemoryReturn memory;
    while (!stop.WaitFor(kLook) && !engine.pipeline->device_failed()) {
      readiness->Look();
      upkeep.Look();
      memory.Look(engine.pipeline->budget().used(), Clock::now());
      if (stop.TakeReload()) {
        manager.Reloading();
        access.ReloadKeys();
        upkeep.ReloadCertificate();
        manager.Ready("serving");
      }
      if (stop.TakeReopen()) access.ReopenLogs();
    }
    readiness.reset();  // its photo is not waited for
    manager.Stopping("draining");
    const bool failed = engine.pipeline->device_failed();
    if (failed) {
      log::error("the compute device failed: answering what is in flight, then exiting with code {}",
                 cli::kExitDeviceFailed);
    } else {
      BeLameDuck(engine, server, upkeep);
      log::info("draining {} connections, at most {} s; a second signal ends at once", server.connections(),
                drain_seconds_);
    }
    const double seconds = failed ? std::min(drain_seconds_, kFailedDrainSeconds) : drain_seconds_;
    const Deadline deadline = Deadline::After(Seconds(seconds));
    // Beside this thread, which goes on to tell the watchdog that the loops turn.
    const auto stopped = std::async(std::launch::async, [&] { server.Stop(deadline); });
    while (stopped.wait_for(kLook) != std::future_status::ready) upkeep.Look();
    engine.pipeline->Drain(deadline);
    log::info("stopped");
    return failed ? cli::kExitDeviceFailed : cli::kExitOk;
  }

  // Load balancers see /readyz and go elsewhere while everybody is still served.
  void BeLameDuck(engine::Engine& engine, net::Server& server, Upkeep& upkeep) const {
    if (listeners_.lame_duck_seconds <= 0) return;
    log::info("not ready any more; serving on for {} s, a second signal ends at once",
              listeners_.lame_duck_seconds);
    server.BeginLameDuck();
    const Deadline end = Deadline::After(Seconds(listeners_.lame_duck_seconds));
    while (!end.Expired() && !engine.pipeline->device_failed()) {
      upkeep.Look();
      std::this_thread::sleep_for(kLook);
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
  ListenerFlags listeners_;
  api::HttpApiOptions api_;
  AccessFlags access_flags_;
  AdmissionFlags admission_;
  SourceOptions sources_;
  engine::EngineOptions engine_;
  ReadinessOptions readiness_;
  std::string port_file_;
  int max_images_ = 0;
  int cache_mib_ = 0;
  double drain_seconds_ = 30;
  double request_seconds_ = 300;
  double header_seconds_ = 10;
  double body_seconds_ = 30;
  double idle_seconds_ = 75;
};

}  // namespace

std::unique_ptr<cli::Command> MakeServeCommand() { return std::make_unique<ServeCommand>(); }

}  // namespace photovec::commands
