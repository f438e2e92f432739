// SPDX-License-Identifier: MIT
#include <type_traits>

#include "device/cuda/plugin/kernels/dispatch.cuh"
#include "device/cuda/plugin/kernels/elements.cuh"
#include "device/cuda/plugin/kernels/kernels.h"
#include "device/cuda/plugin/kernels/launch.cuh"

namespace photovec::device {
namespace {

// For f32, for head sizes without a tensor core kernel, and for the single query of the pooled row. A block:
// up to kQueries queries of one head of one image; a thread scores whole keys, then sums whole columns.
constexpr int kThreads = 128;

// One value over all threads of the block; `scratch` holds a float per warp.
template <typename Combine, typename WarpReduce>
__device__ float BlockReduce(float x, float* scratch, Combine combine, WarpReduce reduce) {
  x = reduce(x);
  __syncthreads();
  if (threadIdx.x % 32 == 0) scratch[threadIdx.x / 32] = x;
  __syncthreads();
  x = scratch[0];
  for (int warp = 1; warp < kThreads / 32; ++warp) x = combine(x, scratch[warp]);
  return x;
}

template <typename T, int kQueries>
__global__ void PlainKernel(const __grid_constant__ AttentionArgs args) {
  float* query = DynamicShared<float>();             // [kQueries, HD]
  float* scores = query + kQueries * args.head_dim;  // [kQueries, tk]
  __shared__ float scratch[kThreads / 32];
  const size_t image = blockIdx.z;
  const size_t head = blockIdx.y;
  const int first = static_cast<int>(blockIdx.x) * kQueries;
  const int queries = min(kQueries, args.tq - first);
  const int hd = args.head_dim;
  const T* q = static_cast<const T*>(args.q) + image * args.q_image + head * args.q_head;
  const T* k = static_cast<const T*>(args.k) + image * args.kv_image + head * args.kv_head;
  const T* v = static_cast<const T*>(args.v) + image * args.kv_image + head * args.kv_head;

  for (int i = static_cast<int>(threadIdx.x); i < kQueries * hd; i += kThreads) {
    const int row = min(i / hd, queries - 1);
    query[i] = static_cast<float>(q[(first + row) * args.q_row + i % hd]);
  }
  __syncthreads();
  for (int key = static_cast<int>(threadIdx.x); key < args.tk; key += kThreads) {
    float sums[kQueries] = {};
    for (int c = 0; c < hd; c += 8) {
      const Eight part = Load8(k + key * args.kv_row + c);
#pragma unroll
      for (int n = 0; n < kQueries; ++n) {
#pragma unroll
        for (int i = 0; i < 8; ++i) sums[n] += query[n * hd + c + i] * part.v[i];
      }
    }
    for (int n = 0; n < kQueries; ++n) scores[n * args.tk + key] = sums[n];
  }
  __syncthreads();
  float scale[kQueries];
  for (int n = 0; n < kQueries; ++n) {
    float* row = scores + n * args.tk;
    float top = -INFINITY;
    for (int key = static_cast<int>(threadIdx.x); key < args.tk; key += kThreads) top = fmaxf(top, row[key]);
    top = BlockReduce(
        top, scratch, [](float a, float b) { return fmaxf(a, b); }, WarpMax);
    float sum = 0;
    for (int key = static_cast<int>(threadIdx.x); key < args.tk; key += kThreads) {
      row[key] = exp2f(row[key] - top);
      sum += row[key];
    }
    sum = BlockReduce(
        sum, scratch, [](float a, float b) { return a + b; }, WarpSum);
    scale[n] = 1.0F / sum;
  }
  __syncthreads();
  T* out = static_cast<T*>(args.out) + image * args.out_image + head * hd;
  for (int c = static_cast<int>(threadIdx.x); c < hd; c += kThreads) {
    float sums[kQueries] = {};
    for (int key = 0; key < args.tk; ++key) {
      const auto value = static_cast<float>(v[key * args.kv_row + c]);
#pragma unroll
      for (int n = 0; n < kQueries; ++n) sums[n] += scores[n * args.tk + key] * value;
    }
    for (int n = 0; n < queries; ++n) {
      out[(first + n) * args.out_row + c] = static_cast<T>(sums[n] * scale[n]);
    }
  }
}

template <int kQueries>
cudaError_t Launch(const AttentionArgs& args, model::Element element, cudaStream_t stream) {
  const size_t bytes = sizeof(float) * kQueries * static_cast<size_t>(args.head_dim + args.tk);
  const dim3 grid(CeilDiv(static_cast<size_t>(args.tq), kQueries), static_cast<unsigned>(args.heads),
                  static_cast<unsigned>(args.images));
  WithElement(element, [&](auto* type) {
    using T = std::remove_pointer_t<decltype(type)>;
    LaunchKernel(PlainKernel<T, kQueries>, grid, kThreads, bytes, stream, args);
  });
  return cudaGetLastError();
}

}  // namespace

cudaError_t AttentionPlain(const AttentionArgs& args, model::Element element, cudaStream_t stream) {
  if (args.tk > kMostPlainKeys || args.head_dim > kMostHead || args.head_dim % 8 != 0)
    return cudaErrorInvalidValue;
  return args.tq == 1 ? Launch<1>(args, element, stream) : Launch<4>(args, element, stream);
}

cudaError_t Attention(const AttentionArgs& args, model::Element element, cudaStream_t stream) {
  if (args.tq > 1 && AttentionOnTensorCores(args, element))
    return AttentionTensorCores(args, element, stream);
  return AttentionPlain(args, element, stream);
}

}  // namespace photovec::device
