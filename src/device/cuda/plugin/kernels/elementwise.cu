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

template <typename T, Activation kActivation>
__global__ void ActivateGatedKernel(ActivateArgs args) {
  const size_t at = (static_cast<size_t>(blockIdx.x) * kThreads + threadIdx.x) * 8;
  if (at >= static_cast<size_t>(args.rows) * args.columns) return;
  const size_t column = at % args.columns;
  const T* gate = static_cast<const T*>(args.x) + at / args.columns * args.columns * 2 + column;
  Store8(Gated<kActivation>(Load8(gate), Load8(gate + args.columns), args.bias + column,
                            args.bias + args.columns + column),
         static_cast<T*>(args.gated_out) + at);
}

template <typename T>
__global__ void GatherIndexedKernel(const T* in, const int* rows, int dim, T* out) {
  const T* from = in + static_cast<size_t>(rows[blockIdx.x]) * dim;
  T* to = out + static_cast<size_t>(blockIdx.x) * dim;
  for (int at = static_cast<int>(threadIdx.x) * 8; at < dim; at += static_cast<int>(blockDim.x) * 8) {
    Store8(Load8(from + at), to + at);
  }
}

// A thread: eight pairs of one part of one head of one row.
template <typename T>
__global__ void RotateKernel(RotaryArgs args) {
  const int half = args.head_dim / 2;
  const int groups = half / 8;
  const int patches = args.tokens - args.prefix;
  size_t index = static_cast<size_t>(blockIdx.x) * kThreads + threadIdx.x;
  const int first = static_cast<int>(index % groups) * 8;
  index /= groups;
  const int part = static_cast<int>(index % args.parts);
  index /= args.parts;
  const int head = static_cast<int>(index % args.heads);
  index /= args.heads;
  const int patch = static_cast<int>(index % patches);
  const size_t image = index / patches;
  if (image >= static_cast<size_t>(args.images)) return;
  T* low = static_cast<T*>(args.x) + (image * args.tokens + args.prefix + patch) * args.row +
           head * args.head + static_cast<size_t>(part) * args.head_dim + first;
  const Eight a = Load8(low);
  const Eight b = Load8(low + half);
  const Eight cosine = Load8(args.cosine + static_cast<size_t>(patch) * half + first);
  const Eight sine = Load8(args.sine + static_cast<size_t>(patch) * half + first);
  Eight turned_a;
  Eight turned_b;
#pragma unroll
  for (int i = 0; i < 8; ++i) {
    turned_a.v[i] = a.v[i] * cosine.v[i] - b.v[i] * sine.v[i];
    turned_b.v[i] = b.v[i] * cosine.v[i] + a.v[i] * sine.v[i];
  }
  Store8(turned_a, low);
  Store8(turned_b, low + half);
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
      LaunchKernel(args.gated ? ActivateGatedKernel<T, activation()> : ActivateKernel<T, activation()>, grid,
                   kThreads, 0, stream, args);
    });
  });
  return cudaGetLastError();
}

cudaError_t GatherRows(const void* in, size_t stride_rows, int rows, int dim, model::Element element,
                       void* out, cudaStream_t stream) {
  WithElement(element, [&](auto* type) {
    using T = std::remove_pointer_t<decltype(type)>;
    LaunchKernel(GatherKernel<T>, static_cast<unsigned>(rows), 128, 0, stream, static_cast<const T*>(in),
                 stride_rows, dim, static_cast<T*>(out));
  });
  return cudaGetLastError();
}

cudaError_t GatherIndexedRows(const void* in, const int* rows, int count, int dim, model::Element element,
                              void* out, cudaStream_t stream) {
  WithElement(element, [&](auto* type) {
    using T = std::remove_pointer_t<decltype(type)>;
    LaunchKernel(GatherIndexedKernel<T>, static_cast<unsigned>(count), 128, 0, stream,
                 static_cast<const T*>(in), rows, dim, static_cast<T*>(out));
  });
  return cudaGetLastError();
}

cudaError_t Rotate(const RotaryArgs& args, model::Element element, cudaStream_t stream) {
  if (args.head_dim % 16 != 0) return cudaErrorInvalidValue;
  const size_t threads = static_cast<size_t>(args.images) * static_cast<size_t>(args.tokens - args.prefix) *
                         static_cast<size_t>(args.heads * args.parts * args.head_dim / 16);
  WithElement(element, [&](auto* type) {
    using T = std::remove_pointer_t<decltype(type)>;
    LaunchKernel(RotateKernel<T>, CeilDiv(threads, kThreads), kThreads, 0, stream, args);
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
