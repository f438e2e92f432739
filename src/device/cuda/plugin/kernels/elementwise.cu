// SPDX-License-Identifier: MIT
#include <type_traits>

#include "device/cuda/plugin/kernels/activation.cuh"
#include "device/cuda/plugin/kernels/dispatch.cuh"
#include "device/cuda/plugin/kernels/elements.cuh"
#include "device/cuda/plugin/kernels/kernels.h"
#include "device/cuda/plugin/kernels/launch.cuh"

namespace photovec::device {
namespace {

using model::Activation;
constexpr int kThreads = 256;

template <typename T, Activation kActivation>
__global__ void ActivateKernel(ActivateArgs args) {
  const size_t at = (static_cast<size_t>(blockIdx.x) * kThreads + threadIdx.x) * 8;
  if (at >= static_cast<size_t>(args.rows) * args.columns) return;
  T* x = static_cast<T*>(args.x) + at;
  Eight values = Load8(x);
  const Eight bias = Load8(args.bias + at % args.columns);
#pragma unroll
  for (int i = 0; i < 8; ++i) values.v[i] = Act<kActivation>(values.v[i] + bias.v[i]);
  Store8(values, x);
}

template <typename T>
__global__ void GatherKernel(const T* in, size_t stride_rows, int dim, T* out) {
  const size_t row = blockIdx.x;
  for (int at = static_cast<int>(threadIdx.x) * 8; at < dim; at += static_cast<int>(blockDim.x) * 8) {
    Store8(Load8(in + row * stride_rows * dim + at), out + row * dim + at);
  }
}

template <typename T>
__global__ void FillKernel(T* out, size_t elements, int columns) {
  for (size_t at = static_cast<size_t>(blockIdx.x) * kThreads + threadIdx.x; at < elements;
       at += static_cast<size_t>(gridDim.x) * kThreads) {
    out[at] = static_cast<T>(Noise(static_cast<uint32_t>(at % columns)));
  }
}

__global__ void CompareKernel(const uint32_t* in, size_t words, size_t row_words, unsigned* different) {
  unsigned found = 0;
  for (size_t at = static_cast<size_t>(blockIdx.x) * kThreads + threadIdx.x; at < words;
       at += static_cast<size_t>(gridDim.x) * kThreads) {
    found += in[at] != in[at % row_words] ? 1 : 0;
  }
  if (found > 0) atomicAdd(different, found);
}

}  // namespace

cudaError_t Activate(const ActivateArgs& args, model::Element element, cudaStream_t stream) {
  const unsigned grid =
      CeilDiv(static_cast<size_t>(args.rows) * static_cast<size_t>(args.columns) / 8, kThreads);
  WithElement(element, [&](auto* type) {
    using T = std::remove_pointer_t<decltype(type)>;
    WithActivation(args.activation, [&](auto activation) {
      LaunchKernel(ActivateKernel<T, activation()>, grid, kThreads, 0, stream, args);
    });
  });
  return cudaGetLastError();
}

cudaError_t GatherRows(const void* in, size_t stride_rows, int rows, int dim, model::Element element,
                       void* out, cudaStream_t stream) {
  WithElement(element, [&](auto* type) {
    using T = std::remove_pointer_t<decltype(type)>;
    LaunchKernel(GatherKernel<T>, static_cast<unsigned>(rows), 128, 0, stream, static_cast<const T*>(in), stride_rows,
                                                                     dim, static_cast<T*>(out));
  });
  return cudaGetLastError();
}

cudaError_t FillEqualRows(void* out, int rows, int columns, model::Element element, cudaStream_t stream) {
  const size_t elements = static_cast<size_t>(rows) * static_cast<size_t>(columns);
  WithElement(element, [&](auto* type) {
    using T = std::remove_pointer_t<decltype(type)>;
    LaunchKernel(FillKernel<T>, 1024, kThreads, 0, stream, static_cast<T*>(out), elements, columns);
  });
  return cudaGetLastError();
}

cudaError_t CompareRows(const void* in, int rows, size_t row_bytes, unsigned* different,
                        cudaStream_t stream) {
  const size_t row_words = row_bytes / 4;
  LaunchKernel(CompareKernel, 1024, kThreads, 0, stream, static_cast<const uint32_t*>(in),
                                               row_words * static_cast<size_t>(rows), row_words, different);
  return cudaGetLastError();
}

}  // namespace photovec::device
