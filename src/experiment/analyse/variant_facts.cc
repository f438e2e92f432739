// SPDX-License-Identifier: MIT
#include "experiment/analyse/analysis.h"

#include <algorithm>

#include "base/quantile.h"
#include "experiment/analyse/critical_path.h"
#include "experiment/analyse/stream_time.h"

namespace photovec::experiment {
namespace {

constexpr std::string_view kOther = "other";

struct CpuUse {
  double machine_sum = 0;
  size_t samples = 0;
  double seconds = 0;
  double load = 0;
  double store = 0;
};

void CountRun(const Run& run, VariantFacts& facts, CpuUse& use) {
  ++facts.whole_runs;
  for (const ClientSample& sample : run.client) {
    ++facts.requests;
    facts.images += static_cast<size_t>(std::max(sample.images, 0));
    facts.failed_images += static_cast<size_t>(std::max(sample.failed_images, 0));
    if (!Succeeded(sample)) ++facts.failed_requests;
  }
  const double seconds = Rounded(run.seconds);
  use.seconds += seconds;
  for (const ResourceSample& sample : run.resources) use.machine_sum += Rounded(sample.machine_cpu);
  use.samples += run.resources.size();
  use.load += Rounded(run.load_cpu_seconds);
  use.store += Rounded(run.store_cpu_seconds);
  if (seconds > 0) facts.images_per_s.push_back(static_cast<double>(run.images_completed) / seconds);
  facts.loop_lag.p50_ms = std::max(facts.loop_lag.p50_ms, Rounded(run.loop_lag.p50_ms));
  facts.loop_lag.p99_ms = std::max(facts.loop_lag.p99_ms, Rounded(run.loop_lag.p99_ms));
  facts.loop_lag.max_ms = std::max(facts.loop_lag.max_ms, Rounded(run.loop_lag.max_ms));
}

void AddTotals(const Run& run, Figures& totals) {
  for (const request_log::Record& request : run.requests) {
    if (Succeeded(request) && request.total_us >= 0) totals.Add(static_cast<double>(request.total_us), 0);
  }
}

double Spread(const std::vector<double>& values) {
  if (values.size() < 2) return 0;
  const auto [lowest, highest] = std::minmax_element(values.begin(), values.end());
  const double median = Median(values);
  return median > 0 ? (*highest - *lowest) / median : 0;
}

// Sums per part over all requests. A part that a request lacks counts as 0 there.
struct PathSums {
  std::vector<PathMean> parts;
  double total_us = 0;
  double explained_us = 0;
  size_t requests = 0;

  void Add(const request_log::Record& request) {
    if (!Succeeded(request) || request.total_us <= 0) return;
    size_t place = 0;  // where a part that is new belongs: behind the one before it
    for (const PathPart& part : CriticalPath(request)) {
      auto at = std::find_if(parts.begin(), parts.end(),
                             [&](const PathMean& known) { return known.name == part.name; });
      if (at == parts.end()) {
        at = parts.insert(parts.begin() + static_cast<std::ptrdiff_t>(place), {part.name, 0});
      }
      at->ms += static_cast<double>(part.us);
      place = static_cast<size_t>(at - parts.begin()) + 1;
      if (part.name != kOther) explained_us += static_cast<double>(part.us);
    }
    total_us += static_cast<double>(request.total_us);
    ++requests;
  }
};

// The fetch stage lends a place from an image's fetch until it is decoded.
double LoadingShare(const Variant& variant) {
  double loading_us = 0;
  double held_us = 0;
  for (const Run& run : variant.runs) {
    for (const request_log::Record& request : run.requests) {
      for (const request_log::ItemRecord& item : request.items) {
        const int64_t fetch_us = item.Micros(Stage::kFetch);
        const int64_t end_us = item.At(Border::kDecodeEnd);
        if (fetch_us < 0 || end_us < 0) continue;
        loading_us += static_cast<double>(fetch_us);
        held_us += static_cast<double>(end_us - item.At(Border::kFetchStart));
      }
    }
  }
  return held_us > 0 ? loading_us / held_us : 1;
}

}  // namespace

VariantFacts CollectFacts(const Variant& variant, double cpus) {
  VariantFacts facts;
  CpuUse use;
  PathSums sums;
  std::vector<double> p95s;
  Figures all_totals;
  for (const Run& run : variant.runs) {
    if (!run.failure.empty()) {
      ++facts.failed_runs;
      continue;
    }
    CountRun(run, facts, use);
    for (const request_log::Record& request : run.requests) sums.Add(request);
    AddTotals(run, all_totals);
    Figures totals;
    AddTotals(run, totals);
    SortDescending(totals);
    if (totals.size() > 0) p95s.push_back(RankQuantile(totals, kQuantiles[kP95]));
  }
  if (all_totals.size() > 0) {
    SortDescending(all_totals);
    const double median = RankQuantile(all_totals, kQuantiles[kP50]);
    if (median > 0) facts.tail = RankQuantile(all_totals, kQuantiles[kP99]) / median;
  }
  facts.spread = Spread(p95s);
  if (use.samples > 0) facts.machine_cpu = use.machine_sum / static_cast<double>(use.samples);
  facts.streams_busy = StreamsBusy(variant);
  facts.decoders_busy = DecodersBusy(variant);
  facts.loading_share = LoadingShare(variant);
  if (const double available = use.seconds * Rounded(cpus); available > 0) {
    facts.load_share = use.load / available;
    facts.store_share = use.store / available;
  }
  if (sums.requests == 0) return facts;
  const double per_request_ms = 1e-3 / static_cast<double>(sums.requests);
  for (PathMean& part : sums.parts) part.ms *= per_request_ms;
  // The rest stands last, whatever request brought it in first.
  std::stable_partition(sums.parts.begin(), sums.parts.end(),
                        [](const PathMean& part) { return part.name != kOther; });
  facts.path = std::move(sums.parts);
  facts.path_total_ms = sums.total_us * per_request_ms;
  facts.accounted = sums.explained_us / sums.total_us;
  return facts;
}

}  // namespace photovec::experiment
