// SPDX-License-Identifier: MIT
#include "experiment/analyse/stream_time.h"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "experiment/analyse/stage_rows.h"

namespace photovec::experiment {
namespace {

using Span = std::pair<double, double>;  // microseconds since the measured time began

// Overlapping and touching spans become one.
std::vector<Span> Union(std::vector<Span> spans) {
  std::sort(spans.begin(), spans.end());
  std::vector<Span> merged;
  for (const Span& span : spans) {
    if (!merged.empty() && span.first <= merged.back().second) {
      merged.back().second = std::max(merged.back().second, span.second);
    } else {
      merged.push_back(span);
    }
  }
  return merged;
}

// What a kind of worker is busy with: which of them it was, and from which border of an item to which.
struct Worker {
  int request_log::ItemRecord::*index;
  Border begin;
  Border end;
};
constexpr Worker kStream{&request_log::ItemRecord::stream, Border::kEncodeStart, Border::kEncodeEnd};
constexpr Worker kDecoder{&request_log::ItemRecord::decoder, Border::kDecodeStart, Border::kPreprocessEnd};

std::vector<std::vector<Span>> SpansByWorker(const Run& run, const Worker& worker, int workers) {
  std::vector<std::vector<Span>> spans(static_cast<size_t>(workers));
  for (const request_log::Record& request : run.requests) {
    const auto offset = static_cast<double>(request.started_us - run.began_us);
    for (const request_log::ItemRecord& item : request.items) {
      const int index = item.*worker.index;
      const int64_t begin = item.At(worker.begin);
      const int64_t end = item.At(worker.end);
      if (index < 0 || index >= workers || begin < 0 || end < begin) continue;
      spans[static_cast<size_t>(index)].emplace_back(offset + static_cast<double>(begin),
                                                     offset + static_cast<double>(end));
    }
  }
  return spans;
}

int CountWorkers(const Variant& variant, const Worker& worker) {
  int workers = 0;
  for (const Run& run : variant.runs) {
    for (const request_log::Record& request : run.requests) {
      for (const request_log::ItemRecord& item : request.items)
        workers = std::max(workers, item.*worker.index + 1);
    }
  }
  return workers;
}

double LeadIn(const Run& run, double length_us) {
  Figures totals;
  for (const request_log::Record& request : run.requests) {
    if (request.total_us >= 0) totals.Add(static_cast<double>(request.total_us), 0);
  }
  if (totals.size() == 0) return 0;
  SortDescending(totals);
  return std::min(RankQuantile(totals, 0.99), length_us / 2);
}

void AddWorkerTime(const Run& run, const Worker& worker, int workers, size_t seconds, size_t first_group,
                   Figures& out) {
  const double length_us = Rounded(run.seconds) * 1e6;
  if (workers <= 0 || length_us <= 0 || run.requests.empty()) return;
  const double lead_in = LeadIn(run, length_us);
  const double group_us = length_us / static_cast<double>(seconds);
  const auto first = std::min(seconds - 1, static_cast<size_t>(std::ceil(lead_in / group_us)));
  std::vector<double> busy_us(seconds, 0.0);
  for (std::vector<Span>& spans : SpansByWorker(run, worker, workers)) {
    for (const Span& span : Union(std::move(spans))) {
      const double begin = std::max(span.first, 0.0);
      const double end = std::min(span.second, length_us);
      if (end <= begin) continue;
      const auto last = std::min(seconds - 1, static_cast<size_t>(end / group_us));
      for (auto i = std::min(last, static_cast<size_t>(begin / group_us)); i <= last; ++i) {
        const double from = std::max(begin, static_cast<double>(i) * group_us);
        const double to = i == last ? end : static_cast<double>(i + 1) * group_us;
        busy_us[i] += std::max(0.0, to - from);
      }
    }
  }
  for (size_t i = first; i < seconds; ++i) out.Add(busy_us[i] / group_us / workers, first_group + i);
}

double MeanBusy(const Variant& variant, const Worker& worker) {
  const int workers = CountWorkers(variant, worker);
  double sum = 0;
  size_t count = 0;
  for (const Run& run : variant.runs) {
    if (!run.failure.empty()) continue;
    Figures shares;
    AddWorkerTime(run, worker, workers, std::max<size_t>(1, static_cast<size_t>(run.seconds)), 0, shares);
    for (const double share : shares.value) sum += share;
    count += shares.size();
  }
  return count > 0 ? sum / static_cast<double>(count) : 0;
}

}  // namespace

int CountStreams(const Variant& variant) { return CountWorkers(variant, kStream); }

void AddStreamTime(const Run& run, int streams, size_t seconds, size_t first_group, Figures& out) {
  AddWorkerTime(run, kStream, streams, seconds, first_group, out);
}

double StreamsBusy(const Variant& variant) { return MeanBusy(variant, kStream); }
double DecodersBusy(const Variant& variant) { return MeanBusy(variant, kDecoder); }

}  // namespace photovec::experiment
