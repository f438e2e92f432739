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
  struct Lane {
    std::unique_ptr<encode::cuda::JpegLane> lane;
    size_t least = 1;  ///< it takes nothing while fewer photos wait: others do
    size_t most = 32;  ///< that it takes at once
  };
  /// Starts a thread a lane. One lane at least has `least` 1.
  explicit GpuJpegLanes(std::vector<Lane> lanes);
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
  void Run(const Lane& lane);

  const std::vector<Lane> lanes_;
  mutable std::mutex mutex_;
  std::condition_variable ready_;
  std::deque<Waiting*> queue_;
  Counts counts_;
  bool stopped_ = false;
  std::vector<std::thread> threads_;
};

/// Lanes on a device: on its JPEG engines where it has them, and on its multiprocessors, which take what the
/// engines leave when that makes a large batch (small ones nvJPEG would decode on the CPU). \param detail
/// becomes what they are, for the log. Errors: kUnavailable saying why there can be none.
Result<std::unique_ptr<GpuJpegLanes>> StartGpuJpegLanes(encode::cuda::Platform& platform, int device,
                                                        std::string& detail);

/// Decode threads that keep the lanes of one device busy while as many wait again.
constexpr int kGpuDecodeThreads = 256;

}  // namespace photovec::commands
