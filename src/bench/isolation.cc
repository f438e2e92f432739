// SPDX-License-Identifier: MIT
#include "bench/isolation.h"

#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdio>
#include <fstream>
#include <functional>
#include <memory>
#include <thread>

#include "base/quantile.h"
#include "base/text/sizes.h"
#include "base/thread_pool.h"

namespace photovec::bench {
namespace {

using Photos = std::vector<std::span<const uint8_t>>;
using MakeDecoder = std::function<std::unique_ptr<decode::Decoder>()>;

/// Long enough that starting threads does not count, short enough that a noisy neighbour hits both kinds.
constexpr double kSliceSeconds = 0.5;
constexpr double kShareOfLatency = 0.3;
constexpr size_t kPhotosInTurn = 10;

class OneDecoder {
 public:
  OneDecoder(const BenchDecodeOptions& options, const MakeDecoder& make)
      : options_(options), decoder_(make()), slot_(options.spec.slot_bytes()) {}
  bool Decode(std::span<const uint8_t> encoded) {
    decode::DecodeJob job;
    job.encoded = encoded;
    job.spec = &options_.spec;
    job.options = options_.decode;
    job.out = slot_;
    return decoder_->Decode(job).ok();
  }
  double TimeUs(std::span<const uint8_t> encoded) {
    const TimePoint start = Clock::now();
    Decode(encoded);
    return std::chrono::duration<double, std::micro>(Clock::now() - start).count();
  }
  const std::vector<uint8_t>& slot() const { return slot_; }

 private:
  const BenchDecodeOptions& options_;
  std::unique_ptr<decode::Decoder> decoder_;
  std::vector<uint8_t> slot_;
};

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

Status CheckSame(OneDecoder& thread, OneDecoder& process, const Photos& photos) {
  for (const auto& photo : photos) {
    if (!thread.Decode(photo) || !process.Decode(photo) || thread.slot() != process.slot()) {
      return {Code::kInternal, "a photo decodes differently in a process"};
    }
  }
  return Status::Ok();
}

double Ms(const timeval& time) {
  return static_cast<double>(time.tv_sec) * 1e3 + static_cast<double>(time.tv_usec) / 1e3;
}

/// CPU time of this process and of the idle workers, ms.
double CpuMs(decode::DecoderPool& pool) {
  rusage self{};
  getrusage(RUSAGE_SELF, &self);
  double total = Ms(self.ru_utime) + Ms(self.ru_stime);
  for (const int pid : pool.pids()) {
    clockid_t clock{};
    timespec now{};
    if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &now) != 0) continue;
    total += static_cast<double>(now.tv_sec) * 1e3 + static_cast<double>(now.tv_nsec) / 1e6;
  }
  return total;
}

struct Slice {
  double images_per_s = 0;
  double cpu_ms = 0;  ///< of one image
};

/// All threads for a while. A worker that is replaced meanwhile takes its CPU time along; the median passes
/// over such a slice.
Slice RunSlice(const BenchDecodeOptions& options, const MakeDecoder& make, const Photos& photos,
               double seconds, decode::DecoderPool& pool) {
  const double cpu_before_ms = CpuMs(pool);
  std::atomic<size_t> next{0};
  std::atomic<int64_t> done{0};
  const TimePoint start = Clock::now();
  const Deadline deadline(start + std::chrono::milliseconds(static_cast<int64_t>(seconds * 1000)));
  std::vector<std::thread> threads;
  for (int i = 0; i < std::max(options.threads, 1); ++i) {
    threads.emplace_back([&] {
      SetThreadNice(kWorkerNice);
      OneDecoder decoder(options, make);
      while (!deadline.Expired()) {
        if (decoder.Decode(photos[next.fetch_add(1) % photos.size()])) done.fetch_add(1);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  const double images = std::max(1.0, static_cast<double>(done.load()));
  return {1e6 * images / static_cast<double>(MicrosBetween(start, Clock::now())),
          (CpuMs(pool) - cpu_before_ms) / images};
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
void MeasureLatency(const std::array<OneDecoder*, 3>& decoders, const Photos& photos, double seconds,
                    BenchIsolation* result) {
  const size_t count = std::min(photos.size(), kPhotosInTurn);
  std::array<TimesOfPhotos, 3> took_us;
  took_us.fill(TimesOfPhotos(count));
  const Deadline deadline = Deadline::After(std::chrono::milliseconds(static_cast<int64_t>(1000 * seconds)));
  for (size_t round = 0; round == 0 || !deadline.Expired(); ++round) {
    for (size_t turn = 0; turn < decoders.size(); ++turn) {
      const size_t which = (round + turn) % decoders.size();
      for (size_t i = 0; i < count; ++i) {
        took_us.at(which)[i].push_back(decoders.at(which)->TimeUs(photos[i * photos.size() / count]));
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

}  // namespace

Result<BenchIsolation> RunBenchIsolation(const BenchDecodeOptions& options, decode::DecoderPool& pool,
                                         const Photos& photos, double seconds) {
  const MakeDecoder make_thread = decode::MakeInProcessDecoder;
  const MakeDecoder make_process = [&pool] { return pool.MakeDecoder(); };
  BenchIsolation result;
  result.idle_rss_bytes = LargestRss(pool.pids());
  OneDecoder thread(options, make_thread);
  OneDecoder process(options, make_process);
  OneDecoder control(options, make_thread);
  RETURN_IF_ERROR(CheckSame(thread, process, photos));

  // On a thread of its own, as nice as the server's: the workers are, too.
  std::thread([&] {
    SetThreadNice(kWorkerNice);
    MeasureLatency({&thread, &process, &control}, photos, seconds * kShareOfLatency, &result);
  }).join();

  std::vector<double> thread_rates;
  std::vector<double> process_rates;
  std::vector<double> ratios;
  std::vector<double> thread_cpu_ms;
  std::vector<double> process_cpu_ms;
  const Deadline rates = Deadline::After(
      std::chrono::milliseconds(static_cast<int64_t>(1000 * seconds * (1 - kShareOfLatency))));
  do {
    const Slice in_thread = RunSlice(options, make_thread, photos, kSliceSeconds, pool);
    const Slice in_process = RunSlice(options, make_process, photos, kSliceSeconds, pool);
    thread_rates.push_back(in_thread.images_per_s);
    process_rates.push_back(in_process.images_per_s);
    thread_cpu_ms.push_back(in_thread.cpu_ms);
    process_cpu_ms.push_back(in_process.cpu_ms);
    ratios.push_back(process_rates.back() / std::max(thread_rates.back(), 1e-9));
  } while (!rates.Expired());
  result.thread_images_per_s = Quantile(thread_rates, 0.5);
  result.process_images_per_s = Quantile(process_rates, 0.5);
  result.thread_cpu_ms = Quantile(thread_cpu_ms, 0.5);
  result.process_cpu_ms = Quantile(process_cpu_ms, 0.5);
  result.ratio = Quantile(ratios, 0.5);
  return result;
}

std::string ToText(const BenchIsolation& one) {
  std::array<char, 512> text{};
  std::snprintf(
      text.data(), text.size(),
      "  --decode=thread %.1f img/s, --decode=process %.1f img/s: %.3f of it (median of slices in turn)\n"
      "  CPU time of one image: thread %.3f ms, process %.3f ms\n"
      "  one image at a time, process minus thread, median of photos: p50 %.0f us, p95 %.0f us\n"
      "  (thread minus thread: %.0f, %.0f; %d times each); an idle process takes %s\n",
      one.thread_images_per_s, one.process_images_per_s, one.ratio, one.thread_cpu_ms, one.process_cpu_ms,
      one.added_us_p50, one.added_us_p95, one.noise_us_p50, one.noise_us_p95, one.latency_rounds,
      HumanBytes(one.idle_rss_bytes).c_str());
  return text.data();
}

std::string ToJson(const BenchIsolation& one) {
  std::array<char, 512> text{};
  std::snprintf(
      text.data(), text.size(),
      "{\"thread_images_per_s\":%.2f,\"process_images_per_s\":%.2f,\"ratio\":%.4f,\"thread_cpu_ms\":%.4f,"
      "\"process_cpu_ms\":%.4f,\"added_us_p50\":%.1f,\"added_us_p95\":%.1f,"
      "\"noise_us_p50\":%.1f,\"noise_us_p95\":%.1f,\"latency_rounds\":%d,\"idle_rss_bytes\":%llu}",
      one.thread_images_per_s, one.process_images_per_s, one.ratio, one.thread_cpu_ms, one.process_cpu_ms,
      one.added_us_p50, one.added_us_p95, one.noise_us_p50, one.noise_us_p95, one.latency_rounds,
      static_cast<unsigned long long>(one.idle_rss_bytes));
  return text.data();
}

}  // namespace photovec::bench
