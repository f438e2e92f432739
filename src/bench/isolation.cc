// SPDX-License-Identifier: MIT
#include "bench/isolation.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <thread>

#include "base/deadline.h"
#include "base/quantile.h"
#include "base/text/sizes.h"
#include "base/thread_pool.h"
#include "bench/photo_worker.h"
#include "bench/runner.h"
#include "bench/table.h"

namespace photovec::bench {
namespace {

/// Long enough that starting threads does not count, short enough that a noisy neighbour hits both kinds.
constexpr double kSliceSeconds = 0.5;
constexpr double kShareOfLatency = 0.3;
constexpr size_t kPhotosInTurn = 10;

uint64_t LargestRss(const std::vector<int>& pids) {
  uint64_t largest = 0;
  for (const int pid : pids) {
    std::ifstream in("/proc/" + std::to_string(pid) + "/statm");
    uint64_t total = 0;
    uint64_t resident = 0;
    if (in >> total >> resident) {
      largest = std::max(largest, resident * static_cast<uint64_t>(sysconf(_SC_PAGESIZE)));
    }
  }
  return largest;
}

Status CheckSame(PhotoWorker& thread, PhotoWorker& process, const Photos& photos) {
  for (const auto& photo : photos) {
    if (!thread.Decode(photo).ok() || !process.Decode(photo).ok() || thread.slot() != process.slot()) {
      return {Code::kInternal, "a photo decodes differently in a process"};
    }
  }
  return Status::Ok();
}

/// CPU time of this process and of the idle workers. A worker that is replaced in a slice takes its CPU time
/// along; the median passes over such a slice.
std::chrono::nanoseconds CpuTimeWithWorkers(decode::DecoderPool& pool) {
  auto total = ProcessCpuTime();
  for (const int pid : pool.pids()) total += ProcessCpuTime(pid).value_or(std::chrono::nanoseconds{});
  return total;
}

double TimeUs(PhotoWorker& worker, std::span<const uint8_t> photo) {
  const TimePoint start = Clock::now();
  (void)worker.Decode(photo);
  return Seconds(Clock::now() - start) * 1e6;
}

using TimesOfPhotos = std::vector<std::vector<double>>;

/// Median over photos of how much larger a quantile of the times of `after` is than that of `before`.
double Shift(const TimesOfPhotos& before, const TimesOfPhotos& after, double q) {
  std::vector<double> shifts;
  for (size_t i = 0; i < before.size(); ++i) {
    shifts.push_back(Quantile(after[i], q) - Quantile(before[i], q));
  }
  return Quantile(shifts, 0.5);
}

/// Wall time of single images. The decoders (a thread's, a process's, a second thread's) take turns, some
/// photos each: none finds its caches emptied by another at every image, which no server would do, and a
/// noisy neighbour hits all. How much the two of the same kind differ is the noise.
void MeasureLatency(const std::array<PhotoWorker*, 3>& decoders, const Photos& photos, double seconds,
                    BenchIsolation* result) {
  const size_t count = std::min(photos.size(), kPhotosInTurn);
  std::array<TimesOfPhotos, 3> took_us;
  took_us.fill(TimesOfPhotos(count));
  const Deadline deadline = Deadline::After(std::chrono::milliseconds(static_cast<int64_t>(1000 * seconds)));
  for (size_t round = 0; round == 0 || !deadline.Expired(); ++round) {
    for (size_t turn = 0; turn < decoders.size(); ++turn) {
      const size_t which = (round + turn) % decoders.size();
      for (size_t i = 0; i < count; ++i) {
        took_us.at(which)[i].push_back(TimeUs(*decoders.at(which), photos[i * photos.size() / count]));
      }
    }
    ++result->latency_rounds;
  }
  const auto& [thread, process, control] = took_us;
  result->added_us_p50 = Shift(thread, process, 0.5);
  result->added_us_p95 = Shift(thread, process, 0.95);
  result->noise_us_p50 = Shift(thread, control, 0.5);
  result->noise_us_p95 = Shift(thread, control, 0.95);
}

// All threads for a while, decoding here and in processes in turns.
Status MeasureThroughput(const BenchDecodeOptions& options, decode::DecoderPool& pool, const Photos& photos,
                         double seconds, BenchIsolation* result) {
  PhotoTurns turns{photos, options.spec, options.decode};
  std::vector<Contestant> contestants;
  for (const bool in_process : {false, true}) {
    Contestant& one = contestants.emplace_back(PhotoContestant(
        in_process ? "process" : "thread", options.threads, turns,
        [&pool, in_process] { return in_process ? pool.MakeDecoder() : decode::MakeInProcessDecoder(); },
        PhotoWorker::OnFailure::kSkip));
    one.seconds = kSliceSeconds;
    one.cpu_time = [&pool] { return CpuTimeWithWorkers(pool); };
  }
  RoundOptions rounds;
  rounds.seconds = seconds;
  ASSIGN_OR_RETURN(const std::vector<Series> series, TakeTurns(contestants, rounds));
  const Series& thread = series[0];
  const Series& process = series[1];
  result->thread_images_per_s = thread.rate();
  result->process_images_per_s = process.rate();
  result->thread_cpu_ms = thread.cpu_ms();
  result->process_cpu_ms = process.cpu_ms();
  result->ratio = MedianOfRounds(thread.slices.size(), [&](size_t round) {
    return process.slices[round].rate / std::max(thread.slices[round].rate, 1e-9);
  });
  return Status::Ok();
}

}  // namespace

Result<BenchIsolation> RunBenchIsolation(const BenchDecodeOptions& options, decode::DecoderPool& pool,
                                         const Photos& photos, double seconds) {
  BenchIsolation result;
  result.idle_rss_bytes = LargestRss(pool.pids());
  PhotoTurns turns{photos, options.spec, options.decode};
  PhotoWorker thread(turns, decode::MakeInProcessDecoder(), PhotoWorker::OnFailure::kSkip);
  PhotoWorker process(turns, pool.MakeDecoder(), PhotoWorker::OnFailure::kSkip);
  PhotoWorker control(turns, decode::MakeInProcessDecoder(), PhotoWorker::OnFailure::kSkip);
  RETURN_IF_ERROR(CheckSame(thread, process, photos));
  // On a thread of its own, as nice as the server's: the workers are, too.
  std::thread([&] {
    SetThreadNice(kWorkerNice);
    MeasureLatency({&thread, &process, &control}, photos, seconds * kShareOfLatency, &result);
  }).join();
  RETURN_IF_ERROR(MeasureThroughput(options, pool, photos, seconds * (1 - kShareOfLatency), &result));
  return result;
}

std::string ToText(const BenchIsolation& one) {
  return "  --decode=thread " + Fixed(one.thread_images_per_s, 1) + " img/s, --decode=process " +
         Fixed(one.process_images_per_s, 1) + " img/s: " + Fixed(one.ratio, 3) +
         " of it (median of slices in turn)\n  CPU time of one image: thread " + Fixed(one.thread_cpu_ms, 3) +
         " ms, process " + Fixed(one.process_cpu_ms, 3) +
         " ms\n  one image at a time, process minus thread, median of photos: p50 " +
         Fixed(one.added_us_p50, 0) + " us, p95 " + Fixed(one.added_us_p95, 0) +
         " us\n  (thread minus thread: " + Fixed(one.noise_us_p50, 0) + ", " + Fixed(one.noise_us_p95, 0) +
         "; " + std::to_string(one.latency_rounds) + " times each); an idle process takes " +
         HumanBytes(one.idle_rss_bytes) + "\n";
}

void WriteJson(json::Writer& json, const BenchIsolation& one) {
  json.BeginObject()
      .Field("thread_images_per_s", one.thread_images_per_s, 2)
      .Field("process_images_per_s", one.process_images_per_s, 2)
      .Field("ratio", one.ratio, 4)
      .Field("thread_cpu_ms", one.thread_cpu_ms, 4)
      .Field("process_cpu_ms", one.process_cpu_ms, 4)
      .Field("added_us_p50", one.added_us_p50, 1)
      .Field("added_us_p95", one.added_us_p95, 1)
      .Field("noise_us_p50", one.noise_us_p50, 1)
      .Field("noise_us_p95", one.noise_us_p95, 1)
      .Field("latency_rounds", one.latency_rounds)
      .Field("idle_rss_bytes", one.idle_rss_bytes)
      .EndObject();
}

}  // namespace photovec::bench
