// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/result.h"
#include "encode/cpu/arena.h"
#include "encode/cpu/matmul.h"
#include "encode/cpu/packed_model.h"

/// Buffers and bound matrix products of one stream, made once at warm-up. A *group* is a set of images whose
/// rows are computed together, either by one thread alone or by all threads of a team, each taking some heads
/// and columns. M = images * T rows.
namespace photovec::encode::cpu {

/// What the threads that compute one group share. Elements are those of the matrix products.
struct SharedBuffers {
  float* x = nullptr;        ///< [M, D] residual stream, always f32
  void* normed = nullptr;    ///< [M, D] elements
  void* attended = nullptr;  ///< [M, D] elements
  void* wide = nullptr;      ///< [M, F] elements after fc1; before: patches [images*patches, P*P*3]
  void* pooled = nullptr;    ///< [images, D] elements: class token rows
};

/// What belongs to one thread.
struct PrivateBuffers {
  float* panel = nullptr;      ///< some columns of q k v or of fc1: [M, columns]
  float* product = nullptr;    ///< its columns of products that are D wide: [M, columns]
  float* attention = nullptr;  ///< AttentionScratchFloats()
};

/// One thread's memory: private buffers, and shared ones for groups that it leads.
class ThreadMemory {
 public:
  /// Errors: kUnavailable without memory.
  static Result<ThreadMemory> Create(const PackedModel& model);
  SharedBuffers shared;
  PrivateBuffers own;

 private:
  Arena arena_;
};

/// A matrix product for some heads: columns of q, k and v of these heads, by head.
struct HeadsCall {
  int first_head = 0;
  int heads = 0;
  MatmulCall product;
};

/// One thread's products of one block; which columns are its own depends on its rank. Empty: none.
struct BlockCalls {
  std::vector<HeadsCall> qkv;     ///< of the last block: k and v
  std::vector<MatmulCall> query;  ///< last block only: q of the class token rows, of all heads in `qkv`
  std::vector<MatmulCall> out;
  std::vector<MatmulCall> fc1;
  std::vector<MatmulCall> fc2;
};

struct RankPlan {
  std::vector<MatmulCall> patch;
  std::vector<BlockCalls> blocks;
  std::vector<MatmulCall> projection;
  PrivateBuffers own;
};

/// Everything to compute a group of `images` with ranks.size() threads.
struct GroupPlan {
  int images = 0;
  SharedBuffers shared;
  std::vector<RankPlan> ranks;
  std::vector<Panel> products;  ///< the ranks' `product` buffers, together [M, D]

  size_t ScratchBytes() const;
  /// \param memory ScratchBytes() for this rank.
  void BindScratch(const dnnl::engine& engine, int rank, void* memory);
};

/// \param memories one per rank; the group's shared buffers are memories[0]'s. Throws dnnl::error.
GroupPlan MakeGroupPlan(const PackedModel& model, int images, const std::vector<ThreadMemory*>& memories);

}  // namespace photovec::encode::cpu
