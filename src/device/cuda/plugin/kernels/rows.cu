// SPDX-License-Identifier: MIT
#include <type_traits>

#include "device/cuda/plugin/kernels/dispatch.cuh"
#include "device/cuda/plugin/kernels/elements.cuh"
#include "device/cuda/plugin/kernels/fp8.cuh"
#include "device/cuda/plugin/kernels/kernels.h"
#include "device/cuda/plugin/kernels/launch.cuh"

namespace photovec::device {
namespace {

constexpr int kMostVectors = 8;  // of eight floats a lane: D up to 2048

// One row of D floats in the registers of a warp: lane l holds vectors l, l + 32, …
template <int kVectors>
struct Row {
  Eight part[kVectors];

  template <typename Make>
  __device__ __forceinline__ void Fill(int dim, Make make) {
#pragma unroll
    for (int i = 0; i < kVectors; ++i) {
      const int at = (static_cast<int>(threadIdx.x) + 32 * i) * 8;
      if (at < dim) {
        part[i] = make(at);
      } else {
#pragma unroll
        for (float& v : part[i].v) v = 0;
      }
    }
  }
  template <typename Visit>
  __device__ __forceinline__ void Each(int dim, Visit visit) {
#pragma unroll
    for (int i = 0; i < kVectors; ++i) {
      const int at = (static_cast<int>(threadIdx.x) + 32 * i) * 8;
      if (at < dim) visit(at, part[i]);
    }
  }
  // Two passes over registers: no cancellation whatever the mean.
  __device__ __forceinline__ void Normalize(int dim, float eps, const Affine& affine) {
    float sum = 0;
    Each(dim, [&](int, Eight& x) {
#pragma unroll
      for (const float v : x.v) sum += v;
    });
    const float mean = WarpSum(sum) / static_cast<float>(dim);
    float squares = 0;
    Each(dim, [&](int, Eight& x) {
#pragma unroll
      for (const float v : x.v) squares += (v - mean) * (v - mean);
    });
    const float scale = rsqrtf(WarpSum(squares) / static_cast<float>(dim) + eps);
    Each(dim, [&](int at, Eight& x) {
#pragma unroll
      for (float& v : x.v) v = (v - mean) * scale;
      if (affine.gamma != nullptr) {
        const Eight gamma = Load8(affine.gamma + at);
        const Eight beta = Load8(affine.beta + at);
#pragma unroll
        for (int i = 0; i < 8; ++i) x.v[i] = x.v[i] * gamma.v[i] + beta.v[i];
      }
    });
  }
  __device__ __forceinline__ void Quantize(int dim, int r, const Fp8Rows& out) {
    float most = 0;
    Each(dim, [&](int, Eight& x) { most = MostOf8(most, x); });
    const Fp8Scale scale = Fp8ScaleFor(WarpMax(most));
    if (threadIdx.x == 0) out.scales[r] = scale.scale;
    uint8_t* values = out.values + static_cast<size_t>(r) * dim;
    Each(dim, [&](int at, Eight& x) { StoreFp8(x, scale.inverse, values + at); });
  }
};

__device__ __forceinline__ Eight Plus(const Eight& a, const Eight& b) {
  Eight sum;
#pragma unroll
  for (int i = 0; i < 8; ++i) sum.v[i] = a.v[i] + b.v[i];
  return sum;
}

template <typename T, typename Out, int kVectors, bool kFp8 = false>
__global__ void ResidualKernel(ResidualArgs args) {
  const int r = static_cast<int>(blockIdx.x * blockDim.y + threadIdx.y);
  if (r >= args.rows) return;
  float* x = args.x + r * args.x_stride;
  const T* product = static_cast<const T*>(args.product) + static_cast<size_t>(r) * args.dim;
  Row<kVectors> row;
  row.Fill(args.dim,
           [&](int at) { return Plus(Load8(x + at), Plus(Load8(product + at), Load8(args.bias + at))); });
  row.Each(args.dim, [&](int at, Eight& v) { Store8(v, x + at); });
  if (args.norm) row.Normalize(args.dim, args.eps, args.affine);
  if constexpr (kFp8) {
    row.Quantize(args.dim, r, args.fp8);
    if (args.out == nullptr) return;
  }
  Out* out = static_cast<Out*>(args.out) + static_cast<size_t>(r) * args.dim;
  row.Each(args.dim, [&](int at, Eight& v) { Store8(v, out + at); });
}

template <typename T, int kVectors, bool kFp8 = false>
__global__ void EmbedKernel(EmbedArgs args) {
  const int tokens = args.patches + args.prefix;
  const int r = static_cast<int>(blockIdx.x * blockDim.y + threadIdx.y);
  if (r >= args.images * tokens) return;
  const int image = r / tokens;
  const int patch = r % tokens - args.prefix;
  const T* product =
      static_cast<const T*>(args.product) + (static_cast<size_t>(image) * args.patches + patch) * args.dim;
  const float* position = args.position + static_cast<ptrdiff_t>(patch) * args.dim;
  Row<kVectors> row;
  if (patch < 0) {
    const float* prefix = args.prefix_rows + static_cast<ptrdiff_t>(args.prefix + patch) * args.dim;
    row.Fill(args.dim, [&](int at) { return Load8(prefix + at); });
  } else {
    row.Fill(args.dim, [&](int at) { return Plus(Load8(product + at), Load8(position + at)); });
    if (args.pre_norm) row.Normalize(args.dim, args.eps, args.affine);
  }
  float* x = args.x + static_cast<size_t>(r) * args.dim;
  row.Each(args.dim, [&](int at, Eight& v) { Store8(v, x + at); });
  row.Normalize(args.dim, args.eps, Affine());
  if constexpr (kFp8) {
    row.Quantize(args.dim, r, args.fp8);
    if (args.normed == nullptr) return;
  }
  T* normed = static_cast<T*>(args.normed) + static_cast<size_t>(r) * args.dim;
  row.Each(args.dim, [&](int at, Eight& v) { Store8(v, normed + at); });
}

template <typename T, int kVectors>
__global__ void EmbedTokensKernel(EmbedTokensArgs args) {
  const int r = static_cast<int>(blockIdx.x * blockDim.y + threadIdx.y);
  if (r >= args.rows) return;
  const T* token = static_cast<const T*>(args.token_rows) + static_cast<size_t>(args.ids[r]) * args.dim;
  const float* position = args.position + static_cast<size_t>(args.places[r]) * args.dim;
  Row<kVectors> row;
  row.Fill(args.dim, [&](int at) { return Plus(Load8(token + at), Load8(position + at)); });
  float* x = args.x + static_cast<size_t>(r) * args.dim;
  row.Each(args.dim, [&](int at, Eight& v) { Store8(v, x + at); });
  row.Normalize(args.dim, args.eps, Affine());
  T* normed = static_cast<T*>(args.normed) + static_cast<size_t>(r) * args.dim;
  row.Each(args.dim, [&](int at, Eight& v) { Store8(v, normed + at); });
}

// Calls launch(std::integral_constant<int, kVectors>) with enough vectors for `dim`.
template <int kVectors = 1, typename Launch>
cudaError_t WithVectors(int dim, Launch launch) {
  if constexpr (kVectors > kMostVectors) {
    return cudaErrorInvalidValue;
  } else {
    if (dim > kVectors * 256) return WithVectors<kVectors + 1>(dim, launch);
    launch(std::integral_constant<int, kVectors>());
    return cudaGetLastError();
  }
}

// Few rows are spread over all multiprocessors; many share blocks.
dim3 RowsBlock(int rows) { return {32, rows <= 2048 ? 1U : 4U}; }

}  // namespace

cudaError_t ResidualNorm(const ResidualArgs& args, model::Element element, cudaStream_t stream) {
  const dim3 block = RowsBlock(args.rows);
  const unsigned grid = CeilDiv(static_cast<size_t>(args.rows), block.y);
  const bool fp8 = args.fp8.values != nullptr;
  if (fp8 && (element != model::Element::kF16 || args.out_f32)) return cudaErrorInvalidValue;
  return WithVectors(args.dim, [&](auto vectors) {
    if (fp8) {
      LaunchKernel(ResidualKernel<__half, __half, vectors(), true>, grid, block, 0, stream, args);
      return;
    }
    WithElement(element, [&](auto* type) {
      using T = std::remove_pointer_t<decltype(type)>;
      if (args.out_f32) {
        LaunchKernel(ResidualKernel<T, float, vectors()>, grid, block, 0, stream, args);
      } else {
        LaunchKernel(ResidualKernel<T, T, vectors()>, grid, block, 0, stream, args);
      }
    });
  });
}

cudaError_t EmbedRows(const EmbedArgs& args, model::Element element, cudaStream_t stream) {
  const int rows = args.images * (args.patches + args.prefix);
  const dim3 block = RowsBlock(rows);
  const unsigned grid = CeilDiv(static_cast<size_t>(rows), block.y);
  const bool fp8 = args.fp8.values != nullptr;
  if (fp8 && element != model::Element::kF16) return cudaErrorInvalidValue;
  return WithVectors(args.dim, [&](auto vectors) {
    if (fp8) {
      LaunchKernel(EmbedKernel<__half, vectors(), true>, grid, block, 0, stream, args);
      return;
    }
    WithElement(element, [&](auto* type) {
      using T = std::remove_pointer_t<decltype(type)>;
      LaunchKernel(EmbedKernel<T, vectors()>, grid, block, 0, stream, args);
    });
  });
}

cudaError_t EmbedTokens(const EmbedTokensArgs& args, model::Element element, cudaStream_t stream) {
  const dim3 block = RowsBlock(args.rows);
  const unsigned grid = CeilDiv(static_cast<size_t>(args.rows), block.y);
  return WithVectors(args.dim, [&](auto vectors) {
    WithElement(element, [&](auto* type) {
      using T = std::remove_pointer_t<decltype(type)>;
      LaunchKernel(EmbedTokensKernel<T, vectors()>, grid, block, 0, stream, args);
    });
  });
}

}  // namespace photovec::device
