// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/result.h"
#include "encode/cpu/arena.h"
#include "encode/cpu/matmul.h"
#include "encode/cpu/packed_tower.h"

/// Buffers and bound matrix products of one stream, made once at warm-up. A *group* is a set of images or of
/// texts (sequences) whose rows are computed together, either by one thread alone or by all threads of a
/// team, each taking some heads and columns. M rows in all, one sequence after another; the tail of the last
/// block has one row a sequence.
namespace photovec::encode::cpu {

/// What the threads that compute one group share. Elements are those of the matrix products.
struct SharedBuffers {
  float* x = nullptr;        ///< [M, D] residual stream, always f32
  void* normed = nullptr;    ///< [M, D] elements
  void* attended = nullptr;  ///< [M, D] elements
  void* wide = nullptr;      ///< [M, F] elements after fc1; before: patches [images*patches, P*P*3]
  float* tail_x = nullptr;   ///< [sequences, D] residual stream of the tail
  void* tail = nullptr;      ///< [sequences, D] elements
};

/// What belongs to one thread.
struct PrivateBuffers {
  float* panel = nullptr;      ///< some columns of q k v or of fc1: [M, columns]
  float* product = nullptr;    ///< its columns of products that are D wide: [M, columns]
  float* attention = nullptr;  ///< AttentionScratchFloats()
};

/// One thread's memory: private buffers, and shared ones for groups that it leads. Large enough for each of
/// some towers, which are computed at different times.
class ThreadMemory {
 public:
  /// Errors: kUnavailable without memory.
  static Result<ThreadMemory> Create(const std::vector<const PackedTower*>& towers);
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

/// Some columns of the MLP's first product, and of a gated one's other half.
struct WideCall {
  MatmulCall product;
  std::vector<MatmulCall> up;  ///< one or none
};

/// One thread's products of one block; which columns are its own depends on its rank. Empty: none.
struct BlockCalls {
  std::vector<HeadsCall> qkv;  ///< of the last block: k and v, and nothing else
  std::vector<MatmulCall> out;
  std::vector<WideCall> fc1;
  std::vector<MatmulCall> fc2;
};

/// One thread's products of the last block's tail and of what follows.
struct TailCalls {
  std::vector<MatmulCall> query;  ///< of all heads that this rank has of `qkv`; none when it is a constant
  std::vector<MatmulCall> out;
  std::vector<WideCall> fc1;
  std::vector<MatmulCall> fc2;
  std::vector<MatmulCall> projection;
};

/// Everything to compute the rows of a group with blocks.size() threads.
struct BodyPlan {
  struct Rank {
    std::vector<MatmulCall> patch;  ///< of images
    std::vector<BlockCalls> blocks;
    PrivateBuffers own;
  };
  int rows = 0;
  SharedBuffers shared;
  std::vector<Rank> ranks;
  std::vector<Panel> products;  ///< the ranks' `product` buffers, together [M, D]
};

struct TailPlan {
  int rows = 0;
  std::vector<TailCalls> ranks;
};

/// The plans of one tower for one set of threads.
struct Plans {
  std::vector<BodyPlan> bodies;  ///< by rows, ascending
  std::vector<TailPlan> tails;

  /// The smallest that takes so many.
  const BodyPlan& body(int rows) const;
  const TailPlan& tail(int sequences) const;

  /// Of the calls of one rank.
  size_t ScratchBytes(int rank) const;
  /// \param memory ScratchBytes(rank), shared by plans that never run at the same time.
  void BindScratch(const dnnl::engine& engine, int rank, void* memory);
};

/// \param memories one per rank; the group's shared buffers are memories[0]'s.
/// \param most groups have at most so many images or texts. Throws dnnl::error.
Plans MakePlans(const PackedTower& tower, int most, const std::vector<ThreadMemory*>& memories);

}  // namespace photovec::encode::cpu
