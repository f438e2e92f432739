// SPDX-License-Identifier: MIT
#include "bench/gpu_decode.h"

#include <time.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <functional>
#include <iterator>
#include <memory>
#include <thread>
#include <utility>

#include "base/quantile.h"
#include "base/thread_pool.h"
#include "decode/gpu/jpeg_scheduler.h"
#include "decode/header_probe.h"

namespace photovec::bench {
namespace {

using Photos = std::vector<std::span<const uint8_t>>;
using Slot = std::vector<uint8_t>;
using MakeDecoder = std::function<std::unique_ptr<decode::Decoder>()>;

constexpr int kPasses = 3;
constexpr double kLeastPsnrDb = 35;
constexpr int kMostWarmUps = 8;
constexpr int kMostWindows = 100;

struct Arrangement {
  std::string name;
  decode::GpuJpegOptions plan;
  bool cpus_too = false;
};

// From the simplest on, so that each line shows what one more thing brings.
std::vector<Arrangement> Arrangements() {
  const auto lanes = [](std::string name, int engines, int cuda) {
    Arrangement one{std::move(name), {}, false};
    one.plan.engine_decoders = engines;
    one.plan.cuda_decoders = cuda;
    return one;
  };
  std::vector<Arrangement> all = {
      lanes("engines, 1 lane", 1, 0),        lanes("engines, 2 lanes", 2, 0),
      lanes("engines, batches of 64", 2, 0), lanes("engines, chroma repeated", 2, 0),
      lanes("cuda, 1 lane", 0, 1),           lanes("cuda, 2 lanes", 0, 2)};
  all[2].plan.engine_jobs = 64;
  all[3].plan.interpolate_chroma = false;
  for (const bool cpus_too : {false, true}) {
    for (const auto parts : {decode::GpuJpegParts::kAuto, decode::GpuJpegParts::kEngines}) {
      const std::string name = cpus_too ? "--decode-device=mixed" : "--decode-device=gpu";
      const bool all_parts = parts == decode::GpuJpegParts::kAuto;
      const std::string only = all_parts ? "" : " --gpu-jpeg=" + std::string(NameOf(parts));
      all.push_back({name + only, decode::ToGpuJpegOptions(parts), cpus_too});
    }
  }
  return all;
}

double CpuSeconds() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

double Psnr(const Slot& a, const Slot& b) {
  double squares = 0;
  for (size_t i = 0; i < a.size(); ++i) squares += (a[i] - b[i]) * (a[i] - b[i]);
  return squares == 0 ? 99 : 10 * std::log10(255.0 * 255.0 * static_cast<double>(a.size()) / squares);
}

// What the CPU makes of each photo, exactly.
Result<std::vector<Slot>> Expected(const BenchDecodeOptions& options, const Photos& photos) {
  decode::DecodeOptions exact = options.decode;
  exact.jpeg_scaling = decode::JpegScaling::kExact;
  const auto decoder = decode::MakeInProcessDecoder();
  std::vector<Slot> slots;
  for (const auto& photo : photos) {
    slots.emplace_back(options.spec.slot_bytes());
    RETURN_IF_ERROR(decoder->Decode({photo, &options.spec, exact, slots.back()}).status());
  }
  return slots;
}

using ReadCounts = std::function<decode::GpuJpegScheduler::Counts()>;

// What was done while somebody watched.
struct Window {
  double seconds = 0;
  double images = 0;
  double cpu_seconds = 0;
  decode::GpuJpegScheduler::Counts counts;
};

// Photos in turn on many threads.
class Turns {
 public:
  Turns(const BenchDecodeOptions& options, const Photos& photos) : options_(options), photos_(photos) {}

  /// Each photo once.
  /// \param done called with its number and pixels, by several threads.
  Status Once(int threads, const MakeDecoder& make, const std::function<void(size_t, const Slot&)>& done) {
    std::vector<std::thread> all = Start(
        threads, make, [&](size_t turn) { return turn < photos_.size(); }, done);
    return Join(all);
  }

  /// Again and again: for `ramp` seconds until all threads are at it, then for `seconds`, which count (or
  /// some times as long, until as many were decoded as there are photos and threads). How they end does not.
  Result<Window> Watch(int threads, const MakeDecoder& make, double ramp, double seconds,
                       const ReadCounts& read_counts) {
    std::atomic<bool> stop{false};
    std::vector<std::thread> all = Start(threads, make, [&](size_t) { return !stop; }, {});
    Sleep(ramp);
    const Window begin = Now(read_counts);
    const auto enough = std::max(static_cast<double>(photos_.size()), static_cast<double>(threads));
    Window window = begin;
    for (int i = 0; i < kMostWindows && window.images < begin.images + enough; ++i) {
      Sleep(seconds);
      window = Now(read_counts);
    }
    stop = true;
    RETURN_IF_ERROR(Join(all));
    window.seconds -= begin.seconds;
    window.images -= begin.images;
    window.cpu_seconds -= begin.cpu_seconds;
    window.counts.Add(begin.counts, -1);
    return window;
  }

 private:
  std::vector<std::thread> Start(int threads, const MakeDecoder& make,
                                 const std::function<bool(size_t)>& more,
                                 const std::function<void(size_t, const Slot&)>& done) {
    std::vector<std::thread> all;
    for (int i = 0; i < threads; ++i) {
      all.emplace_back([this, &make, more, done] {
        SetThreadNice(kWorkerNice);
        const auto decoder = make();
        Slot slot(options_.spec.slot_bytes());
        for (size_t turn = next_.fetch_add(1); more(turn); turn = next_.fetch_add(1)) {
          const size_t photo = turn % photos_.size();
          if (!decoder->Decode({photos_[photo], &options_.spec, options_.decode, slot}).ok()) failed_ = true;
          if (done) done(photo, slot);
          ++images_;
        }
      });
    }
    return all;
  }
  Status Join(std::vector<std::thread>& all) const {
    for (std::thread& thread : all) thread.join();
    return failed_ ? Status(Code::kInternal, "a photo that decoded before does not any more") : Status::Ok();
  }
  static void Sleep(double seconds) {
    std::this_thread::sleep_for(std::chrono::microseconds(static_cast<int64_t>(seconds * 1e6)));
  }
  Window Now(const ReadCounts& read_counts) const {
    const auto since_epoch = Clock::now().time_since_epoch();
    return {std::chrono::duration<double>(since_epoch).count(), static_cast<double>(images_), CpuSeconds(),
            read_counts()};
  }

  const BenchDecodeOptions& options_;
  const Photos& photos_;
  std::atomic<size_t> next_{0};
  std::atomic<int64_t> images_{0};
  std::atomic<bool> failed_{false};
};

// What several passes of one arrangement gave.
struct Passes {
  std::vector<double> images_per_s;
  std::vector<double> cpu_ms;
  decode::GpuJpegScheduler::Counts counts;  // of the timed parts
  double least_psnr_db = 0;
  std::string missing;
};

class Bench {
 public:
  Bench(const BenchDecodeOptions& options, device::Platform& platform, int device, const Photos& photos,
        double slice)
      : options_(options), platform_(platform), device_(device), photos_(photos), slice_(slice) {}

  Status Cpu(Passes& passes) {
    return Time(
        options_.threads, decode::MakeInProcessDecoder, [] { return decode::GpuJpegScheduler::Counts(); },
        passes);
  }

  Status Gpu(const Arrangement& what, const std::vector<Slot>& expected, Passes& passes,
             std::string& detail) {
    const decode::CpuShare cpus{options_.threads, what.cpus_too};
    auto lanes = decode::StartGpuJpegScheduler(platform_, {device_}, what.plan, cpus, detail);
    if (!lanes.ok()) {
      passes.missing = lanes.status().message();
      return Status::Ok();
    }
    const int threads = decode::kGpuDecodeThreads + (what.cpus_too ? options_.threads : 0);
    const MakeDecoder make = [&] { return decode::MakeGpuDecoder(**lanes, decode::MakeInProcessDecoder()); };
    if (passes.images_per_s.empty()) RETURN_IF_ERROR(Compare(what, threads, make, expected, passes));
    if (!passes.missing.empty()) return Status::Ok();
    RETURN_IF_ERROR(WarmUp(**lanes, threads, make));
    return Time(
        threads, make, [&] { return (*lanes)->counts(); }, passes);
  }

 private:
  // Each photo once; the pixels are compared where all must be the GPU's.
  Status Compare(const Arrangement& what, int threads, const MakeDecoder& make,
                 const std::vector<Slot>& expected, Passes& passes) {
    std::vector<double> psnr(photos_.size(), 99);
    const auto compare = [&](size_t photo, const Slot& slot) { psnr[photo] = Psnr(slot, expected[photo]); };
    RETURN_IF_ERROR(Turns(options_, photos_).Once(threads, make, compare));
    if (what.cpus_too) return Status::Ok();
    passes.least_psnr_db = *std::min_element(psnr.begin(), psnr.end());
    if (passes.least_psnr_db < kLeastPsnrDb) {
      passes.missing =
          "its pixels are not the CPU's (" + std::to_string(static_cast<int>(passes.least_psnr_db)) + " dB)";
    }
    return Status::Ok();
  }

  // Until nvJPEG asks the driver for nothing any more.
  Status WarmUp(const decode::GpuJpegScheduler& lanes, int threads, const MakeDecoder& make) {
    int64_t allocations = -1;
    for (int i = 0; i < kMostWarmUps && allocations != lanes.counts().decoders.allocations; ++i) {
      allocations = lanes.counts().decoders.allocations;
      RETURN_IF_ERROR(
          Turns(options_, photos_)
              .Watch(threads, make, 0, slice_ / 4, [] { return decode::GpuJpegScheduler::Counts(); })
              .status());
    }
    return Status::Ok();
  }

  Status Time(int threads, const MakeDecoder& make, const ReadCounts& read_counts, Passes& passes) {
    ASSIGN_OR_RETURN(const Window window,
                     Turns(options_, photos_).Watch(threads, make, slice_ / 4, slice_, read_counts));
    if (window.images == 0) {
      return {Code::kInvalidRequest, "no photo was decoded within " + std::to_string(slice_) +
                                         " s: raise --seconds, there are many arrangements to measure"};
    }
    passes.images_per_s.push_back(window.images / window.seconds);
    passes.cpu_ms.push_back(window.cpu_seconds * 1e3 / window.images);
    passes.counts.Add(window.counts);
    return Status::Ok();
  }

  const BenchDecodeOptions& options_;
  device::Platform& platform_;
  const int device_;
  const Photos& photos_;
  const double slice_;
};

GpuDecodeRow ToRow(const std::string& name, const Passes& passes, double cpu_rate) {
  GpuDecodeRow row;
  row.name = name;
  row.missing = passes.missing;
  if (passes.images_per_s.empty()) return row;
  row.images_per_s = Median(passes.images_per_s);
  row.times_cpu = cpu_rate > 0 ? row.images_per_s / cpu_rate : 1;
  row.cpu_ms = Median(passes.cpu_ms);
  row.least_psnr_db = passes.least_psnr_db;
  const device::JpegDecoderCounts& lanes = passes.counts.decoders;
  if (lanes.batches > 0) {
    const double batches = static_cast<double>(lanes.batches) * 1e3;
    row.batch = static_cast<double>(lanes.photos) * 1e3 / batches;
    row.submit_ms = static_cast<double>(lanes.submit_us) / batches;
    row.decode_ms = static_cast<double>(lanes.decode_us) / batches;
    row.resize_ms = static_cast<double>(lanes.resize_us) / batches;
  }
  const int64_t by_cpu = passes.counts.refused + passes.counts.left_to_cpu + passes.counts.other;
  if (by_cpu > 0) {
    row.on_cpu = static_cast<double>(by_cpu) / static_cast<double>(by_cpu + passes.counts.decoded);
  }
  row.allocations = lanes.allocations;
  return row;
}

}  // namespace

Result<BenchGpuDecode> RunBenchGpuDecode(const BenchDecodeOptions& options, device::Platform& platform,
                                         int device, const Photos& photos, double seconds) {
  BenchGpuDecode bench;
  Photos plain;
  std::copy_if(photos.begin(), photos.end(), std::back_inserter(plain), [&](const auto& photo) {
    return decode::IsForGpu({photo, &options.spec, options.decode, {}});
  });
  if (plain.empty()) {
    return Status(
        Code::kInvalidRequest,
        "a GPU would decode none of these photos: it takes plain JPEGs (baseline, one scan, no CMYK), with "
        "--color=ignore and a model that crops");
  }
  ASSIGN_OR_RETURN(const auto devices, platform.Devices());
  for (const device::DeviceInfo& info : devices) {
    if (info.index == device) bench.device = info.name;
  }
  bench.photos = static_cast<int>(plain.size());
  bench.left_out = static_cast<int>(photos.size() - plain.size());
  for (const auto& photo : plain) {
    const auto header = decode::ProbeHeader(photo);
    bench.kilobytes += static_cast<double>(photo.size()) / 1e3 / bench.photos;
    bench.megapixels += static_cast<double>(header->width) * header->height / 1e6 / bench.photos;
  }
  ASSIGN_OR_RETURN(const std::vector<Slot> expected, Expected(options, plain));
  const std::vector<Arrangement> all = Arrangements();
  bench.passes = kPasses;
  Bench runs(options, platform, device, plain, seconds / static_cast<double>(kPasses * (all.size() + 1)));
  Passes cpu;
  std::vector<Passes> gpu(all.size());
  bool any = false;
  for (int pass = 0; pass < kPasses; ++pass) {
    RETURN_IF_ERROR(runs.Cpu(cpu));
    for (size_t i = 0; i < all.size(); ++i) {
      std::string detail;
      if (gpu[i].missing.empty()) RETURN_IF_ERROR(runs.Gpu(all[i], expected, gpu[i], detail));
      any = any || gpu[i].missing.empty();
      if (!detail.empty() && std::find(bench.lanes.begin(), bench.lanes.end(), detail) == bench.lanes.end())
        bench.lanes.push_back(detail);
    }
    if (!any) return Status(Code::kUnavailable, gpu.front().missing);
  }
  bench.rows.push_back(ToRow(std::to_string(options.threads) + " CPU threads", cpu, 0));
  for (size_t i = 0; i < all.size(); ++i)
    bench.rows.push_back(ToRow(all[i].name, gpu[i], bench.rows.front().images_per_s));
  return bench;
}

}  // namespace photovec::bench
