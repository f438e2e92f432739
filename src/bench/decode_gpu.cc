// SPDX-License-Identifier: MIT
#include "bench/decode_gpu.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <iterator>
#include <memory>
#include <string_view>
#include <utility>

#include "bench/photo_worker.h"
#include "bench/runner.h"
#include "decode/gpu/jpeg_scheduler.h"
#include "decode/header_probe.h"

namespace photovec::bench {
namespace {

using Slot = std::vector<uint8_t>;

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

// Decodes what is left of the photos, each once: one unit is all that this thread gets.
class OnceWorker final : public Worker {
 public:
  using Done = std::function<void(size_t photo, const Slot&)>;
  OnceWorker(PhotoTurns& turns, std::unique_ptr<decode::Decoder> decoder, Done done)
      : turns_(turns),
        worker_(turns, std::move(decoder), PhotoWorker::OnFailure::kStop),
        done_(std::move(done)) {}
  Result<double> Work() override {
    double images = 0;
    for (size_t photo = turns_.next.fetch_add(1); photo < turns_.photos.size();
         photo = turns_.next.fetch_add(1)) {
      RETURN_IF_ERROR(worker_.Decode(turns_.photos[photo]).status());
      done_(photo, worker_.slot());
      ++images;
    }
    return images;
  }

 private:
  PhotoTurns& turns_;
  PhotoWorker worker_;
  const Done done_;
};

// One arrangement and what its turns counted. The GPU's lanes are started anew for each turn, since the other
// arrangements need the GPU, too.
class Arranged {
 public:
  Arranged(const BenchDecodeOptions& options, const Photos& photos, double slice)
      : options_(options), turns_{photos, options.spec, options.decode}, slice_(slice) {}

  // The CPU alone.
  Contestant Cpu() {
    return Watched(PhotoContestant(std::to_string(options_.threads) + " CPU threads", options_.threads,
                                   turns_, decode::MakeInProcessDecoder, PhotoWorker::OnFailure::kStop));
  }

  Contestant Gpu(device::Platform& platform, int device, const Arrangement& what,
                 const std::vector<Slot>& expected, std::vector<std::string>& details) {
    const int threads = decode::kGpuDecodeThreads + (what.cpus_too ? options_.threads : 0);
    Contestant one = Watched(PhotoContestant(
        what.name, threads, turns_, [this] { return MakeDecoder(); }, PhotoWorker::OnFailure::kStop));
    one.may_be_missing = true;
    one.prepare = [this, &platform, device, &what, &details] {
      return Start(platform, device, what, details);
    };
    one.verify = [this, &what, &expected, threads] { return Compare(what, threads, expected); };
    one.warm_up = [this, threads] { return WarmUp(threads); };
    one.release = [this] { lanes_.reset(); };
    one.window->at_border = [this](bool opens) {
      const decode::GpuJpegScheduler::Counts now = lanes_->counts();
      if (opens) {
        opened_ = now;
      } else {
        closed_ = now;
      }
    };
    return one;
  }

  // Of all timed slices so far; to be called after each turn.
  void AddCounts() {
    counts_.Add(closed_);
    counts_.Add(opened_, -1);
    opened_ = closed_ = {};
  }
  const decode::GpuJpegScheduler::Counts& counts() const { return counts_; }
  double least_psnr_db() const { return least_psnr_db_; }

 private:
  std::unique_ptr<decode::Decoder> MakeDecoder() {
    return decode::MakeGpuDecoder(*lanes_, decode::MakeInProcessDecoder());
  }

  // All threads take a while until they are at it; at least as many photos count as there are photos and
  // threads.
  Contestant Watched(Contestant one) const {
    one.seconds = slice_;
    one.window = std::make_unique<Window>();
    one.window->settle_seconds = slice_ / 4;
    one.window->least_amount =
        std::max(static_cast<double>(turns_.photos.size()), static_cast<double>(one.threads));
    return one;
  }

  Status Start(device::Platform& platform, int device, const Arrangement& what,
               std::vector<std::string>& details) {
    std::string detail;
    const decode::CpuShare cpus{options_.threads, what.cpus_too};
    auto lanes = decode::StartGpuJpegScheduler(platform, {device}, what.plan, cpus, detail);
    if (!detail.empty() && std::find(details.begin(), details.end(), detail) == details.end()) {
      details.push_back(detail);
    }
    if (!lanes.ok()) return {Code::kUnavailable, lanes.status().message()};
    lanes_ = std::move(*lanes);
    return Status::Ok();
  }

  // Each photo once; the pixels are compared where all must be the GPU's.
  Status Compare(const Arrangement& what, int threads, const std::vector<Slot>& expected) {
    std::vector<double> psnr(turns_.photos.size(), 99);
    PhotoTurns once{turns_.photos, options_.spec, options_.decode};
    Contestant all = PhotoContestant(what.name, threads, once, {}, PhotoWorker::OnFailure::kStop);
    all.start = [&](int /*thread*/) -> Result<std::unique_ptr<Worker>> {
      return std::unique_ptr<Worker>(std::make_unique<OnceWorker>(
          once, MakeDecoder(),
          [&](size_t photo, const Slot& slot) { psnr[photo] = Psnr(slot, expected[photo]); }));
    };
    RETURN_IF_ERROR(RunSlice(all, 0).status());
    if (what.cpus_too) return Status::Ok();
    least_psnr_db_ = *std::min_element(psnr.begin(), psnr.end());
    if (least_psnr_db_ >= kLeastPsnrDb) return Status::Ok();
    return {Code::kUnavailable,
            "its pixels are not the CPU's (" + std::to_string(static_cast<int>(least_psnr_db_)) + " dB)"};
  }

  // Until nvJPEG asks the driver for nothing any more.
  Status WarmUp(int threads) {
    const Contestant all = PhotoContestant(
        "warm-up", threads, turns_, [this] { return MakeDecoder(); }, PhotoWorker::OnFailure::kStop);
    int64_t allocations = -1;
    for (int i = 0; i < kMostWarmUps && allocations != lanes_->counts().decoders.allocations; ++i) {
      allocations = lanes_->counts().decoders.allocations;
      RETURN_IF_ERROR(RunSlice(all, slice_ / 4).status());
    }
    return Status::Ok();
  }

  const BenchDecodeOptions& options_;
  PhotoTurns turns_;
  const double slice_;
  std::unique_ptr<decode::GpuJpegScheduler> lanes_;
  decode::GpuJpegScheduler::Counts opened_, closed_, counts_;
  double least_psnr_db_ = 0;
};

GpuDecodeRow ToRow(const std::string& name, const Series& series, const Arranged& contestant,
                   double cpu_rate) {
  GpuDecodeRow row;
  row.name = name;
  row.missing = series.missing;
  if (series.slices.empty()) return row;
  row.images_per_s = series.rate();
  row.times_cpu = cpu_rate > 0 ? row.images_per_s / cpu_rate : 1;
  row.cpu_ms = series.cpu_ms();
  row.least_psnr_db = contestant.least_psnr_db();
  const decode::GpuJpegScheduler::Counts& counts = contestant.counts();
  const device::JpegDecoderCounts& lanes = counts.decoders;
  if (lanes.batches > 0) {
    const double batches = static_cast<double>(lanes.batches) * 1e3;
    row.batch = static_cast<double>(lanes.photos) * 1e3 / batches;
    row.submit_ms = static_cast<double>(lanes.submit_us) / batches;
    row.decode_ms = static_cast<double>(lanes.decode_us) / batches;
    row.resize_ms = static_cast<double>(lanes.resize_us) / batches;
  }
  const int64_t by_cpu = counts.refused + counts.left_to_cpu + counts.other;
  if (by_cpu > 0) {
    row.on_cpu = static_cast<double>(by_cpu) / static_cast<double>(by_cpu + counts.decoded);
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
  const double slice = seconds / static_cast<double>(kPasses * (all.size() + 1));
  std::vector<std::unique_ptr<Arranged>> owners;
  std::vector<Contestant> contestants;
  owners.push_back(std::make_unique<Arranged>(options, plain, slice));
  contestants.push_back(owners.front()->Cpu());
  for (const Arrangement& what : all) {
    owners.push_back(std::make_unique<Arranged>(options, plain, slice));
    contestants.push_back(owners.back()->Gpu(platform, device, what, expected, bench.lanes));
  }
  RoundOptions rounds;
  rounds.rounds = kPasses;
  rounds.after_round = [&](int /*round*/, const std::vector<Series>& /*series*/) {
    for (const auto& owner : owners) owner->AddCounts();
  };
  ASSIGN_OR_RETURN(const std::vector<Series> series, TakeTurns(contestants, rounds));
  if (std::none_of(series.begin() + 1, series.end(), [](const Series& one) { return one.missing.empty(); })) {
    return Status(Code::kUnavailable, series[1].missing);
  }
  for (size_t i = 0; i < series.size(); ++i) {
    const double cpu_rate = i == 0 ? 0 : bench.rows.front().images_per_s;
    bench.rows.push_back(ToRow(contestants[i].name, series[i], *owners[i], cpu_rate));
  }
  return bench;
}

}  // namespace photovec::bench
