// SPDX-License-Identifier: MIT
#include <type_traits>

#include "device/cuda/plugin/kernels/dispatch.cuh"
#include "device/cuda/plugin/kernels/elements.cuh"
#include "device/cuda/plugin/kernels/kernels.h"
#include "device/cuda/plugin/kernels/launch.cuh"
#include "device/cuda/plugin/kernels/tensor_core.cuh"

namespace photovec::device {
namespace {

// Online softmax over tiles of keys (arXiv:2205.14135, algorithm 1; scores never leave registers). A block:
// 64 queries of one head of one image, 16 a warp; keys in tiles of 64, copied one tile ahead.
constexpr int kTile = 64;
constexpr int kWarps = 4;
constexpr int kThreads = 32 * kWarps;

// Tensor cores take heads in sixteens: columns from HD on are zeros in shared memory alone.
constexpr int Padded(int head_dim) { return (head_dim + 15) / 16 * 16; }
// Rows are padded by 16 bytes: the eight rows of an ldmatrix then lie in different banks.
constexpr int Pitch(int head_dim) { return Padded(head_dim) + 8; }
constexpr int TileElements(int head_dim) { return kTile * Pitch(head_dim); }

// Queries, and keys and values in one tile or two each.
size_t SharedBytes(int head_dim, int keys) {
  return (keys > kTile ? 5 : 3) * static_cast<size_t>(TileElements(head_dim)) * sizeof(uint16_t);
}

template <typename T, int HD>
class Block {
 public:
  static constexpr int kPadded = Padded(HD);
  static constexpr int kPitch = Pitch(HD);
  static constexpr int kTileElements = TileElements(HD);
  static constexpr int kSteps = kPadded / 16;  // of 16 along the head
  static constexpr int kOuts = kPadded / 8;    // 8 columns of the result each

  __device__ Block(const AttentionArgs& args, T* shared)
      : args_(args),
        q_(shared),
        k_(shared + kTileElements),
        v_(shared + kTileElements * (args.tk > kTile ? 3 : 2)),
        lane_(static_cast<int>(threadIdx.x) % 32),
        warp_(static_cast<int>(threadIdx.x) / 32),
        first_query_(static_cast<int>(blockIdx.x) * kTile) {}

  __device__ void Run() {
    const size_t image = blockIdx.z;
    const size_t head = blockIdx.y;
    const T* k = static_cast<const T*>(args_.k) + image * args_.kv_image + head * args_.kv_head;
    const T* v = static_cast<const T*>(args_.v) + image * args_.kv_image + head * args_.kv_head;
    CopyTile(static_cast<const T*>(args_.q) + image * args_.q_image + head * args_.q_head, args_.q_row,
             first_query_, args_.tq, q_);
    CopyTile(k, args_.kv_row, 0, args_.tk, k_);
    CopyTile(v, args_.kv_row, 0, args_.tk, v_);
    CommitCopies();
    const int tiles = (args_.tk + kTile - 1) / kTile;
    for (int tile = 0; tile < tiles; ++tile) {
      if (tile + 1 < tiles) {
        const int next = (tile + 1) % 2 * kTileElements;
        CopyTile(k, args_.kv_row, (tile + 1) * kTile, args_.tk, k_ + next);
        CopyTile(v, args_.kv_row, (tile + 1) * kTile, args_.tk, v_ + next);
        CommitCopies();
        WaitCopies<1>();
      } else {
        WaitCopies<0>();
      }
      __syncthreads();
      if (tile == 0) LoadQueries();
      const int at = tile % 2 * kTileElements;
      Score(k_ + at);
      Softmax(args_.tk - tile * kTile);
      Mix(v_ + at);
      __syncthreads();
    }
    Write(image, head);
  }

 private:
  // Rows first .. first + 63 of `from`, zeros from row `rows` on.
  __device__ __forceinline__ void CopyTile(const T* from, size_t stride, int first, int rows, T* to) {
    constexpr int kChunks = kPadded / 8;
    for (int i = static_cast<int>(threadIdx.x); i < kTile * kChunks; i += kThreads) {
      const int row = i / kChunks;
      const int column = i % kChunks * 8;
      const bool take = first + row < rows && (kPadded == HD || column < HD);
      CopyAsync16(to + row * kPitch + column,
                  from + (take ? first + row : 0) * stride + (kPadded == HD || take ? column : 0), take);
    }
  }

  __device__ __forceinline__ void LoadQueries() {
#pragma unroll
    for (int step = 0; step < kSteps; ++step) {
      LoadMatrices(query_[step], q_ + (warp_ * 16 + lane_ % 16) * kPitch + step * 16 + lane_ / 16 * 8);
    }
  }

  // scores_ [16, 64] = q k^T.
  __device__ __forceinline__ void Score(const T* k) {
#pragma unroll
    for (int pair = 0; pair < kTile / 16; ++pair) {
#pragma unroll
      for (int i = 0; i < 4; ++i) scores_[2 * pair][i] = scores_[2 * pair + 1][i] = 0;
#pragma unroll
      for (int step = 0; step < kSteps; ++step) {
        uint32_t keys[4];
        LoadMatrices(keys,
                     k + (pair * 16 + lane_ / 16 * 8 + lane_ % 8) * kPitch + step * 16 + lane_ / 8 % 2 * 8);
        Multiply(scores_[2 * pair], query_[step], keys[0], keys[1], static_cast<const T*>(nullptr));
        Multiply(scores_[2 * pair + 1], query_[step], keys[2], keys[3], static_cast<const T*>(nullptr));
      }
    }
  }

  // scores_ = 2^(scores_ - top), with what was summed so far scaled to the new top. A lane holds two rows.
  __device__ __forceinline__ void Softmax(int keys_left) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      float top = top_[half];
#pragma unroll
      for (int n = 0; n < kTile / 8; ++n) {
#pragma unroll
        for (int i = 0; i < 2; ++i) {
          float& score = scores_[n][2 * half + i];
          if (n * 8 + lane_ % 4 * 2 + i >= keys_left) score = -INFINITY;
          top = fmaxf(top, score);
        }
      }
      top = fmaxf(top, __shfl_xor_sync(0xFFFFFFFFU, top, 1));
      top = fmaxf(top, __shfl_xor_sync(0xFFFFFFFFU, top, 2));
      const float shrink = exp2f(top_[half] - top);
      top_[half] = top;
      float sum = 0;
#pragma unroll
      for (int n = 0; n < kTile / 8; ++n) {
#pragma unroll
        for (int i = 0; i < 2; ++i) {
          float& score = scores_[n][2 * half + i];
          score = exp2f(score - top);
          sum += score;
        }
      }
      sum_[half] = sum_[half] * shrink + sum;
#pragma unroll
      for (int n = 0; n < kOuts; ++n) {
        mixed_[n][2 * half] *= shrink;
        mixed_[n][2 * half + 1] *= shrink;
      }
    }
  }

  // mixed_ [16, HD] += scores_ v.
  __device__ __forceinline__ void Mix(const T* v) {
#pragma unroll
    for (int step = 0; step < kTile / 16; ++step) {
      const T* type = nullptr;
      const uint32_t weights[4] = {Pack2(scores_[2 * step][0], scores_[2 * step][1], type),
                                   Pack2(scores_[2 * step][2], scores_[2 * step][3], type),
                                   Pack2(scores_[2 * step + 1][0], scores_[2 * step + 1][1], type),
                                   Pack2(scores_[2 * step + 1][2], scores_[2 * step + 1][3], type)};
#pragma unroll
      for (int pair = 0; pair < kOuts / 2; ++pair) {
        uint32_t values[4];
        LoadMatricesTransposed(values, v + (step * 16 + lane_ % 16) * kPitch + pair * 16 + lane_ / 16 * 8);
        Multiply(mixed_[2 * pair], weights, values[0], values[1], type);
        Multiply(mixed_[2 * pair + 1], weights, values[2], values[3], type);
      }
    }
  }

  __device__ __forceinline__ void Write(size_t image, size_t head) {
    T* out = static_cast<T*>(args_.out) + image * args_.out_image + head * HD;
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      float sum = sum_[half];
      sum += __shfl_xor_sync(0xFFFFFFFFU, sum, 1);
      sum += __shfl_xor_sync(0xFFFFFFFFU, sum, 2);
      const float scale = 1.0F / sum;
      const int query = first_query_ + warp_ * 16 + half * 8 + lane_ / 4;
      if (query >= args_.tq) continue;
#pragma unroll
      for (int n = 0; n < HD / 8; ++n) {
        *reinterpret_cast<uint32_t*>(out + query * args_.out_row + n * 8 + lane_ % 4 * 2) = Pack2(
            mixed_[n][2 * half] * scale, mixed_[n][2 * half + 1] * scale, static_cast<const T*>(nullptr));
      }
    }
  }

  const AttentionArgs& args_;
  T* q_;  // [64, kPitch]
  T* k_;  // one or two tiles
  T* v_;
  const int lane_;
  const int warp_;
  const int first_query_;
  uint32_t query_[kSteps][4];
  float scores_[kTile / 8][4];
  float mixed_[kOuts][4] = {};
  float top_[2] = {-INFINITY, -INFINITY};
  float sum_[2] = {0, 0};
};

template <typename T, int HD>
__global__ void __launch_bounds__(kThreads) AttentionKernel(const __grid_constant__ AttentionArgs args) {
  Block<T, HD>(args, DynamicShared<T>()).Run();
}

template <typename T, int HD>
cudaError_t Launch(const AttentionArgs& args, cudaStream_t stream) {
  const size_t bytes = SharedBytes(HD, args.tk);
  constexpr size_t kAlways = 48 * 1024;  // more must be asked for
  if (bytes > kAlways) {
    const cudaError_t error = AllowSharedBytes(AttentionKernel<T, HD>, bytes);
    if (error != cudaSuccess) return error;
  }
  const dim3 grid(CeilDiv(static_cast<size_t>(args.tq), kTile), static_cast<unsigned>(args.heads),
                  static_cast<unsigned>(args.images));
  LaunchKernel(AttentionKernel<T, HD>, grid, kThreads, bytes, stream, args);
  return cudaGetLastError();
}

template <typename T>
cudaError_t LaunchHead(const AttentionArgs& args, cudaStream_t stream) {
  switch (args.head_dim) {
    case 64:
      return Launch<T, 64>(args, stream);
    case 72:
      return Launch<T, 72>(args, stream);
    case 80:
      return Launch<T, 80>(args, stream);
    case 88:
      return Launch<T, 88>(args, stream);
    case 96:
      return Launch<T, 96>(args, stream);
    case 104:
      return Launch<T, 104>(args, stream);
    default:
      return cudaErrorInvalidValue;
  }
}

}  // namespace

bool AttentionOnTensorCores(const AttentionArgs& args, model::Element element) {
  if (element == model::Element::kF32 || args.head_dim % 8 != 0 || args.head_dim < 64 ||
      args.head_dim > 104) {
    return false;
  }
  int device = 0;
  int most = 0;
  if (cudaGetDevice(&device) != cudaSuccess ||
      cudaDeviceGetAttribute(&most, cudaDevAttrMaxSharedMemoryPerBlockOptin, device) != cudaSuccess) {
    return false;
  }
  return SharedBytes(args.head_dim, args.tk) <= static_cast<size_t>(most);
}

cudaError_t AttentionTensorCores(const AttentionArgs& args, model::Element element, cudaStream_t stream) {
  switch (element) {
    case model::Element::kF16:
      return LaunchHead<__half>(args, stream);
    case model::Element::kBF16:
      return LaunchHead<__nv_bfloat16>(args, stream);
    case model::Element::kF32:
      break;
  }
  return cudaErrorInvalidValue;
}

}  // namespace photovec::device
