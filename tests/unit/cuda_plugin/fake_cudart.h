// SPDX-License-Identifier: MIT
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <set>
#include <vector>

/// The CUDA runtime on the CPU, as far as the plug-in calls it (what its encoding half needs beside the JPEG
/// half is in unit/cuda_encode): linked in its place. One device,
/// whose memory is the host's. What is queued on a stream runs as late as CUDA allows: when somebody waits,
/// so that whoever forgets to wait, or frees too early, is caught. One thread.
namespace photovec::device::test {

class FakeGpu {
 public:
  /// The one that the runtime's functions use.
  static FakeGpu& Get();
  /// As new. Nothing may be left of before.
  void Reset() { *this = FakeGpu(); }

  /// Runs when somebody waits for the stream; while the stream is captured, becomes part of the graph.
  void Queue(cudaStream_t stream, std::function<void()> work);
  /// Device and pinned memory, streams and events that nobody gave back.
  size_t alive() const { return blocks.size() + streams.size() + events.size(); }
  size_t pending() const;

  size_t most_bytes = size_t{8} << 30;  ///< of device memory: more is out of memory
  int waits_until_sticky = -1;          ///< so many waits succeed, then the context is broken; -1: never
  int questions_before_done = 0;        ///< how often an event is not there yet when asked for
  bool hangs = false;  ///< nothing that is queued is ever done, and to free anything is a mistake
  int frees_while_hanging = 0;

  cudaError_t last_error = cudaSuccess;  ///< until somebody asks for it
  int64_t allocations = 0;               ///< so far, of device and of pinned memory
  int memsets = 0;

  std::map<cudaStream_t, std::vector<std::function<void()>>> captures;

  struct Block {
    size_t bytes = 0;
    bool pinned = false;
  };
  std::map<void*, Block> blocks;
  std::set<cudaStream_t> streams;
  std::set<cudaEvent_t> events;
  size_t bytes = 0;  ///< of device memory, now
  bool broken = false;

  cudaError_t Allocate(void** block, size_t bytes, bool pinned);
  cudaError_t Release(void* block, bool pinned);
  cudaError_t WaitFor(cudaStream_t stream);
  bool pinned(const void* at) const;
};

}  // namespace photovec::device::test
