// SPDX-License-Identifier: MIT
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/result.h"
#include "decode/gpu_decoder.h"
#include "encode/cuda/device.h"

namespace photovec::commands {

/// A job of decode/ as a lane takes it. Borrows the job.
struct GpuJpegTask {
  explicit GpuJpegTask(const decode::GpuJpegJob& job);
  GpuJpegTask(const GpuJpegTask&) = delete;
  GpuJpegTask& operator=(const GpuJpegTask&) = delete;
  encode::cuda::JpegTask task;

 private:
  std::vector<encode::cuda::ResizeTap> x_;
  std::vector<encode::cuda::ResizeTap> y_;
};

/// Joins decode/ (many threads, one photo each) with encode/cuda (lanes, batches): a free lane takes whatever
/// waits, up to its limit, at once, as the batcher does. One thread a lane; callers block. Thread-safe.
class GpuJpegLanes final : public decode::GpuJpegService {
 public:
  /// Starts a thread a lane. \param most_tasks that a lane takes at once.
  GpuJpegLanes(std::vector<std::unique_ptr<encode::cuda::JpegLane>> lanes, int most_tasks);
  /// Nobody may be in Decode().
  ~GpuJpegLanes() override;
  GpuJpegLanes(const GpuJpegLanes&) = delete;
  GpuJpegLanes& operator=(const GpuJpegLanes&) = delete;

  Status Decode(const decode::GpuJpegJob& job) override;

  struct Counts {
    int64_t decoded = 0;
    int64_t refused = 0;  ///< left to the CPU by a lane
    int64_t batches = 0;
  };
  Counts counts() const;

 private:
  struct Waiting;
  void Run(encode::cuda::JpegLane& lane);

  const size_t most_tasks_;
  const std::vector<std::unique_ptr<encode::cuda::JpegLane>> lanes_;
  mutable std::mutex mutex_;
  std::condition_variable ready_;
  std::deque<Waiting*> queue_;
  Counts counts_;
  bool stopped_ = false;
  std::vector<std::thread> threads_;
};

/// Lanes on a device: on its JPEG engines where it has them, and on its multiprocessors. \param detail
/// becomes what they are, for the log. Errors: kUnavailable saying why there can be none.
Result<std::unique_ptr<GpuJpegLanes>> StartGpuJpegLanes(encode::cuda::Platform& platform, int device,
                                                        std::string& detail);

/// Decode threads that keep the lanes of one device busy while as many wait again.
constexpr int kGpuDecodeThreads = 96;

}  // namespace photovec::commands
