// SPDX-License-Identifier: MIT
#include "experiment/analyse/stage_rows.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>
#include <set>
#include <utility>

#include "experiment/analyse/stream_time.h"

namespace photovec::experiment {
namespace {

constexpr auto kRows = std::to_array<StageRow>({
    {"admit_wait", Per::kImage, false},     {"fetch", Per::kImage, true},
    {"decode_wait", Per::kImage, true},     {"decode", Per::kImage, true},
    {"preprocess", Per::kImage, false},     {"tokenize", Per::kImage, false},
    {"batch_wait", Per::kImage, false},     {"encode", Per::kImage, false},
    {"encode_text", Per::kImage, false},    {"collect", Per::kImage, false},
    {"receive", Per::kRequest, false},      {"parse", Per::kRequest, false},
    {"load_decode", Per::kRequest, true},   {"preprocess_request", Per::kRequest, true},
    {"embed", Per::kRequest, true},         {"first_vector", Per::kRequest, false},
    {"serialise", Per::kRequest, false},    {"http_total", Per::kRequest, true},
    {"client_total", Per::kRequest, false},
});
constexpr auto kMainRows = std::to_array<std::string_view>(
    {"fetch", "decode", "decode_wait", "load_decode", "preprocess_request", "embed", "http_total"});
static_assert(kRows.size() == 19 && kStageCount == 10);

bool Failed(const request_log::ItemRecord& item) { return item.code != "ok"; }

// The rows of one request, -1 where it has no figure; order of kRows from "receive" on.
std::array<int64_t, 8> RequestMicros(const request_log::Record& request) {
  int64_t preprocessed = -1;
  int64_t preprocess_sum = -1;
  int64_t encode_begin = -1;
  int64_t encode_end = -1;
  int64_t first_vector = -1;
  for (const request_log::ItemRecord& item : request.items) {
    if (Failed(item)) continue;
    preprocessed = std::max(preprocessed, item.At(Border::kPreprocessEnd));
    const int64_t preprocess = item.Micros(Stage::kPreprocess);
    if (preprocess >= 0) preprocess_sum = std::max<int64_t>(preprocess_sum, 0) + preprocess;
    const int64_t began = item.At(Border::kEncodeStart);
    if (began >= 0 && (encode_begin < 0 || began < encode_begin)) encode_begin = began;
    encode_end = std::max(encode_end, item.At(Border::kEncodeEnd));
    const int64_t collected = item.At(Border::kCollected);
    if (collected >= 0 && (first_vector < 0 || collected < first_vector)) first_vector = collected;
  }
  const auto between = [](int64_t from, int64_t to) { return from >= 0 && to >= from ? to - from : -1; };
  const auto unless_set = [](int64_t set, int64_t derived) { return set >= 0 ? set : derived; };
  return {request.receive_us,
          request.parse_us,
          unless_set(request.load_decode_us, between(request.opened_us, preprocessed)),
          unless_set(request.preprocess_us, preprocess_sum),
          unless_set(request.embed_us, between(encode_begin, encode_end)),
          between(request.opened_us, first_vector),
          request.serialise_us,
          request.total_us};
}

void AddRequest(const request_log::Record& request, size_t group, std::vector<Figures>& rows) {
  const auto add = [&](size_t row, int64_t us) {
    if (us >= 0) rows[row].Add(static_cast<double>(us) / 1e3, group);
  };
  for (const request_log::ItemRecord& item : request.items) {
    if (Failed(item)) continue;
    for (size_t stage = 0; stage < kStageCount; ++stage) add(stage, item.Micros(static_cast<Stage>(stage)));
  }
  const auto micros = RequestMicros(request);
  for (size_t i = 0; i < micros.size(); ++i) add(kStageCount + i, micros[i]);
}

size_t SecondsOf(const Run& run) {
  return static_cast<size_t>(std::max(1.0, std::floor(Rounded(run.seconds))));
}

// The second of measured time that a moment lies in; none outside.
std::optional<size_t> SecondAt(const Run& run, int64_t at_us) {
  const double length_us = Rounded(run.seconds) * 1e6;
  const auto since = static_cast<double>(at_us - run.began_us);
  if (length_us <= 0 || since < 0 || since > length_us) return std::nullopt;
  const size_t count = SecondsOf(run);
  return std::min(count - 1, static_cast<size_t>(since / length_us * static_cast<double>(count)));
}

void AddResources(const Run& run, double cpus, size_t first, VariantFigures& out) {
  for (const ResourceSample& sample : run.resources) {
    const auto second = SecondAt(run, sample.at_us);
    if (!second) continue;
    out.machine_cpu.Add(Rounded(sample.machine_cpu), first + *second);
    if (cpus > 0) out.server_cpu.Add(Rounded(sample.server_cpus) / cpus, first + *second);
    if (sample.gpu_busy >= 0) out.gpu.Add(Rounded(sample.gpu_busy), first + *second);
  }
}

// Throughput varies within a run as the starts of requests do (a closed loop starts one for each that ended);
// its level is what was counted as completed.
void AddThroughput(const Run& run, size_t first, VariantFigures& out) {
  const double seconds = Rounded(run.seconds);
  if (seconds <= 0) return;
  const size_t count = SecondsOf(run);
  std::vector<double> images(count, 0.0);
  std::vector<double> requests(count, 0.0);
  for (const ClientSample& sample : run.client) {
    const auto second = SecondAt(run, sample.intended_us);
    if (!second || !Succeeded(sample)) continue;
    images[*second] += sample.images - sample.failed_images;
    requests[*second] += 1;
  }
  const auto add = [&](const std::vector<double>& starts, int64_t completed, Figures& figures) {
    double sum = 0;
    for (const double value : starts) sum += value;
    const double rate = static_cast<double>(completed) / seconds;
    for (size_t i = 0; i < count; ++i) {
      const double share = sum > 0 ? starts[i] * static_cast<double>(count) / sum : 1.0;
      figures.Add(rate * share, first + i);
    }
  };
  add(images, run.images_completed, out.images_per_s);
  add(requests, run.requests_completed, out.requests_per_s);
  if (run.images_completed > 0 && run.server_cpu_seconds > 0) {
    out.cpu_ms_per_image.Add(
        Rounded(run.server_cpu_seconds) * 1e3 / static_cast<double>(run.images_completed), first);
  }
}

void CountBatches(const Run& run, std::map<int, uint64_t>& batches) {
  std::set<std::pair<int, int64_t>> seen;
  for (const request_log::Record& request : run.requests) {
    for (const request_log::ItemRecord& item : request.items) {
      if (item.stream < 0 || item.batch < 0 || item.batch_size <= 0) continue;
      if (seen.emplace(item.stream, item.batch).second) ++batches[item.batch_size];
    }
  }
}

}  // namespace

std::span<const StageRow> StageRows() { return kRows; }
std::span<const std::string_view> MainRows() { return kMainRows; }

int StageRowIndex(std::string_view key) {
  for (size_t i = 0; i < kRows.size(); ++i) {
    if (kRows[i].key == key) return static_cast<int>(i);
  }
  return -1;
}

bool Succeeded(const request_log::Record& request) {
  if (request.status < 200 || request.status > 299) return false;
  return request.items.empty() || !std::all_of(request.items.begin(), request.items.end(), Failed);
}

bool Succeeded(const ClientSample& sample) {
  return sample.status >= 200 && sample.status <= 299 &&
         (sample.images == 0 || sample.failed_images < sample.images);
}

double Rounded(double value) { return static_cast<double>(std::llround(value * 1e6)) / 1e6; }

VariantFigures CollectFigures(const Variant& variant, double cpus) {
  VariantFigures out;
  out.rows.resize(kRows.size());
  const int streams = CountStreams(variant);
  for (const Run& run : variant.runs) {
    if (!run.failure.empty()) continue;
    const size_t first_request = out.requests.groups();
    for (size_t i = 0; i < run.requests.size(); ++i) {
      if (Succeeded(run.requests[i])) AddRequest(run.requests[i], first_request + i, out.rows);
    }
    const size_t first_sample = out.client_requests.groups();
    for (size_t i = 0; i < run.client.size(); ++i) {
      const ClientSample& sample = run.client[i];
      if (!Succeeded(sample)) continue;
      out.rows.back().Add(static_cast<double>(sample.done_us - sample.intended_us) / 1e3, first_sample + i);
    }
    const size_t first_second = out.seconds.groups();
    AddResources(run, Rounded(cpus), first_second, out);
    AddThroughput(run, first_second, out);
    AddStreamTime(run, streams, SecondsOf(run), first_second, out.streams_busy);
    CountBatches(run, out.batches);
    out.requests.begins.push_back(static_cast<uint32_t>(first_request + run.requests.size()));
    out.client_requests.begins.push_back(static_cast<uint32_t>(first_sample + run.client.size()));
    out.seconds.begins.push_back(static_cast<uint32_t>(first_second + SecondsOf(run)));
  }
  for (Figures& row : out.rows) SortDescending(row);
  return out;
}

}  // namespace photovec::experiment
