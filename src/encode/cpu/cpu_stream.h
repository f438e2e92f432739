// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <oneapi/dnnl/dnnl.hpp>
#include <string>
#include <vector>

#include "encode/cpu/forward.h"
#include "encode/encoder.h"

namespace photovec::encode::cpu {

/// One stream: a team of threads with their buffers and plans. depth() is 1: Submit() does the work on the
/// calling thread and the team's helpers. A batch is dealt out in whole images, which threads compute without
/// meeting; only the images that are left over (fewer than threads) are computed by all threads together.
class CpuStream final : public EncoderStream {
 public:
  /// \param model must outlive the stream.
  CpuStream(const PackedModel& model, std::vector<int> cpus, bool pin, int max_batch);

  Result<Ticket> Submit(std::span<const PixelSlot> slots, std::span<float> out) override;
  Status Wait(Ticket ticket) override;
  int depth() const override { return 1; }

  /// Makes buffers and plans, if there are none yet. The first Submit() does it when Warmup did not.
  /// Errors: kUnavailable without memory, kInternal when oneDNN refuses a shape.
  Status Prepare();
  /// Prepare(), then a batch of max_batch and a batch of 1, on a thread of its own.
  Status Warmup();

  /// For CeilingProbe: of a batch of `images`, nothing but `products` of each group, by the threads and in
  /// the cuts of Submit(). After Prepare(). False when one of them was false.
  bool RunBare(int images, bool (*products)(const RankPlan& plan, const dnnl::stream& stream));
  Team& team() { return team_; }
  const PackedModel& model() const { return model_; }

 private:
  /// One thread's own memory and its plans for groups of 1, 2, … images computed alone.
  struct ThreadState {
    ThreadMemory memory;
    std::unique_ptr<dnnl::stream> stream;
    std::vector<GroupPlan> plans;
    std::unique_ptr<uint8_t[]> scratch;         // oneDNN's, for `plans`
    std::unique_ptr<uint8_t[]> shared_scratch;  // for shared_plans_
    Status status;
  };
  void PrepareThread(int rank);
  void PrepareShared();
  /// Calls visit(plan, barrier, rank within the plan, first image) for each group that `rank` computes.
  template <typename Visit>
  void Deal(int rank, int images, Visit visit);

  const PackedModel& model_;
  const int max_batch_;
  Team team_;
  bool prepared_ = false;
  std::vector<ThreadState> threads_;     // one per thread
  std::vector<GroupPlan> shared_plans_;  // for 1, 2, … left over images, by all threads
  std::atomic<bool> failed_{false};
  uint64_t next_ticket_ = 1;
  uint64_t pending_ticket_ = 0;  // 0: none
  Status pending_status_;
};

}  // namespace photovec::encode::cpu
