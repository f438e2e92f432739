// SPDX-License-Identifier: MIT
#include "commands/gpu_jpeg.h"

#include <algorithm>
#include <semaphore>
#include <utility>

#include "base/log.h"
#include "base/thread_pool.h"

namespace photovec::commands {
namespace {

using encode::cuda::JpegLane;
using encode::cuda::JpegLaneOptions;
using encode::cuda::JpegTask;
using encode::cuda::ResizeTap;

constexpr int kLanesPerKind = 2;  // one decodes while the other's batch is collected and copied
constexpr int kEngineTasks = 32;
// nvJPEG decodes batches of more than 50 on the GPU alone; in smaller ones the CPU does the Huffman pass.
constexpr int kLeastCudaTasks = 64;
constexpr int kMostCudaTasks = 96;
// Pixels of a batch together, 3 bytes each: 32 photos of 2 megapixels, or one of 50.
constexpr int kMostPixels = 64'000'000;
constexpr int kMostPixelsOnLargeGpus = 192'000'000;
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

struct GpuJpegLanes::Waiting : GpuJpegTask {
  using GpuJpegTask::GpuJpegTask;
  std::binary_semaphore done{0};
};

GpuJpegLanes::GpuJpegLanes(std::vector<Lane> lanes) : lanes_(std::move(lanes)) {
  for (const Lane& lane : lanes_) threads_.emplace_back([this, &lane] { Run(lane); });
}

GpuJpegLanes::~GpuJpegLanes() {
  {
    const std::scoped_lock lock(mutex_);
    stopped_ = true;
    ready_.notify_all();
  }
  for (std::thread& thread : threads_) thread.join();
}

Status GpuJpegLanes::Decode(const decode::GpuJpegJob& job) {
  Waiting waiting(job);
  {
    const std::scoped_lock lock(mutex_);
    queue_.push_back(&waiting);
  }
  ready_.notify_all();  // a lane that waits for many must not be the only one to hear of one
  waiting.done.acquire();
  return std::move(waiting.task.status);
}

void GpuJpegLanes::Run(const Lane& mine) {
  JpegLane& lane = *mine.lane;
  SetThreadName("jpeg-lane");
  std::vector<Waiting*> taken;
  std::vector<JpegTask*> tasks;
  for (;;) {
    taken.clear();
    tasks.clear();
    {
      std::unique_lock lock(mutex_);
      ready_.wait(lock, [&] { return stopped_ || queue_.size() >= mine.least; });
      if (stopped_) return;
      while (!queue_.empty() && taken.size() < mine.most) {
        taken.push_back(queue_.front());
        queue_.pop_front();
      }
    }
    for (Waiting* waiting : taken) tasks.push_back(&waiting->task);
    for (size_t first = 0; first < tasks.size();) {
      const size_t count = lane.Run(std::span(tasks).subspan(first));
      const std::scoped_lock lock(mutex_);
      ++counts_.batches;
      for (size_t i = first; i < first + count; ++i) {
        ++(tasks[i]->status.ok() ? counts_.decoded : counts_.refused);
        taken[i]->done.release();  // the caller's frame may be gone from here on
      }
      first += count;
    }
  }
}

GpuJpegLanes::Counts GpuJpegLanes::counts() const {
  const std::scoped_lock lock(mutex_);
  return counts_;
}

Result<std::unique_ptr<GpuJpegLanes>> StartGpuJpegLanes(encode::cuda::Platform& platform, int device,
                                                        std::string& detail) {
  ASSIGN_OR_RETURN(const auto devices, platform.Devices());
  const auto found =
      std::find_if(devices.begin(), devices.end(), [&](const auto& info) { return info.index == device; });
  const bool large = found != devices.end() && found->memory_bytes >= kLargeGpuBytes;
  std::vector<GpuJpegLanes::Lane> lanes;
  Status why;
  bool engines = false;
  for (const bool hardware : {true, false}) {
    for (int i = 0; i < kLanesPerKind; ++i) {
      JpegLaneOptions options;
      options.hardware = hardware;
      options.most_tasks = hardware ? kEngineTasks : kMostCudaTasks;
      options.most_pixels = large && !hardware ? kMostPixelsOnLargeGpus : kMostPixels;
      auto lane = platform.CreateJpegLane(device, options);
      if (!lane.ok()) {
        why = lane.status();
        break;
      }
      engines = engines || hardware;
      if (i == 0) detail += (detail.empty() ? "" : " and ") + (*lane)->detail();
      const size_t least = !hardware && engines ? kLeastCudaTasks : 1;
      lanes.push_back({std::move(*lane), least, static_cast<size_t>(options.most_tasks)});
    }
  }
  if (lanes.empty()) return why;
  if (!why.ok()) log::info("{}", why.message());
  return std::make_unique<GpuJpegLanes>(std::move(lanes));
}

}  // namespace photovec::commands
