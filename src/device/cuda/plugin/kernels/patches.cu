// SPDX-License-Identifier: MIT
#include <type_traits>

#include "device/cuda/plugin/kernels/dispatch.cuh"
#include "device/cuda/plugin/kernels/elements.cuh"
#include "device/cuda/plugin/kernels/kernels.h"
#include "device/cuda/plugin/kernels/launch.cuh"

namespace photovec::device {
namespace {

constexpr int kThreads = 256;

// One thread: eight neighbouring columns of one patch row.
template <typename T>
__global__ void PatchesKernel(PatchArgs args) {
  const int groups = args.depth / 8;
  const int grid = args.image_size / args.patch_size;
  const int run = args.patch_size * 3;  // bytes of one line of a patch
  const size_t index = static_cast<size_t>(blockIdx.x) * kThreads + threadIdx.x;
  const size_t row = index / groups;
  if (row >= static_cast<size_t>(args.images) * grid * grid) return;
  const int first = static_cast<int>(index % groups) * 8;
  const int image = static_cast<int>(row / (grid * grid));
  const int patch = static_cast<int>(row % (grid * grid));
  const size_t line_bytes = static_cast<size_t>(args.image_size) * 3;
  const uint8_t* corner = args.pixels + image * line_bytes * args.image_size +
                          static_cast<size_t>(patch / grid) * args.patch_size * line_bytes +
                          static_cast<size_t>(patch % grid) * run;
  Eight out;
  if (run % 8 == 0 && line_bytes % 8 == 0) {  // all eight lie in one line, 8-byte aligned
    const int y = first / run;
    const uint2 raw = *reinterpret_cast<const uint2*>(corner + y * line_bytes + first % run);
    const uint32_t words[2] = {raw.x, raw.y};
#pragma unroll
    for (int i = 0; i < 8; ++i) {
      out.v[i] = static_cast<float>((words[i / 4] >> (8 * (i % 4))) & 0xFFU) * args.scale;
    }
  } else {
#pragma unroll
    for (int i = 0; i < 8; ++i) {
      const int column = first + i;
      const int y = column / run;
      out.v[i] =
          y < args.patch_size ? static_cast<float>(corner[y * line_bytes + column % run]) * args.scale : 0.0F;
    }
  }
  Store8(out, static_cast<T*>(args.out) + row * args.depth + first);
}

}  // namespace

cudaError_t Patches(const PatchArgs& args, model::Element element, cudaStream_t stream) {
  const int grid = args.image_size / args.patch_size;
  const size_t threads = static_cast<size_t>(args.images) * grid * grid * (args.depth / 8);
  WithElement(element, [&](auto* type) {
    using T = std::remove_pointer_t<decltype(type)>;
    LaunchKernel(PatchesKernel<T>, CeilDiv(threads, kThreads), kThreads, 0, stream, args);
  });
  return cudaGetLastError();
}

}  // namespace photovec::device
