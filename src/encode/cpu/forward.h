// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <oneapi/dnnl/dnnl.hpp>
#include <span>

#include "base/slot_pool.h"
#include "encode/cpu/plan.h"
#include "encode/cpu/team.h"
#include "encode/encoder.h"

namespace photovec::encode::cpu {

/// The rows of one image or text in a group.
struct Sequence {
  int first = 0;
  int rows = 0;
};

/// One group on its way through a tower.
struct GroupRun {
  const PackedTower* tower = nullptr;
  const BodyPlan* body = nullptr;       ///< of as many rows at least
  const TailPlan* tail = nullptr;       ///< of as many sequences at least
  SpinBarrier* barrier = nullptr;       ///< null when the plans have one rank
  std::span<const Sequence> sequences;  ///< one behind the other, from row 0 on
  std::span<const PixelSlot> slots;     ///< of images: one a sequence
  std::span<const TokenIds> texts;      ///< of texts: one a sequence
  float* out = nullptr;                 ///< [sequences, embedding_dim]
  std::atomic<bool>* failed = nullptr;  ///< set when oneDNN failed; the result is then undefined
};

/// Computes one rank's part of a group; all ranks of the plans call it at the same time. No allocation.
/// Source: arXiv:2010.11929 §3.1; transformers modeling_clip.py, CLIPVisionTransformer.forward and
/// CLIPTextTransformer.forward; modeling_siglip.py, SiglipMultiheadAttentionPoolingHead.forward.
void Forward(const GroupRun& run, int rank, const dnnl::stream& stream);

}  // namespace photovec::encode::cpu
