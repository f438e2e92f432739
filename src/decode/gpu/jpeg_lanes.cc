// SPDX-License-Identifier: MIT
#include "decode/gpu/jpeg_lanes.h"

#include <algorithm>
#include <optional>
#include <semaphore>
#include <span>
#include <utility>

#include "base/log.h"
#include "base/thread_pool.h"

namespace photovec::decode {
namespace {

using device::JpegLane;
using device::JpegLaneOptions;
using device::JpegTask;
using device::ResizeTap;

// nvJPEG decodes batches of more than 50 on the GPU alone; in smaller ones the CPU does the Huffman pass.
// Beside engines the CUDA decoder's batches have all this size, for which nvJPEG is set up once.
constexpr int kCudaTasks = 64;
// Pixels of a batch together, 3 bytes each: 32 photos of 2 megapixels, or one of 50; on large GPUs as many as
// a lane takes.
constexpr int kMostPixels = 64'000'000;
constexpr int kUsualPixels = 2'100'000;  // of a photo of 2 megapixels, rows padded
constexpr uint64_t kLargeGpuBytes = uint64_t{32} << 30;

std::vector<ResizeTap> CopyTaps(const preprocess::TapTable& table) {
  std::vector<ResizeTap> taps;
  taps.reserve(table.taps.size());
  for (const preprocess::Tap& tap : table.taps) {
    taps.push_back({tap.out, tap.first_pair, tap.pairs, static_cast<uint32_t>(tap.coefs)});
  }
  return taps;
}

device::ResizeAxis ToAxis(const preprocess::TapTable& table, const std::vector<ResizeTap>& taps, int pad) {
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
  int64_t pixels() const { return int64_t{made->task.width} * made->task.height; }
};

GpuJpegLanes::GpuJpegLanes(std::vector<Lane> lanes, CpuShare cpus)
    : lanes_(std::move(lanes)), cpus_(cpus), free_turns_(cpus.turns), lane_counts_(lanes_.size()) {
  for (size_t i = 0; i < lanes_.size(); ++i) {
    lane_counts_[i] = lanes_[i].lane->counts();
    if (lanes_[i].least == 1) {
      ++impatient_lanes_;
    } else {
      least_patience_ = std::min(least_patience_, lanes_[i].least);
    }
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
  bool tell = false;
  {
    const std::scoped_lock lock(mutex_);
    if (given_up_ == lanes_.size()) {
      ++counts_.refused;
      return {Code::kDeviceFailed, "the GPU's JPEG decoders hang"};
    }
    queue_.push_back(&waiting);
    ServeCpus();
    tell = IdleLanes() > 0 || queue_.size() >= least_patience_;
  }
  if (tell) ready_.notify_all();  // a lane that waits for many must not be the only one to hear of one
  waiting.done.acquire();
  if (waiting.cpu_turn) turn = Turn();
  return std::move(waiting.made->task.status);
}

decode::CpuTurn GpuJpegLanes::AwaitCpu(bool refused) {
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

// Lanes that would take a single photo now. Locked, as all that follow but for Run().
int GpuJpegLanes::IdleLanes() const {
  return waiting_impatient_ + (impatient_lanes_ == 0 ? waiting_patient_ : 0);
}

// Gives CPUs that are free to those that may have one.
void GpuJpegLanes::ServeCpus() {
  while (free_turns_ > 0) {
    std::deque<Waiting*>* from = nullptr;
    if (!cpu_queue_.empty()) {
      from = &cpu_queue_;
    } else if (cpus_.plain && IdleLanes() == 0 && !queue_.empty()) {
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

// How many of the photos that wait longest the lane would take. Without a lane that takes a single one all
// do.
size_t GpuJpegLanes::Takes(const Lane& lane) const {
  size_t count = 0;
  int64_t pixels = 0;
  while (count < std::min(queue_.size(), lane.most)) {
    pixels += queue_[count]->pixels();
    if (count > 0 && pixels > lane.most_pixels) break;
    ++count;
  }
  return count >= (impatient_lanes_ > 0 ? lane.least : 1) ? count : 0;
}

// Waits for photos. 0: there will be no more.
size_t GpuJpegLanes::Take(const Lane& lane, std::vector<Waiting*>& taken) {
  std::unique_lock lock(mutex_);
  int& waiting = lane.least == 1 ? waiting_impatient_ : waiting_patient_;
  ++waiting;
  size_t count = 0;
  ready_.wait(lock, [&] {
    count = Takes(lane);
    return stopped_ || count > 0;
  });
  --waiting;
  if (stopped_) return 0;
  taken.assign(queue_.begin(), queue_.begin() + static_cast<std::ptrdiff_t>(count));
  queue_.erase(queue_.begin(), queue_.begin() + static_cast<std::ptrdiff_t>(count));
  ServeCpus();  // what is left, when no lane is idle any more
  return count;
}

void GpuJpegLanes::Run(const Lane& mine, device::JpegLaneCounts& counts) {
  JpegLane& lane = *mine.lane;
  SetThreadName("jpeg-lane");
  std::vector<Waiting*> taken;
  std::vector<JpegTask*> tasks;
  while (!GivesUp(mine) && Take(mine, taken) > 0) {
    tasks.clear();
    for (Waiting* waiting : taken) tasks.push_back(&waiting->made->task);
    const size_t done = lane.Run(tasks);
    const std::scoped_lock lock(mutex_);
    counts = lane.counts();
    Finish(taken, done);
  }
}

// Answers those that are done. What the lane had no room for waits again, before all others.
void GpuJpegLanes::Finish(std::span<Waiting* const> taken, size_t done) {
  for (Waiting* waiting : taken.first(done)) {
    ++(waiting->made->task.status.ok() ? counts_.decoded : counts_.refused);
    waiting->done.release();  // the caller's frame may be gone from here on
  }
  if (done == taken.size()) return;
  queue_.insert(queue_.begin(), taken.begin() + static_cast<std::ptrdiff_t>(done), taken.end());
  ServeCpus();
  ready_.notify_all();
}

// A lane that hangs leaves photos to the others. After the last one nobody waits for the GPU any more.
bool GpuJpegLanes::GivesUp(const Lane& lane) {
  if (lane.lane->usable()) return false;
  const std::scoped_lock lock(mutex_);
  ++given_up_;
  if (lane.least == 1) --impatient_lanes_;
  log::error("a JPEG decoder of the GPU hangs ({}): it is given up, {} left", lane.lane->detail(),
             lanes_.size() - given_up_);
  if (given_up_ == lanes_.size()) {
    const std::vector<Waiting*> all(queue_.begin(), queue_.end());
    queue_.clear();
    for (Waiting* waiting : all)
      waiting->made->task.status = {Code::kDeviceFailed, "the GPU's JPEG decoders hang"};
    Finish(all, all.size());
  }
  ready_.notify_all();
  return true;
}

bool GpuJpegLanes::hangs() const {
  return std::any_of(lanes_.begin(), lanes_.end(), [](const Lane& lane) { return !lane.lane->usable(); });
}

GpuJpegLanes::Counts GpuJpegLanes::counts() const {
  const std::scoped_lock lock(mutex_);
  Counts counts = counts_;
  for (const device::JpegLaneCounts& lane : lane_counts_) counts.lanes.Add(lane);
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
  return IdleLanes();
}

JpegLanePlan ToJpegLanePlan(GpuJpegParts parts) {
  JpegLanePlan plan;
  if (parts == GpuJpegParts::kEngines) plan.cuda_lanes = 0;
  if (parts == GpuJpegParts::kCuda) plan.engine_lanes = 0;
  return plan;
}

namespace {

// Adds the lanes of one device. Returns what there is; the last reason why there is not more is in `why`.
std::string AddLanes(device::Platform& platform, const device::DeviceInfo& info, const JpegLanePlan& plan,
                     std::vector<GpuJpegLanes::Lane>& lanes, Status& why) {
  const bool large = info.memory_bytes >= kLargeGpuBytes;
  bool engines = false;
  std::string detail;
  for (const bool hardware : {true, false}) {
    for (int i = 0; i < (hardware ? plan.engine_lanes : plan.cuda_lanes); ++i) {
      JpegLaneOptions options;
      options.hardware = hardware;
      options.interpolate_chroma = plan.interpolate_chroma;
      options.most_tasks = hardware ? plan.engine_tasks : kCudaTasks;
      // Beside engines small batches are of no use to the CUDA decoder.
      const bool whole = large || (!hardware && engines);
      options.most_pixels = whole ? options.most_tasks * kUsualPixels : kMostPixels;
      auto lane = platform.CreateJpegLane(info.index, options);
      if (!lane.ok()) {
        why = lane.status();
        break;
      }
      engines = engines || hardware;
      if (i == 0) detail += (detail.empty() ? "" : " and ") + (*lane)->detail();
      const size_t least = !hardware && engines ? kCudaTasks : 1;
      lanes.push_back(
          {std::move(*lane), least, static_cast<size_t>(options.most_tasks), options.most_pixels});
    }
  }
  return detail;
}

}  // namespace

Result<std::unique_ptr<GpuJpegLanes>> StartGpuJpegLanes(device::Platform& platform,
                                                        const std::vector<int>& devices,
                                                        const JpegLanePlan& plan, CpuShare cpus,
                                                        std::string& detail) {
  ASSIGN_OR_RETURN(const auto infos, platform.Devices());
  std::vector<GpuJpegLanes::Lane> lanes;
  Status why;
  for (const device::DeviceInfo& info : infos) {
    if (std::find(devices.begin(), devices.end(), info.index) == devices.end()) continue;
    const std::string here = AddLanes(platform, info, plan, lanes, why);
    if (detail.find(here) == std::string::npos) detail += (detail.empty() ? "" : "; ") + here;
  }
  if (lanes.empty()) return why;
  if (!why.ok()) log::info("{}", why.message());
  if (devices.size() > 1) detail += ", on " + std::to_string(devices.size()) + " GPUs";
  return std::make_unique<GpuJpegLanes>(std::move(lanes), cpus);
}

}  // namespace photovec::decode
