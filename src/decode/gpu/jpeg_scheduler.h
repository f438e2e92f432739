// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <limits>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "base/enum_names.h"
#include "base/result.h"
#include "decode/gpu/gpu_decoder.h"
#include "device/cuda/platform.h"

namespace photovec::decode {

/// Who may decode what on the CPU beside the GPU's decoders.
struct CpuShare {
  int turns = 1;       ///< photos that CPUs decode at the same time
  bool plain = false;  ///< JPEGs that the GPU could decode, too, while all its decoders are busy
};

/// Joins decode/ (many threads, one photo each) with device/cuda (decoders, batches): a free decoder takes
/// whatever waits, up to its limit, at once, as the batcher does. One thread a decoder; callers block.
/// Whoever is free first, a decoder or a CPU, takes the photo that has waited longest; photos that are for
/// CPUs only come first there. A decoder that hangs is given up: others go on; without any all photos are the
/// CPU's. Thread-safe.
class GpuJpegScheduler final : public GpuJpegService {
 public:
  struct Worker {
    std::unique_ptr<device::JpegDecoder> decoder;
    size_t least = 1;  ///< it takes nothing while fewer photos wait: others do
    size_t most = 32;  ///< that it takes at once,
    int64_t most_pixels = std::numeric_limits<int64_t>::max();  ///< and of all of them together
  };
  /// Starts a thread a worker. One worker at least has `least` 1.
  explicit GpuJpegScheduler(std::vector<Worker> workers, CpuShare cpus = {});
  /// Nobody may be in Decode() or hold a turn.
  ~GpuJpegScheduler() override;
  GpuJpegScheduler(const GpuJpegScheduler&) = delete;
  GpuJpegScheduler& operator=(const GpuJpegScheduler&) = delete;

  void Decode(device::JpegJob& job, CpuTurn& turn) override;
  CpuTurn AwaitCpu(bool refused) override;

  struct Counts {
    int64_t decoded = 0;
    int64_t refused = 0;                 ///< by a decoder, so that the CPU had to
    int64_t left_to_cpu = 0;             ///< a CPU was free before a decoder
    int64_t other = 0;                   ///< for the CPU only
    device::JpegDecoderCounts decoders;  ///< of all decoders together

    /// \param times 1 adds, -1 takes away.
    void Add(const Counts& more, int64_t times = 1);
  };
  Counts counts() const;
  /// Whether a decoder hangs: the GPU is not to be waited for then.
  bool hangs() const;
  size_t waiting() const;    ///< photos that neither a decoder nor a CPU has taken yet
  int idle_workers() const;  ///< that would take a single photo now

 private:
  struct Waiting;
  void Run(const Worker& worker, device::JpegDecoderCounts& counts);
  void Finish(std::span<Waiting* const> taken, size_t done);
  bool GivesUp(const Worker& worker);
  size_t Take(const Worker& worker, std::vector<Waiting*>& taken);
  size_t Takes(const Worker& worker) const;
  int IdleWorkers() const;
  void ServeCpus();
  CpuTurn Turn();
  void EndTurn();

  const std::vector<Worker> workers_;
  const CpuShare cpus_;
  mutable std::mutex mutex_;
  std::condition_variable ready_;
  std::deque<Waiting*> queue_;      // for a decoder
  std::deque<Waiting*> cpu_queue_;  // for a CPU only
  int free_turns_ = 0;
  int waiting_impatient_ = 0;  // workers that wait and have least 1
  int waiting_patient_ = 0;    // and that have not
  Counts counts_;
  std::vector<device::JpegDecoderCounts> decoder_counts_;
  size_t given_up_ = 0;                                         // workers
  size_t impatient_workers_ = 0;                                // with least 1 that are not given up
  size_t least_patience_ = std::numeric_limits<size_t>::max();  // the smallest `least` of patient workers
  bool stopped_ = false;
  std::vector<std::thread> threads_;
};

/// Which decoders to start on each GPU.
struct GpuJpegOptions {
  int engine_decoders = 2;  ///< on the JPEG engines, where there are some; a second one decodes while the
                            ///< first one's batch is collected and copied
  int cuda_decoders = 2;    ///< on the multiprocessors; beside engines they take large batches only (of small
                            ///< ones nvJPEG decodes much on the CPU)
  int engine_jobs = 32;
  bool interpolate_chroma = true;
};
/// What of a GPU decodes JPEGs.
enum class GpuJpegParts {
  kAuto,     ///< both, where there are both
  kEngines,  ///< its JPEG engines (A100, H100, H200)
  kCuda,     ///< its multiprocessors
};
constexpr auto EnumNames(GpuJpegParts /*of*/) {
  return std::array{EnumName{GpuJpegParts::kAuto, "auto"}, EnumName{GpuJpegParts::kEngines, "engines"},
                    EnumName{GpuJpegParts::kCuda, "cuda"}};
}
GpuJpegOptions ToGpuJpegOptions(GpuJpegParts parts);

/// \param detail becomes what the decoders are, for the log. Errors: kUnavailable saying why there can be none;
/// decoders of one kind that cannot be had beside some of the other are only told of.
Result<std::unique_ptr<GpuJpegScheduler>> StartGpuJpegScheduler(device::Platform& platform,
                                                                const std::vector<int>& devices,
                                                                const GpuJpegOptions& wanted, CpuShare cpus,
                                                                std::string& detail);

/// Decode threads that keep the decoders of one device busy while as many wait again.
constexpr int kGpuDecodeThreads = 256;
constexpr int kMostGpuDecodeThreads = 1024;  ///< of all devices

}  // namespace photovec::decode
