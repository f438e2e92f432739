// SPDX-License-Identifier: MIT
#pragma once

// What nvcc gives to a .cu file, for the compiler of the CPU; included before everything else in one.
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_fp8.h>
#include <cuda_runtime.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>

/// CUDA kernels on a CPU, to prove their arithmetic, indices and barriers where there is no GPU: blocks run
/// one after the other, the threads of a block as fibers that change at barriers alone. What it cannot show:
/// races between barriers, alignment, memory limits, speed. One thread of the CPU.
namespace photovec::device::emulated {

struct ThreadState {
  uint3 thread;
  uint3 block;
  dim3 block_size;
  dim3 grid_size;
};
/// Of the fiber that runs.
const ThreadState& This();

/// Waits for all threads of the block that have not ended.
void BlockBarrier();
/// Every thread of a warp gives `bytes` and gets what all 32 gave, in order: the base of every warp-wide
/// instruction. Valid until the thread's next call but one.
const uint8_t* ExchangeInWarp(const void* mine, size_t bytes);
constexpr size_t kMostExchanged = 64;

/// Runs `body` as each thread of the grid.
/// \param kernel tells kernels apart.
void RunGrid(const void* kernel, dim3 grid, dim3 block, size_t shared_bytes,
             const std::function<void()>& body);
void* DynamicSharedMemory();

template <typename T>
T ShuffleXor(T value, int lane) {
  static_assert(sizeof(T) <= kMostExchanged);
  const uint8_t* all = ExchangeInWarp(&value, sizeof(value));
  const unsigned self = This().thread.x % 32;  // blocks are whole warps wide
  std::memcpy(&value, all + (self ^ static_cast<unsigned>(lane)) * kMostExchanged, sizeof(value));
  return value;
}

}  // namespace photovec::device::emulated

// NOLINTBEGIN: the names are CUDA's
#undef __shared__
#define __shared__ static
#undef __launch_bounds__
#define __launch_bounds__(...)
#define threadIdx (::photovec::device::emulated::This().thread)
#define blockIdx (::photovec::device::emulated::This().block)
#define blockDim (::photovec::device::emulated::This().block_size)
#define gridDim (::photovec::device::emulated::This().grid_size)
#define __syncthreads() ::photovec::device::emulated::BlockBarrier()
#define __syncwarp() static_cast<void>(::photovec::device::emulated::ShuffleXor(0, 0))
#define __shfl_xor_sync(mask, value, lane) ::photovec::device::emulated::ShuffleXor(value, lane)
#define __expf(x) std::exp(x)
using std::max;
using std::min;
inline float rsqrtf(float x) { return 1.0F / std::sqrt(x); }
inline float __uint_as_float(unsigned x) { return std::bit_cast<float>(x); }
inline void atomicAdd(unsigned* to, unsigned by) { *to += by; }
// NOLINTEND
