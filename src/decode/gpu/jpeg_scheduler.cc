// SPDX-License-Identifier: MIT
#include "decode/gpu/jpeg_scheduler.h"

#include <algorithm>
#include <semaphore>
#include <span>
#include <utility>

#include "base/log.h"
#include "base/thread_pool.h"

namespace photovec::decode {
namespace {

using device::JpegDecoder;
using device::JpegDecoderOptions;
using device::JpegJob;

// nvJPEG decodes batches of more than 50 on the GPU alone; in smaller ones the CPU does the Huffman pass.
// Beside engines the CUDA decoder's batches have all this size, for which nvJPEG is set up once.
constexpr int kCudaJobs = 64;
// Pixels of a batch together, 3 bytes each: 32 photos of 2 megapixels, or one of 50; on large GPUs as many as
// a decoder takes.
constexpr int kMostPixels = 64'000'000;
constexpr int kUsualPixels = 2'100'000;  // of a photo of 2 megapixels, rows padded
constexpr uint64_t kLargeGpuBytes = uint64_t{32} << 30;

}  // namespace

struct GpuJpegScheduler::Waiting {
  JpegJob* job = nullptr;  // null: it waits for a CPU
  bool cpu_turn = false;
  std::binary_semaphore done{0};
  int64_t pixels() const { return int64_t{job->width} * job->height; }
};

GpuJpegScheduler::GpuJpegScheduler(std::vector<Worker> workers, CpuShare cpus)
    : workers_(std::move(workers)), cpus_(cpus), free_turns_(cpus.turns), decoder_counts_(workers_.size()) {
  for (size_t i = 0; i < workers_.size(); ++i) {
    decoder_counts_[i] = workers_[i].decoder->counts();
    if (workers_[i].least == 1) {
      ++impatient_workers_;
    } else {
      least_patience_ = std::min(least_patience_, workers_[i].least);
    }
  }
  for (size_t i = 0; i < workers_.size(); ++i)
    threads_.emplace_back([this, i] { Run(workers_[i], decoder_counts_[i]); });
}

GpuJpegScheduler::~GpuJpegScheduler() {
  {
    const std::scoped_lock lock(mutex_);
    stopped_ = true;
    ready_.notify_all();
  }
  for (std::thread& thread : threads_) thread.join();
}

void GpuJpegScheduler::Decode(JpegJob& job, CpuTurn& turn) {
  Waiting waiting;
  waiting.job = &job;
  bool tell = false;
  {
    const std::scoped_lock lock(mutex_);
    if (given_up_ == workers_.size()) {
      ++counts_.refused;
      job.status = {Code::kDeviceFailed, "the GPU's JPEG decoders hang"};
      return;
    }
    queue_.push_back(&waiting);
    ServeCpus();
    tell = IdleWorkers() > 0 || queue_.size() >= least_patience_;
  }
  if (tell) ready_.notify_all();  // a decoder that waits for many must not be the only one to hear of one
  waiting.done.acquire();
  if (waiting.cpu_turn) turn = Turn();
}

CpuTurn GpuJpegScheduler::AwaitCpu(bool refused) {
  Waiting waiting;
  {
    const std::scoped_lock lock(mutex_);
    if (!refused) ++counts_.other;
    cpu_queue_.push_back(&waiting);
    ServeCpus();
  }
  waiting.done.acquire();
  return Turn();
}

// Workers that would take a single photo now. Locked, as all that follow but for Run().
int GpuJpegScheduler::IdleWorkers() const {
  return waiting_impatient_ + (impatient_workers_ == 0 ? waiting_patient_ : 0);
}

// Gives CPUs that are free to those that may have one.
void GpuJpegScheduler::ServeCpus() {
  while (free_turns_ > 0) {
    std::deque<Waiting*>* from = nullptr;
    if (!cpu_queue_.empty()) {
      from = &cpu_queue_;
    } else if (cpus_.plain && IdleWorkers() == 0 && !queue_.empty()) {
      from = &queue_;
    } else {
      return;
    }
    --free_turns_;
    Waiting& next = *from->front();
    from->pop_front();
    next.cpu_turn = true;
    if (next.job != nullptr) {
      ++counts_.left_to_cpu;
      next.job->status = {Code::kNotImplemented, "a CPU was free first"};
    }
    next.done.release();  // the caller's frame may be gone from here on
  }
}

CpuTurn GpuJpegScheduler::Turn() {
  return {this, [](void* self) { static_cast<GpuJpegScheduler*>(self)->EndTurn(); }};
}

void GpuJpegScheduler::EndTurn() {
  const std::scoped_lock lock(mutex_);
  ++free_turns_;
  ServeCpus();
}

// How many of the photos that wait longest the decoder would take. Without a decoder that takes a single one
// all do.
size_t GpuJpegScheduler::Takes(const Worker& worker) const {
  size_t count = 0;
  int64_t pixels = 0;
  while (count < std::min(queue_.size(), worker.most)) {
    pixels += queue_[count]->pixels();
    if (count > 0 && pixels > worker.most_pixels) break;
    ++count;
  }
  return count >= (impatient_workers_ > 0 ? worker.least : 1) ? count : 0;
}

// Waits for photos. 0: there will be no more.
size_t GpuJpegScheduler::Take(const Worker& worker, std::vector<Waiting*>& taken) {
  std::unique_lock lock(mutex_);
  int& waiting = worker.least == 1 ? waiting_impatient_ : waiting_patient_;
  ++waiting;
  size_t count = 0;
  ready_.wait(lock, [&] {
    count = Takes(worker);
    return stopped_ || count > 0;
  });
  --waiting;
  if (stopped_) return 0;
  taken.assign(queue_.begin(), queue_.begin() + static_cast<std::ptrdiff_t>(count));
  queue_.erase(queue_.begin(), queue_.begin() + static_cast<std::ptrdiff_t>(count));
  ServeCpus();  // what is left, when no decoder is idle any more
  return count;
}

void GpuJpegScheduler::Run(const Worker& worker, device::JpegDecoderCounts& counts) {
  JpegDecoder& decoder = *worker.decoder;
  SetThreadName("jpeg-decoder");
  std::vector<Waiting*> taken;
  std::vector<JpegJob*> jobs;
  while (!GivesUp(worker) && Take(worker, taken) > 0) {
    jobs.clear();
    for (Waiting* waiting : taken) jobs.push_back(waiting->job);
    const size_t done = decoder.Run(jobs);
    const std::scoped_lock lock(mutex_);
    counts = decoder.counts();
    Finish(taken, done);
  }
}

// Answers those that are done. What the decoder had no room for waits again, before all others.
void GpuJpegScheduler::Finish(std::span<Waiting* const> taken, size_t done) {
  for (Waiting* waiting : taken.first(done)) {
    ++(waiting->job->status.ok() ? counts_.decoded : counts_.refused);
    waiting->done.release();  // the caller's frame may be gone from here on
  }
  if (done == taken.size()) return;
  queue_.insert(queue_.begin(), taken.begin() + static_cast<std::ptrdiff_t>(done), taken.end());
  ServeCpus();
  ready_.notify_all();
}

// A decoder that hangs leaves photos to the others. After the last one nobody waits for the GPU any more.
bool GpuJpegScheduler::GivesUp(const Worker& worker) {
  if (worker.decoder->usable()) return false;
  const std::scoped_lock lock(mutex_);
  ++given_up_;
  if (worker.least == 1) --impatient_workers_;
  log::error("a JPEG decoder of the GPU hangs ({}): it is given up, {} left", worker.decoder->detail(),
             workers_.size() - given_up_);
  if (given_up_ == workers_.size()) {
    const std::vector<Waiting*> all(queue_.begin(), queue_.end());
    queue_.clear();
    for (Waiting* waiting : all) waiting->job->status = {Code::kDeviceFailed, "the GPU's JPEG decoders hang"};
    Finish(all, all.size());
  }
  ready_.notify_all();
  return true;
}

bool GpuJpegScheduler::hangs() const {
  return std::any_of(workers_.begin(), workers_.end(),
                     [](const Worker& worker) { return !worker.decoder->usable(); });
}

GpuJpegScheduler::Counts GpuJpegScheduler::counts() const {
  const std::scoped_lock lock(mutex_);
  Counts counts = counts_;
  for (const device::JpegDecoderCounts& one : decoder_counts_) counts.decoders.Add(one);
  return counts;
}

void GpuJpegScheduler::Counts::Add(const Counts& more, int64_t times) {
  decoded += times * more.decoded;
  refused += times * more.refused;
  left_to_cpu += times * more.left_to_cpu;
  other += times * more.other;
  decoders.Add(more.decoders, times);
}

size_t GpuJpegScheduler::waiting() const {
  const std::scoped_lock lock(mutex_);
  return queue_.size() + cpu_queue_.size();
}

int GpuJpegScheduler::idle_workers() const {
  const std::scoped_lock lock(mutex_);
  return IdleWorkers();
}

GpuJpegOptions ToGpuJpegOptions(GpuJpegParts parts) {
  GpuJpegOptions options;
  if (parts == GpuJpegParts::kEngines) options.cuda_decoders = 0;
  if (parts == GpuJpegParts::kCuda) options.engine_decoders = 0;
  return options;
}

namespace {

// Adds the decoders of one device. Returns what there is; the last reason why there is not more is in `why`.
std::string AddWorkers(device::Platform& platform, const device::DeviceInfo& info,
                       const GpuJpegOptions& wanted, std::vector<GpuJpegScheduler::Worker>& workers,
                       Status& why) {
  const bool large = info.memory_bytes >= kLargeGpuBytes;
  bool engines = false;
  std::string detail;
  for (const bool hardware : {true, false}) {
    for (int i = 0; i < (hardware ? wanted.engine_decoders : wanted.cuda_decoders); ++i) {
      JpegDecoderOptions options;
      options.hardware = hardware;
      options.interpolate_chroma = wanted.interpolate_chroma;
      options.most_jobs = hardware ? wanted.engine_jobs : kCudaJobs;
      // Beside engines small batches are of no use to the CUDA decoder.
      const bool whole = large || (!hardware && engines);
      options.most_pixels = whole ? options.most_jobs * kUsualPixels : kMostPixels;
      auto decoder = platform.CreateJpegDecoder(info.index, options);
      if (!decoder.ok()) {
        why = decoder.status();
        break;
      }
      engines = engines || hardware;
      if (i == 0) detail += (detail.empty() ? "" : " and ") + (*decoder)->detail();
      const size_t least = !hardware && engines ? kCudaJobs : 1;
      workers.push_back(
          {std::move(*decoder), least, static_cast<size_t>(options.most_jobs), options.most_pixels});
    }
  }
  return detail;
}

}  // namespace

Result<std::unique_ptr<GpuJpegScheduler>> StartGpuJpegScheduler(device::Platform& platform,
                                                                const std::vector<int>& devices,
                                                                const GpuJpegOptions& wanted, CpuShare cpus,
                                                                std::string& detail) {
  ASSIGN_OR_RETURN(const auto infos, platform.Devices());
  std::vector<GpuJpegScheduler::Worker> workers;
  Status why;
  for (const device::DeviceInfo& info : infos) {
    if (std::find(devices.begin(), devices.end(), info.index) == devices.end()) continue;
    const std::string here = AddWorkers(platform, info, wanted, workers, why);
    if (detail.find(here) == std::string::npos) detail += (detail.empty() ? "" : "; ") + here;
  }
  if (workers.empty()) return why;
  if (!why.ok()) log::info("{}", why.message());
  if (devices.size() > 1) detail += ", on " + std::to_string(devices.size()) + " GPUs";
  return std::make_unique<GpuJpegScheduler>(std::move(workers), cpus);
}

}  // namespace photovec::decode
