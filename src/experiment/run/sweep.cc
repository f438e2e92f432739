// SPDX-License-Identifier: MIT
#include "experiment/run/sweep.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <future>
#include <utility>

#include "base/clock.h"
#include "base/log.h"
#include "base/quantile.h"
#include "base/text/percent.h"
#include "experiment/run/resource_timeline.h"
#include "experiment/run/server_stats.h"

namespace photovec::experiment {
namespace {

constexpr size_t kLogTailLines = 12;
// What a run takes besides its load, until the first run has shown it.
constexpr double kGuessedStartStopSeconds = 5;
constexpr std::chrono::milliseconds kProgressEvery{250};
// A search from a good first guess takes about so many; only for the progress line.
constexpr double kUsualTrials = 7;

void ReplaceAll(std::string& text, std::string_view from, const std::string& to) {
  for (size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
  }
}

/// Where a search for the capacity begins: what the server did under the experiment's own load, or 1
/// request/s.
double FirstGuess(const Variant& variant) {
  double requests = 0;
  double seconds = 0;
  for (const auto& run : variant.runs) {
    requests += static_cast<double>(run.requests_completed);
    seconds += run.seconds;
  }
  return requests > 0 && seconds > 0 ? requests / seconds : 1.0;
}

void Warn(const std::string& variant, const Run& run) {
  std::string text = variant + ": " + run.failure;
  if (!run.log_tail.empty()) text += "; its last lines:";
  for (const std::string& line : run.log_tail) text += "\n  | " + line;
  log::warn("{}", text);
}

}  // namespace

std::string Sweep::PathFor(const std::string& label, const char* suffix) const {
  return options_.work_dir + "/" + label + suffix;
}

std::vector<std::string> Sweep::Fill(const std::vector<std::string>& command,
                                     const std::string& label) const {
  std::vector<std::string> filled = command;
  for (std::string& word : filled) {
    ReplaceAll(word, "{port_file}", PathFor(label, ".port"));
    ReplaceAll(word, "{request_log}", PathFor(label, ".requests.jsonl"));
    ReplaceAll(word, "{store_url}", store_url_);
  }
  return filled;
}

Status Sweep::StartStore(const std::atomic<bool>& stop) {
  if (options_.store_command.empty()) return Status::Ok();
  const std::string log = PathFor("object-store", ".log");
  auto started = ServerProcess::Start(
      {Fill(options_.store_command, "object-store"), PathFor("object-store", ".port"), log}, stop);
  if (!started.ok()) {
    std::string message = "the object store did not start: " + started.status().message();
    for (const std::string& line : LastLines(log, kLogTailLines)) message += "\n  " + line;
    return {started.status().code(), message};
  }
  store_ = std::move(*started);
  store_url_ = "http://127.0.0.1:" + std::to_string(store_->port());
  return Status::Ok();
}

LoadOptions Sweep::LoadFor(uint16_t port) const {
  LoadOptions load = options_.load;
  load.port = port;
  for (const std::string& object : options_.objects) {
    load.references.push_back(store_url_ + "/" + PercentEncode(object, "/"));
  }
  return load;
}

double Sweep::ExpectedRunSeconds() const {
  if (runs_done_ > 0) return finished_seconds_ / static_cast<double>(runs_done_);
  return kGuessedStartStopSeconds + options_.load.warmup_s + options_.load.seconds;
}

void Sweep::Report(const std::string& what, double seconds_in) const {
  if (!options_.on_progress) return;
  const double runs = static_cast<double>(options_.variants.size()) * options_.repetitions;
  const double each = ExpectedRunSeconds();
  // The run that is on never counts as done before it is.
  const double done = static_cast<double>(runs_done_) + std::min(seconds_in / each, 0.99);
  options_.on_progress({what, std::min(done / runs, 1.0), std::max(0.0, (runs - done) * each)});
}

void Sweep::ReportTrial(size_t variant, int trial, const LoadOptions& load) const {
  if (!options_.on_progress) return;
  char text[96];
  std::snprintf(text, sizeof(text), ": capacity, trying %.2f requests/s", load.requests_per_s);
  const double variants = static_cast<double>(options_.variants.size());
  const double done = (static_cast<double>(variant) + std::min(1.0, trial / kUsualTrials)) / variants;
  const double each = kUsualTrials * (load.warmup_s + load.seconds);
  options_.on_progress({options_.variants[variant].name + text, done, (1 - done) * variants * each});
}

Result<Sweep::Server> Sweep::StartServer(size_t variant, const std::string& label,
                                         const std::atomic<bool>& stop) {
  auto command = Fill(options_.variants[variant].command, label);
  return ServerProcess::Start({std::move(command), PathFor(label, ".port"), PathFor(label, ".log")}, stop);
}

Result<LoadResult> Sweep::Load(const LoadOptions& load, const std::string& what, double expected_s,
                               const std::atomic<bool>& stop) {
  // The load has its own thread, so that this one can tell how far it is.
  auto result = std::async(std::launch::async, [&] { return RunLoad(load, stop); });
  const int64_t began = NowMicros();
  while (result.wait_for(kProgressEvery) != std::future_status::ready) {
    const double in_s = static_cast<double>(NowMicros() - began) / 1e6;
    const char* phase = in_s < load.warmup_s ? "warming up"
                        : in_s < expected_s  ? "measuring"
                                             : "last replies";
    Report(what + ": " + phase, in_s);
  }
  return result.get();
}

void Sweep::Measure(ServerProcess& server, const std::string& what, Run& run, const std::atomic<bool>& stop) {
  const LoadOptions load = LoadFor(server.port());
  ResourceTimeline timeline({server.pid(), store_ ? store_->pid() : 0, nvml_.get()});
  auto result = Load(load, what, load.warmup_s + load.seconds, stop);
  run.resources = timeline.Stop();
  if (!result.ok()) {
    run.failure = result.status().message();
    return;
  }
  run.client = std::move(result->samples);
  run.began_us = result->began_us;
  run.seconds = result->seconds;
  const int64_t end_us = run.began_us + static_cast<int64_t>(run.seconds * 1e6);
  std::erase_if(run.resources, [&](const ResourceSample& sample) {
    return sample.at_us < run.began_us || sample.at_us > end_us;
  });
  for (size_t i = 1; i < run.resources.size(); ++i) {
    const ResourceSample& sample = run.resources[i];
    const double seconds = static_cast<double>(sample.at_us - run.resources[i - 1].at_us) / 1e6;
    run.server_cpu_seconds += sample.server_cpus * seconds;
    run.load_cpu_seconds += sample.load_cpus * seconds;
    run.store_cpu_seconds += sample.store_cpus * seconds;
  }
}

void CountCompleted(const std::vector<request_log::Record>& log, Run& run) {
  const int64_t from = run.began_us;
  const int64_t to = from + static_cast<int64_t>(run.seconds * 1e6);
  const auto inside = [&](int64_t at) { return at >= from && at < to; };
  for (const request_log::Record& request : log) {
    const int64_t ended = request.started_us + request.total_us;
    if (inside(ended)) ++run.requests_completed;
    for (const request_log::ItemRecord& item : request.items) {
      const int64_t collected = item.At(Border::kCollected);
      if (item.code == "ok" && inside(collected >= 0 ? request.started_us + collected : ended)) {
        ++run.images_completed;
      }
    }
  }
}

Run Sweep::RunOnce(size_t variant, int repetition, const std::atomic<bool>& stop) {
  Run run;
  run.repetition = repetition;
  const std::string label = "v" + std::to_string(variant) + "-r" + std::to_string(repetition);
  const std::string what = options_.variants[variant].name + ", " + std::to_string(repetition + 1) + " of " +
                           std::to_string(options_.repetitions);
  const auto fail = [&](const std::string& why) {
    if (run.failure.empty()) run.failure = why;
    run.log_tail = LastLines(PathFor(label, ".log"), kLogTailLines);
  };
  Report(what + ": starting the server", 0);
  auto server = StartServer(variant, label, stop);
  if (!server.ok()) {
    fail(server.status().message());
    return run;
  }
  Measure(**server, what, run, stop);
  if (!run.failure.empty()) fail(run.failure);
  if (stop && run.failure.empty())
    run.failure = "interrupted";  // a part of it would not compare with whole runs
  const bool alive = (*server)->Running();
  if (alive) {
    auto lag = FetchLoopLag((*server)->port());
    if (lag.ok()) run.loop_lag = *lag;
  }
  const Status stopped = (*server)->Stop();
  if (!stopped.ok()) fail(alive ? stopped.message() : stopped.message() + " while it was measured");
  const std::string log_path = PathFor(label, ".requests.jsonl");
  auto records = request_log::ReadRequestLog(log_path);
  if (!records.ok()) {
    fail("no request log: " + records.status().message());
    return run;
  }
  CountCompleted(*records, run);
  const int64_t end_us = run.began_us + static_cast<int64_t>(run.seconds * 1e6);
  std::erase_if(*records, [&](const request_log::Record& record) {
    return record.started_us < run.began_us || record.started_us >= end_us;
  });
  run.requests = std::move(*records);
  return run;
}

Result<Capacity> Sweep::FindCapacity(size_t variant, double first_guess, const std::atomic<bool>& stop) {
  const std::string label = "v" + std::to_string(variant) + "-capacity";
  ASSIGN_OR_RETURN(Server server, StartServer(variant, label, stop));
  CapacitySearch search(*options_.objective, first_guess);
  LoadOptions load = LoadFor(server->port());
  load.arrival = Arrival::kPoisson;
  load.seconds = options_.capacity_trial_s;
  load.warmup_s = std::min(load.warmup_s, options_.capacity_trial_s / 4);
  int trials = 0;
  while (!search.done() && !stop) {
    load.requests_per_s = search.NextRate();
    ReportTrial(variant, trials++, load);
    ASSIGN_OR_RETURN(const LoadResult result, RunLoad(load, stop));
    std::vector<double> totals_ms;
    bool failed = result.samples.empty();
    for (const ClientSample& sample : result.samples) {
      failed = failed || sample.status != 200 || sample.failed_images > 0;
      totals_ms.push_back(static_cast<double>(sample.done_us - sample.intended_us) / 1e3);
    }
    if (!stop) search.Report(Quantile(totals_ms, options_.objective->quantile), failed);
  }
  RETURN_IF_ERROR(server->Stop());
  return search.Result();
}

Status Sweep::Execute(ExperimentData& data, const std::atomic<bool>& stop) {
  RETURN_IF_ERROR(StartStore(stop));
  if (auto nvml = metrics::Nvml::Open(); nvml.ok()) nvml_ = std::move(*nvml);
  for (const SweepVariant& variant : options_.variants) {
    data.variants.push_back({variant.name, variant.settings, variant.command, {}, {}});
  }
  for (int repetition = 0; repetition < options_.repetitions && !stop; ++repetition) {
    for (size_t i = 0; i < options_.variants.size() && !stop; ++i) {
      const int64_t began = NowMicros();
      auto run = RunOnce(i, repetition, stop);
      if (stop && run.client.empty()) break;  // Ctrl-C before there was anything to report
      if (!run.failure.empty() && !stop) Warn(options_.variants[i].name, run);
      data.variants[i].runs.push_back(std::move(run));
      finished_seconds_ += static_cast<double>(NowMicros() - began) / 1e6;
      ++runs_done_;
    }
  }
  for (size_t i = 0; options_.objective && i < options_.variants.size() && !stop; ++i) {
    auto capacity = FindCapacity(i, FirstGuess(data.variants[i]), stop);
    if (capacity.ok()) {
      data.variants[i].capacity.push_back(*std::move(capacity));
    } else {
      log::warn("{}: its capacity was not found: {}", options_.variants[i].name, capacity.status().message());
    }
  }
  data.interrupted = stop;
  if (store_) {
    const Status stopped = store_->Stop();
    if (!stopped.ok()) log::warn("object store: {}", stopped.message());
  }
  return Status::Ok();
}

}  // namespace photovec::experiment
