// SPDX-License-Identifier: MIT
#include "device/cuda/plugin/kernels/fp8.cuh"

#include "device/cuda/plugin/kernels/activation.cuh"
#include "device/cuda/plugin/kernels/dispatch.cuh"
#include "device/cuda/plugin/kernels/elements.cuh"
#include "device/cuda/plugin/kernels/kernels.h"
#include "device/cuda/plugin/kernels/launch.cuh"

namespace photovec::device {
namespace {

constexpr int kThreads = 256;
constexpr int kMostVectors = 4;  // of eight a thread
static_assert(kMostFp8Columns == kThreads * kMostVectors * 8);

// The largest of all threads' x, to all of them; blockDim.x is a multiple of 32.
__device__ __forceinline__ float BlockMax(float x) {
  __shared__ float warps[kThreads / 32];
  x = WarpMax(x);
  if (threadIdx.x % 32 == 0) warps[threadIdx.x / 32] = x;
  __syncthreads();
  for (unsigned i = 0; i < blockDim.x / 32; ++i) x = fmaxf(x, warps[i]);
  return x;
}

// A row a block, kVectors eights a thread: make(at) gives the eight values from column `at` on.
template <int kVectors, typename Make>
__device__ __forceinline__ void QuantizeRow(int columns, const Fp8Rows& out, Make make) {
  Eight part[kVectors];
  float most = 0;
#pragma unroll
  for (int i = 0; i < kVectors; ++i) {
    const int at = static_cast<int>(threadIdx.x + i * blockDim.x) * 8;
    if (at >= columns) continue;
    part[i] = make(at);
    most = MostOf8(most, part[i]);
  }
  const Fp8Scale scale = Fp8ScaleFor(BlockMax(most));
  if (threadIdx.x == 0) out.scales[blockIdx.x] = scale.scale;
  uint8_t* values = out.values + static_cast<size_t>(blockIdx.x) * columns;
#pragma unroll
  for (int i = 0; i < kVectors; ++i) {
    const int at = static_cast<int>(threadIdx.x + i * blockDim.x) * 8;
    if (at < columns) StoreFp8(part[i], scale.inverse, values + at);
  }
}

template <model::Activation kActivation, int kVectors>
__global__ void __launch_bounds__(kThreads) ActivateKernel(ActivateArgs args, Fp8Rows out) {
  const __half* x = static_cast<const __half*>(args.x) + static_cast<size_t>(blockIdx.x) * args.columns;
  QuantizeRow<kVectors>(args.columns, out, [&](int at) {
    Eight values = Load8(x + at);
    const Eight bias = Load8(args.bias + at);
#pragma unroll
    for (int i = 0; i < 8; ++i) values.v[i] = Act<kActivation>(values.v[i] + bias.v[i]);
    return values;
  });
}

template <model::Activation kActivation, int kVectors>
__global__ void __launch_bounds__(kThreads) ActivateGatedKernel(ActivateArgs args, Fp8Rows out) {
  const __half* x = static_cast<const __half*>(args.x) + static_cast<size_t>(blockIdx.x) * 2 * args.columns;
  QuantizeRow<kVectors>(args.columns, out, [&](int at) {
    return Gated<kActivation>(Load8(x + at), Load8(x + args.columns + at), args.bias + at,
                              args.bias + args.columns + at);
  });
}

template <int kVectors>
__global__ void __launch_bounds__(kThreads) QuantizeKernel(const __half* in, int columns, Fp8Rows out) {
  const __half* x = in + static_cast<size_t>(blockIdx.x) * columns;
  QuantizeRow<kVectors>(columns, out, [&](int at) { return Load8(x + at); });
}

__global__ void FillKernel(uint8_t* out, size_t eights, int columns) {
  for (size_t i = static_cast<size_t>(blockIdx.x) * kThreads + threadIdx.x; i < eights;
       i += static_cast<size_t>(gridDim.x) * kThreads) {
    Eight values;
    for (int k = 0; k < 8; ++k) values.v[k] = Noise(static_cast<uint32_t>((i * 8 + k) % columns));
    StoreFp8(values, Fp8ScaleFor(1).inverse, out + i * 8);
  }
}

__global__ void FillScalesKernel(float* scales, int count) {
  const int at = static_cast<int>(blockIdx.x * kThreads + threadIdx.x);
  if (at < count) scales[at] = Fp8ScaleFor(1).scale;
}

// Calls launch(std::integral_constant<int, kVectors>, threads): enough for `columns`, few threads idle.
template <typename Launch>
cudaError_t WithRowBlock(int columns, Launch launch) {
  if (columns > kMostFp8Columns) return cudaErrorInvalidValue;
  const auto threads = [&](int vectors) {
    return 32 * CeilDiv(static_cast<size_t>(columns), static_cast<size_t>(vectors) * 8 * 32);
  };
  if (columns <= kThreads * 8) {
    launch(std::integral_constant<int, 1>(), threads(1));
  } else if (columns <= kThreads * 16) {
    launch(std::integral_constant<int, 2>(), threads(2));
  } else {
    launch(std::integral_constant<int, kMostVectors>(), threads(kMostVectors));
  }
  return cudaGetLastError();
}

}  // namespace

cudaError_t ActivateFp8(const ActivateArgs& args, const Fp8Rows& out, cudaStream_t stream) {
  return WithRowBlock(args.columns, [&](auto vectors, unsigned threads) {
    WithActivation(args.activation, [&](auto activation) {
      LaunchKernel(
          args.gated ? ActivateGatedKernel<activation(), vectors()> : ActivateKernel<activation(), vectors()>,
          static_cast<unsigned>(args.rows), threads, 0, stream, args, out);
    });
  });
}

cudaError_t QuantizeRows(const void* in, int rows, int columns, const Fp8Rows& out, cudaStream_t stream) {
  return WithRowBlock(columns, [&](auto vectors, unsigned threads) {
    LaunchKernel(QuantizeKernel<vectors()>, static_cast<unsigned>(rows), threads, 0, stream,
                 static_cast<const __half*>(in), columns, out);
  });
}

cudaError_t FillEqualFp8Rows(uint8_t* out, int rows, int columns, cudaStream_t stream) {
  const size_t eights = static_cast<size_t>(rows) * static_cast<size_t>(columns) / 8;
  LaunchKernel(FillKernel, 1024, kThreads, 0, stream, out, eights, columns);
  return cudaGetLastError();
}

cudaError_t FillFp8Scales(float* scales, int count, cudaStream_t stream) {
  LaunchKernel(FillScalesKernel, CeilDiv(static_cast<size_t>(count), kThreads), kThreads, 0, stream, scales,
               count);
  return cudaGetLastError();
}

}  // namespace photovec::device
