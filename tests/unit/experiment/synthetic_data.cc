// SPDX-License-Identifier: MIT
#include "synthetic_data.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <random>

namespace photovec::experiment {
namespace {

constexpr int kBatch = 4;

class Maker {
 public:
  explicit Maker(const SyntheticSpec& spec) : spec_(spec), random_(spec.seed) {}

  Run MakeRun(int repetition) {
    Run run;
    run.repetition = repetition;
    run.seconds = spec_.seconds;
    run.began_us = 1'000'000'000 + repetition * 100'000'000LL;
    for (int i = 0; i < spec_.requests; ++i) AddRequest(i, run);
    AddResources(run);
    run.requests_completed = spec_.requests - spec_.failed_requests;
    run.images_completed = run.requests_completed * spec_.images - spec_.failed_images;
    run.server_cpu_seconds = spec_.machine_cpu * 2 * spec_.seconds * 0.9;
    run.load_cpu_seconds = 0.02 * 2 * spec_.seconds;
    run.store_cpu_seconds = 0.03 * 2 * spec_.seconds;
    run.loop_lag = {0.02, 0.4, 3.1};
    return run;
  }

 private:
  int64_t Micros(double median_ms) {
    const double factor = std::exp(spec_.spread * normal_(random_));
    return std::max<int64_t>(1, std::llround(median_ms * 1e3 * factor));
  }

  request_log::ItemRecord MakeItem(int64_t opened_us, int index) {
    request_log::ItemRecord item;
    item.by_reference = true;
    item.bytes = 150'000 + index;
    item.decoder = index % 2;
    item.stream = (index / kBatch) % spec_.streams;
    item.batch = next_batch_ + index / kBatch;
    item.batch_size = std::min(kBatch, spec_.images - index / kBatch * kBatch);
    const std::array<double, kImageStages.size()> medians = {
        spec_.admit_wait, spec_.fetch,      spec_.decode_wait, spec_.decode,
        spec_.preprocess, spec_.batch_wait, spec_.encode,      0.05};
    item.at_us[0] = opened_us;
    for (size_t i = 0; i < medians.size(); ++i) item.at_us[i + 1] = item.at_us[i] + Micros(medians[i]);
    return item;
  }

  void AddRequest(int i, Run& run) {
    request_log::Record request;
    request.id = static_cast<uint64_t>(run.repetition * 1'000 + i + 1);
    request.status = 200;
    request.started_us =
        run.began_us + static_cast<int64_t>(spec_.seconds * 1e6 * (i + 0.5) / spec_.requests);
    request.receive_us = 300;
    request.parse_us = 80;
    request.opened_us = 400;
    request.serialise_us = 500;
    for (int k = 0; k < spec_.images; ++k) request.items.push_back(MakeItem(request.opened_us, k));
    next_batch_ += (spec_.images + kBatch - 1) / kBatch;
    if (i >= spec_.failed_requests && i < spec_.failed_requests + spec_.failed_images) {
      request_log::ItemRecord& bad = request.items[0];
      bad.code = "image_corrupt";
      std::fill(bad.at_us.begin() + 5, bad.at_us.end(), -1);
      bad.stream = -1;
      bad.batch = -1;
      bad.batch_size = 0;
    }
    for (const request_log::ItemRecord& item : request.items) {
      request.finished_us = std::max(request.finished_us, item.At(Border::kCollected));
    }
    request.total_us = request.finished_us + request.serialise_us;
    ClientSample sample;
    sample.intended_us = request.started_us - 200;
    sample.sent_us = sample.intended_us + 20;
    sample.done_us = request.started_us + request.total_us + 150;
    sample.images = spec_.images;
    sample.status = 200;
    sample.failed_images = request.items[0].code == "ok" ? 0 : 1;
    if (i < spec_.failed_requests) {
      request.status = sample.status = 429;
      request.items.clear();
      request.total_us = 1'000'000'000;  // would spoil every quantile if it were counted
      sample.failed_images = spec_.images;
      sample.error = "overloaded";
    }
    run.requests.push_back(std::move(request));
    run.client.push_back(std::move(sample));
  }

  void AddResources(Run& run) {
    for (int64_t at = 0; at <= std::llround(spec_.seconds * 1e6); at += 200'000) {
      ResourceSample sample;
      sample.at_us = run.began_us + at;
      sample.machine_cpu = std::clamp(spec_.machine_cpu + 0.05 * normal_(random_), 0.0, 1.0);
      sample.server_cpus = sample.machine_cpu * 1.8;
      sample.load_cpus = 0.04;
      sample.store_cpus = 0.06;
      sample.rss_bytes = 480.0 * 1024 * 1024 + static_cast<double>(at) / 100;
      sample.threads = 12;
      sample.context_switches_per_s = 2'345.678901;
      sample.network_bytes_per_s = 12'000'000;
      if (spec_.gpu >= 0) sample.gpu_busy = std::clamp(spec_.gpu + 0.03 * normal_(random_), 0.0, 1.0);
      run.resources.push_back(sample);
    }
  }

  SyntheticSpec spec_;
  std::mt19937_64 random_;
  std::normal_distribution<double> normal_;
  int64_t next_batch_ = 0;
};

}  // namespace

Variant MakeSyntheticVariant(const SyntheticSpec& spec) {
  Variant variant;
  variant.name = spec.name;
  variant.settings = {{"streams", std::to_string(spec.streams)}};
  variant.command = {"photovec",        "serve",     "--model",
                     "models/clip b32", "--streams", std::to_string(spec.streams)};
  Maker maker(spec);
  for (int r = 0; r < spec.repetitions; ++r) variant.runs.push_back(maker.MakeRun(r));
  return variant;
}

ExperimentData MakeSyntheticData(const std::vector<SyntheticSpec>& specs) {
  ExperimentData data;
  data.created = "2026-11-25T04:00:00Z";
  data.version = "0.3.0";
  data.seed = 7;
  data.command = {"photovec", "experiment", "--vary", "streams=1,2,4", "--clients", "30"};
  data.machine_json = R"({"cpu":"Example CPU","isa":"avx512_bf16","physical_cores":1,"cpus":2})";
  data.cpus = 2;
  data.versions = {{"kernel", "Linux 6.1"}, {"oneDNN", "2.6"}, {"photovec", "0.3.0"}};
  data.options = {{"clients", "30"}, {"duration", "30s"}, {"images-per-request", "12"}};
  for (const SyntheticSpec& spec : specs) data.variants.push_back(MakeSyntheticVariant(spec));
  return data;
}

ExperimentData MakeShowcase() {
  SyntheticSpec one;
  one.requests = 200;
  one.images = 30;
  one.fetch = 75;
  one.spread = 0.4;
  one.batch_wait = 240;
  one.encode = 60;
  one.machine_cpu = 0.64;
  one.gpu = 0.76;
  SyntheticSpec two = one;
  two.name = "streams=2";
  two.streams = 2;
  two.batch_wait = 120;
  two.encode = 64;
  two.machine_cpu = 0.66;
  two.gpu = 0.82;
  two.seed = 2;
  SyntheticSpec four = two;
  four.name = "streams=4";
  four.streams = 4;
  four.batch_wait = 60;
  four.encode = 80;
  four.fetch = 82;
  four.gpu = 0.91;
  four.seed = 3;
  four.failed_images = 2;
  ExperimentData data = MakeSyntheticData({one, two, four});
  data.variants[1].capacity.push_back(
      {"p95<800ms", 12.5, {{10, 620, true}, {14, 910, false}, {12.5, 780, true}}});
  return data;
}

}  // namespace photovec::experiment
