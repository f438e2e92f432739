// SPDX-License-Identifier: MIT
#include "commands/gpu_jpeg.h"

#include <algorithm>
#include <optional>
#include <semaphore>
#include <span>
#include <utility>

#include "base/log.h"
#include "base/thread_pool.h"

namespace photovec::commands {
namespace {

using encode::cuda::JpegLane;
using encode::cuda::JpegLaneOptions;
using encode::cuda::JpegTask;
using encode::cuda::ResizeTap;

// nvJPEG decodes batches of more than 50 on the GPU alone; in smaller ones the CPU does the Huffman pass.
// Beside engines the CUDA decoder's batches have all this size, for which nvJPEG is set up once.
constexpr int kCudaTasks = 64;
// Pixels of a batch together, 3 bytes each: 32 photos of 2 megapixels, or one of 50; on large GPUs as many as
// a lane takes.
constexpr int kMostPixels = 64'000'000;
constexpr int kUsualPixels = 2'000'000;
constexpr uint64_t kLargeGpuBytes = uint64_t{32} << 30;

std::vector<ResizeTap> CopyTaps(const preprocess::TapTable& table) {
  std::vector<ResizeTap> taps;
  taps.reserve(table.taps.size());
  for (const preprocess::Tap& tap : table.taps) {
    taps.push_back({tap.out, tap.first_pair, tap.pairs, static_cast<uint32_t>(tap.coefs)});
  }
  return taps;
}

encode::cuda::ResizeAxis ToAxis(const preprocess::TapTable& table, const std::vector<ResizeTap>& taps,
                                int pad) {
  return {taps, table.coefs, table.first_in, table.end_in, pad};
}

}  // namespace

GpuJpegTask::GpuJpegTask(const decode::GpuJpegJob& job) : x_(CopyTaps(*job.x)), y_(CopyTaps(*job.y)) {
  task.encoded = job.encoded;
  task.width = job.width;
  task.height = job.height;
  task.transposed = job.plan->transposed;
  task.x = ToAxis(*job.x, x_, job.plan->x.pad);
  task.y = ToAxis(*job.y, y_, job.plan->y.pad);
  task.crop = job.crop;
  task.out = job.out;
}

struct GpuJpegLanes::Waiting {
  std::optional<GpuJpegTask> made;  // none: it waits for a CPU
  bool cpu_turn = false;
  std::binary_semaphore done{0};
};

GpuJpegLanes::GpuJpegLanes(std::vector<Lane> lanes, CpuShare cpus)
    : lanes_(std::move(lanes)), cpus_(cpus), free_turns_(cpus.turns), lane_counts_(lanes_.size()) {
  for (size_t i = 0; i < lanes_.size(); ++i) {
    lane_counts_[i] = lanes_[i].lane->counts();
    impatient_lanes_ += lanes_[i].least == 1 ? 1 : 0;
  }
  for (size_t i = 0; i < lanes_.size(); ++i)
    threads_.emplace_back([this, i] { Run(lanes_[i], lane_counts_[i]); });
}

GpuJpegLanes::~GpuJpegLanes() {
  {
    const std::scoped_lock lock(mutex_);
    stopped_ = true;
    ready_.notify_all();
  }
  for (std::thread& thread : threads_) thread.join();
}

Status GpuJpegLanes::Decode(const decode::GpuJpegJob& job, decode::CpuTurn& turn) {
  Waiting waiting;
  waiting.made.emplace(job);
  {
    const std::scoped_lock lock(mutex_);
    queue_.push_back(&waiting);
    ServeCpus();
  }
  ready_.notify_all();  // a lane that waits for many must not be the only one to hear of one
  waiting.done.acquire();
  if (waiting.cpu_turn) turn = Turn();
  return std::move(waiting.made->task.status);
}

decode::CpuTurn GpuJpegLanes::AwaitCpu() {
  Waiting waiting;
  {
    const std::scoped_lock lock(mutex_);
    ++counts_.other;
    cpu_queue_.push_back(&waiting);
    ServeCpus();
  }
  waiting.done.acquire();
  return Turn();
}

// Gives CPUs that are free to those that may have one. Locked.
void GpuJpegLanes::ServeCpus() {
  while (free_turns_ > 0) {
    std::deque<Waiting*>* from = nullptr;
    if (!cpu_queue_.empty()) {
      from = &cpu_queue_;
    } else if (cpus_.plain && idle_lanes_ == 0 && !queue_.empty()) {
      from = &queue_;
    } else {
      return;
    }
    --free_turns_;
    Waiting& next = *from->front();
    from->pop_front();
    next.cpu_turn = true;
    if (next.made.has_value()) {
      ++counts_.left_to_cpu;
      next.made->task.status = {Code::kNotImplemented, "a CPU was free first"};
    }
    next.done.release();  // the caller's frame may be gone from here on
  }
}

decode::CpuTurn GpuJpegLanes::Turn() {
  return {this, [](void* lanes) { static_cast<GpuJpegLanes*>(lanes)->EndTurn(); }};
}

void GpuJpegLanes::EndTurn() {
  const std::scoped_lock lock(mutex_);
  ++free_turns_;
  ServeCpus();
}

// Without a lane that takes a single photo all do.
size_t GpuJpegLanes::LeastFor(const Lane& lane) const { return impatient_lanes_ > 0 ? lane.least : 1; }

// Waits for photos. 0: there will be no more.
size_t GpuJpegLanes::Take(const Lane& lane, std::vector<Waiting*>& taken) {
  taken.clear();
  std::unique_lock lock(mutex_);
  const int idle = LeastFor(lane) == 1 ? 1 : 0;
  idle_lanes_ += idle;
  ready_.wait(lock, [&] { return stopped_ || queue_.size() >= LeastFor(lane); });
  idle_lanes_ -= idle;
  if (stopped_) return 0;
  while (!queue_.empty() && taken.size() < lane.most) {
    taken.push_back(queue_.front());
    queue_.pop_front();
  }
  ServeCpus();  // what is left, when no lane is idle any more
  return taken.size();
}

void GpuJpegLanes::Run(const Lane& mine, encode::cuda::JpegLaneCounts& counts) {
  JpegLane& lane = *mine.lane;
  SetThreadName("jpeg-lane");
  std::vector<Waiting*> taken;
  std::vector<JpegTask*> tasks;
  while (!GivesUp(mine) && Take(mine, taken) > 0) {
    tasks.clear();
    for (Waiting* waiting : taken) tasks.push_back(&waiting->made->task);
    for (size_t first = 0; first < tasks.size();) {
      const size_t count = lane.Run(std::span(tasks).subspan(first));
      const std::scoped_lock lock(mutex_);
      counts = lane.counts();
      for (size_t i = first; i < first + count; ++i) {
        ++(tasks[i]->status.ok() ? counts_.decoded : counts_.refused);
        taken[i]->done.release();  // the caller's frame may be gone from here on
      }
      first += count;
    }
  }
}

// A lane that hangs leaves photos to the others; the last one has to go on, to say of each that it is the
// CPU's.
bool GpuJpegLanes::GivesUp(const Lane& lane) {
  if (lane.lane->usable()) return false;
  const std::scoped_lock lock(mutex_);
  if (given_up_ + 1 == lanes_.size()) return false;
  ++given_up_;
  if (lane.least == 1 && --impatient_lanes_ == 0) ready_.notify_all();
  log::error("a JPEG decoder of the GPU hangs ({}): it is given up, {} left", lane.lane->detail(),
             lanes_.size() - given_up_);
  return true;
}

bool GpuJpegLanes::hangs() const {
  return std::any_of(lanes_.begin(), lanes_.end(), [](const Lane& lane) { return !lane.lane->usable(); });
}

GpuJpegLanes::Counts GpuJpegLanes::counts() const {
  const std::scoped_lock lock(mutex_);
  Counts counts = counts_;
  for (const encode::cuda::JpegLaneCounts& lane : lane_counts_) counts.lanes.Add(lane);
  return counts;
}

void GpuJpegLanes::Counts::Add(const Counts& more, int64_t times) {
  decoded += times * more.decoded;
  refused += times * more.refused;
  left_to_cpu += times * more.left_to_cpu;
  other += times * more.other;
  lanes.Add(more.lanes, times);
}

size_t GpuJpegLanes::waiting() const {
  const std::scoped_lock lock(mutex_);
  return queue_.size() + cpu_queue_.size();
}

int GpuJpegLanes::idle_lanes() const {
  const std::scoped_lock lock(mutex_);
  return idle_lanes_;
}

JpegLanePlan ToJpegLanePlan(const std::string& choice) {
  JpegLanePlan plan;
  if (choice == "engines") plan.cuda_lanes = 0;
  if (choice == "cuda") plan.engine_lanes = 0;
  return plan;
}

namespace {

// Adds the lanes of one device. Returns what there is; the last reason why there is not more is in `why`.
std::string AddLanes(encode::cuda::Platform& platform, const encode::cuda::DeviceInfo& info,
                     const JpegLanePlan& plan, std::vector<GpuJpegLanes::Lane>& lanes, Status& why) {
  const bool large = info.memory_bytes >= kLargeGpuBytes;
  bool engines = false;
  std::string detail;
  for (const bool hardware : {true, false}) {
    for (int i = 0; i < (hardware ? plan.engine_lanes : plan.cuda_lanes); ++i) {
      JpegLaneOptions options;
      options.hardware = hardware;
      options.interpolate_chroma = plan.interpolate_chroma;
      options.most_tasks = hardware ? plan.engine_tasks : kCudaTasks;
      options.most_pixels = large ? options.most_tasks * kUsualPixels : kMostPixels;
      auto lane = platform.CreateJpegLane(info.index, options);
      if (!lane.ok()) {
        why = lane.status();
        break;
      }
      engines = engines || hardware;
      if (i == 0) detail += (detail.empty() ? "" : " and ") + (*lane)->detail();
      const size_t least = !hardware && engines ? kCudaTasks : 1;
      lanes.push_back({std::move(*lane), least, static_cast<size_t>(options.most_tasks)});
    }
  }
  return detail;
}

}  // namespace

Result<std::unique_ptr<GpuJpegLanes>> StartGpuJpegLanes(encode::cuda::Platform& platform,
                                                        const std::vector<int>& devices,
                                                        const JpegLanePlan& plan, CpuShare cpus,
                                                        std::string& detail) {
  ASSIGN_OR_RETURN(const auto infos, platform.Devices());
  std::vector<GpuJpegLanes::Lane> lanes;
  Status why;
  for (const encode::cuda::DeviceInfo& info : infos) {
    if (std::find(devices.begin(), devices.end(), info.index) == devices.end()) continue;
    const std::string here = AddLanes(platform, info, plan, lanes, why);
    if (detail.find(here) == std::string::npos) detail += (detail.empty() ? "" : "; ") + here;
  }
  if (lanes.empty()) return why;
  if (!why.ok()) log::info("{}", why.message());
  if (devices.size() > 1) detail += ", on " + std::to_string(devices.size()) + " GPUs";
  return std::make_unique<GpuJpegLanes>(std::move(lanes), cpus);
}

}  // namespace photovec::commands
