// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <oneapi/dnnl/dnnl.hpp>
#include <span>

#include "base/slot_pool.h"
#include "encode/cpu/plan.h"
#include "encode/cpu/team.h"

namespace photovec::encode::cpu {

/// One group on its way through the model.
struct GroupRun {
  const PackedModel* model = nullptr;
  const GroupPlan* plan = nullptr;
  SpinBarrier* barrier = nullptr;       ///< null when the plan has one rank
  std::span<const PixelSlot> slots;     ///< plan->images slots
  float* out = nullptr;                 ///< [images, embedding_dim]
  std::atomic<bool>* failed = nullptr;  ///< set when oneDNN failed; the result is then undefined
};

/// Computes one rank's part of a group; all ranks of the plan call it at the same time. No allocation.
/// Source: arXiv:2010.11929 §3.1; transformers modeling_clip.py, CLIPVisionTransformer.forward.
void Forward(const GroupRun& run, int rank, const dnnl::stream& stream);

}  // namespace photovec::encode::cpu
