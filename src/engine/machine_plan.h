// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/machine.h"
#include "encode/encoder.h"
#include "engine/options.h"

namespace photovec::engine {

/// How this machine will be used, and why, in words for `doctor` and the log.
struct MachinePlan {
  encode::Backend backend = encode::Backend::kCpu;  ///< or kCuda: device_choice.h
  std::vector<int> devices;                         ///< CUDA indexes, with kCuda
  std::string device_why;
  int streams = 1;
  int text_streams = 0;  ///< more, for texts alone
  int threads_per_stream = 1;
  std::string streams_why;
  bool pin_threads = true;  ///< false: there are more stream threads than CPUs
  int decoders = 1;
  std::string decoders_why;
  int decode_threads = 1;  ///< images decoded or waiting for a GPU's decoder at the same time
  uint64_t memory_budget_bytes = 0;
  std::string memory_why;
  uint64_t decode_memory_bytes = 0;                     ///< decode/decode_memory.h
  model::Precision precision = model::Precision::kF32;  ///< never kAuto
  std::string precision_why;
};

/// Fills what the options leave at zero (or auto) from the machine.
///
/// Streams: one thread each up to 4 cores, two up to 16, four beyond: with few threads a team loses least at
/// its barriers, with more a single photo is answered sooner. Physical cores only, and no more than the
/// cgroup's quota. Whoever sets more threads than there are CPUs gets them, unpinned. Decoders: one per CPU,
/// since they share the CPUs with the streams at equal priority and whoever has work takes them.
MachinePlan MakePlan(const Machine& machine, const EngineOptions& options);

/// What takes memory beside the budget, in bytes.
struct MemoryNeeds {
  uint64_t resident = 0;  ///< of this process, its weights packed
  uint64_t slots = 0;
  uint64_t cache = 0;  ///< of results, when it is full
};

/// Lowers the default of the decoders' memory (half of the memory, at most 2 GiB and 256 MiB for each
/// decoder) to half of what `needs` leave, then that of the budget (a quarter of the memory, at most 2 GiB)
/// to what both leave; neither below 64 MiB. What was set stays. \return a warning when all of it together
/// does not fit into the memory; else empty.
std::string FitBudget(const Machine& machine, const EngineOptions& options, const MemoryNeeds& needs,
                      MachinePlan& plan);

/// "4 x 2 threads", "4 and 1 for texts x 2 threads"; on a GPU, where streams have no threads, "2".
std::string StreamsText(const MachinePlan& plan);

}  // namespace photovec::engine
