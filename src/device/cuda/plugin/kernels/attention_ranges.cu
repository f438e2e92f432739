// SPDX-License-Identifier: MIT
#include <type_traits>

#include "device/cuda/plugin/kernels/dispatch.cuh"
#include "device/cuda/plugin/kernels/elements.cuh"
#include "device/cuda/plugin/kernels/kernels.h"
#include "device/cuda/plugin/kernels/launch.cuh"

namespace photovec::device {
namespace {

// A warp: one head of one query, whose keys are few (a text of 10 tokens has 6 a row). Its lanes score whole
// keys, then sum columns, neighbours beside each other.
constexpr int kWarps = 4;

template <typename T>
__global__ void RangesKernel(const __grid_constant__ RangeAttentionArgs args) {
  const int query_index = static_cast<int>(blockIdx.x * kWarps + threadIdx.y);
  if (query_index >= args.queries) return;
  const int lane = static_cast<int>(threadIdx.x);
  const int hd = args.head_dim;
  float* query = DynamicShared<float>() + static_cast<size_t>(threadIdx.y) * (hd + args.most_keys);  // [HD]
  float* scores = query + hd;  // [most_keys]
  const size_t head = blockIdx.y;
  const int2 range = args.ranges[query_index];
  const int keys = range.y - range.x;
  const T* q = static_cast<const T*>(args.q) + query_index * args.q_row + head * args.q_head;
  const T* k = static_cast<const T*>(args.k) + range.x * args.kv_row + head * args.kv_head;
  const T* v = static_cast<const T*>(args.v) + range.x * args.kv_row + head * args.kv_head;

  for (int c = lane; c < hd; c += 32) query[c] = static_cast<float>(q[c]);
  __syncwarp();
  float top = -INFINITY;
  for (int key = lane; key < keys; key += 32) {
    float sum = 0;
    for (int c = 0; c < hd; c += 8) {
      const Eight part = Load8(k + key * args.kv_row + c);
#pragma unroll
      for (int i = 0; i < 8; ++i) sum += query[c + i] * part.v[i];
    }
    scores[key] = sum;
    top = fmaxf(top, sum);
  }
  top = WarpMax(top);
  float sum = 0;
  for (int key = lane; key < keys; key += 32) {
    scores[key] = exp2f(scores[key] - top);
    sum += scores[key];
  }
  const float scale = 1.0F / WarpSum(sum);
  __syncwarp();
  T* out = static_cast<T*>(args.out) + (static_cast<size_t>(query_index) * args.heads + head) * hd;
  for (int c = lane; c < hd; c += 32) {
    float mixed = 0;
    for (int key = 0; key < keys; ++key) mixed += scores[key] * static_cast<float>(v[key * args.kv_row + c]);
    out[c] = static_cast<T>(mixed * scale);
  }
}

}  // namespace

cudaError_t AttentionRanges(const RangeAttentionArgs& args, model::Element element, cudaStream_t stream) {
  if (args.most_keys > kMostPlainKeys || args.head_dim > kMostHead || args.head_dim % 8 != 0) {
    return cudaErrorInvalidValue;
  }
  const size_t bytes = sizeof(float) * kWarps * static_cast<size_t>(args.head_dim + args.most_keys);
  const dim3 grid(CeilDiv(static_cast<size_t>(args.queries), kWarps), static_cast<unsigned>(args.heads));
  WithElement(element, [&](auto* type) {
    using T = std::remove_pointer_t<decltype(type)>;
    LaunchKernel(RangesKernel<T>, grid, dim3(32, kWarps), bytes, stream, args);
  });
  return cudaGetLastError();
}

}  // namespace photovec::device
