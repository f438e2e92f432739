// SPDX-License-Identifier: MIT
#include <chrono>
#include <limits>
#include <string>
#include <utility>

#include "base/log.h"
#include "cli/exit.h"
#include "cli/port_file.h"
#include "cli/stop_signal.h"
#include "commands/lab/commands.h"
#include "experiment/store/object_store.h"

namespace photovec::commands {
namespace {

class ObjectStoreCommand : public cli::Command {
 public:
  ObjectStoreCommand() { options_.port = 9000; }
  std::string path() const override { return "object-store"; }
  std::string summary() const override {
    return "Serve a folder as GCS, S3 and plain HTTP would, with their latency";
  }

  void Declare(cli::FlagSet& flags) override {
    flags.Group("Object store");
    flags.Text("root", &options_.root, "DIR", "folder to serve, recursively (required)");
    flags.Text("latency", &latency_, "SPEC",
               "median and 95th percentile of the time to the first byte, log-normal; 0: none");
    flags.Size("bandwidth", &options_.bandwidth_bytes_per_s, 0, "bytes a second of one reply; 0: unlimited",
               "unlimited");
    flags.Number("error-rate", &options_.error_rate, 0, 1, "share of requests that are answered with 503");
    flags.Integer("seed", &options_.seed, 0, std::numeric_limits<int64_t>::max(),
                  "of latencies and errors: the same seed draws the same");
    flags.Text("log", &options_.log_path, "FILE", "one JSON line a request: what was drawn and answered");
    flags.Group("Server");
    flags.Text("host", &options_.host, "ADDRESS", "address to listen on");
    flags.Integer("port", &options_.port, 0, 65'535, "TCP port; 0: any free one, see --port-file");
    flags.Text("port-file", &port_file_, "FILE", "write the port there once requests are served");
  }

  int Run() override {
    if (options_.root.empty()) {
      return cli::ReportUsage(
          {Code::kInvalidRequest, "--root DIR is required: the folder of photos to serve"});
    }
    const auto latency = experiment::ParseLatency(latency_);
    if (!latency.ok()) return cli::ReportUsage(latency.status());
    options_.latency = *latency;
    const cli::StopSignal stop;  // before any thread is made
    const auto store = experiment::ObjectStore::Start(options_);
    if (!store.ok() && store.status().code() == Code::kInvalidRequest)
      return cli::ReportUsage(store.status());
    if (!store.ok()) return cli::ReportFailure(store.status());
    const auto port_file = cli::PortFile::Write(port_file_, (*store)->port());
    if (!port_file.ok()) return cli::ReportFailure(port_file.status());
    log::info(
        "listening on {}; the file a/b.jpg is /a/b.jpg, /BUCKET/a/b.jpg (S3) and "
        "/storage/v1/b/BUCKET/o/a%2Fb.jpg?alt=media (GCS)",
        cli::ServerUrl(options_.host, (*store)->port()));
    while (!stop.WaitFor(std::chrono::hours(1))) {
    }
    log::info("stopped after {} requests", (*store)->requests());
    return cli::kExitOk;
  }

 private:
  experiment::ObjectStoreOptions options_;
  std::string latency_ = "p50=40ms,p95=180ms";  // what the replaced service saw (docs/experiment.md)
  std::string port_file_;
};

}  // namespace

std::unique_ptr<cli::Command> MakeObjectStoreCommand() { return std::make_unique<ObjectStoreCommand>(); }

}  // namespace photovec::commands
