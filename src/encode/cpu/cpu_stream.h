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

/// What the streams of one encoder have in common. Must outlive them.
struct StreamModel {
  const PackedTower* images = nullptr;  ///< null: a stream for texts alone
  const PackedTower* texts = nullptr;   ///< null: images alone
  const EncoderInfo* info = nullptr;
};

/// One stream: a team of threads with their buffers and plans. depth() is 1: Submit() does the work on the
/// calling thread and the team's helpers. A batch is dealt out in whole images or texts, which threads
/// compute without meeting; what is too little for that (fewer images than threads, texts of a few rows) is
/// computed by all threads together, so that one text reads the weights with all of them.
class CpuStream final : public EncoderStream {
 public:
  CpuStream(const StreamModel& model, std::vector<int> cpus, bool pin);

  Result<Ticket> Submit(std::span<const PixelSlot> slots, std::span<float> out) override;
  Result<Ticket> SubmitTexts(std::span<const TokenIds> texts, std::span<float> out) override;
  Status Wait(Ticket ticket) override;
  int depth() const override { return 1; }

  /// Makes buffers and plans, if there are none yet. The first Submit() does it when Warmup did not.
  /// Errors: kUnavailable without memory, kInternal when oneDNN refuses a shape.
  Status Prepare();
  /// Prepare(), then a batch of max_batch and a batch of 1 of images and of texts, on a thread of its own.
  Status Warmup();

  /// For CeilingProbe: of a batch, nothing but `products` of each group, by the threads and in the cuts of
  /// Submit() and SubmitTexts(). After Prepare(). False when one of them was false.
  using Products = bool (*)(const BodyPlan::Rank& body, const TailCalls& tail, const dnnl::stream& stream);
  bool RunBareImages(int images, Products products);
  bool RunBareTexts(std::span<const TokenIds> texts, Products products);
  Team& team() { return team_; }

 private:
  /// One thread's own memory, and its plans for groups computed alone.
  struct ThreadState {
    ThreadMemory memory;
    std::unique_ptr<dnnl::stream> stream;
    Plans images, texts;
    std::unique_ptr<uint8_t[]> scratch;  // oneDNN's, for all plans that this thread takes part in
    std::vector<Sequence> text_rows;     // of the texts that it computes, each as it lies in its group
    Status status;
  };
  /// A group that `rank` computes: [first, first + sequences.size()) of the batch.
  struct Group {
    const BodyPlan* body = nullptr;
    const TailPlan* tail = nullptr;
    SpinBarrier* barrier = nullptr;
    int rank = 0;  // within the plans
    size_t first = 0;
    std::span<const Sequence> sequences;
  };

  void PrepareThread(int rank);
  void PrepareShared();
  Status WarmupImages();
  Status WarmupTexts();
  Status Runnable() const;
  Ticket Done();
  /// Calls visit(group) for each group that `rank` computes.
  template <typename Visit>
  void DealImages(int rank, int images, Visit visit);
  template <typename Visit>
  void DealTexts(int rank, std::span<const TokenIds> texts, Visit visit);
  /// texts[group.first, last) in groups. \param rank within the team.
  template <typename Visit>
  void GroupTexts(const Plans& plans, int rank, Group group, std::span<const TokenIds> texts, size_t last,
                  Visit visit);
  template <typename Deal>
  bool RunBare(Deal deal, Products products);

  const StreamModel model_;
  const PackedTower& any_;  // one of the two
  Team team_;
  bool prepared_ = false;
  std::vector<ThreadState> threads_;  // one per thread
  Plans shared_images_;               // for images left over, by all threads
  Plans shared_texts_;                // for texts that are few
  std::vector<Sequence> image_rows_;  // of the largest group
  std::atomic<bool> failed_{false};
  uint64_t next_ticket_ = 1;
  uint64_t pending_ticket_ = 0;  // 0: none
  Status pending_status_;
};

}  // namespace photovec::encode::cpu
