// SPDX-License-Identifier: MIT
#include "device/cuda/plugin/kernels/resize.h"

namespace photovec::device {
namespace {

constexpr int kThreads = 256;
constexpr int kFractionBits = preprocess::TapTable::kPrecisionBits;
constexpr int kDigitBits = preprocess::TapTable::kDigitBits;

__device__ __forceinline__ int Coef(int32_t high, int32_t low, bool second) {
  const int h = second ? high >> 16 : static_cast<int16_t>(high & 0xFFFF);
  const int l = second ? low >> 16 : static_cast<int16_t>(low & 0xFFFF);
  return h * (1 << kDigitBits) + l;
}

// The tap's sum over value(i), i counted from the axis' first input; inputs from `inputs` on have coefficient
// 0.
template <typename Value>
__device__ __forceinline__ uint8_t Filter(const preprocess::Tap& tap, const int32_t* coefs, int inputs,
                                          Value value) {
  int sum = 1 << (kFractionBits - 1);
  for (int p = 0; p < tap.pairs; ++p) {
    const int32_t high = coefs[tap.coefs + 2 * p];
    const int32_t low = coefs[tap.coefs + 2 * p + 1];
    const int at = 2 * (tap.first_pair + p);
    sum += Coef(high, low, false) * value(at);
    if (at + 1 < inputs) sum += Coef(high, low, true) * value(at + 1);
  }
  return static_cast<uint8_t>(min(max(sum >> kFractionBits, 0), 255));
}

// A block: one line along x of one image, from the photo to x.count pixels.
__global__ void FilterLines(const ResizeImage* images) {
  extern __shared__ uint8_t line[];
  const ResizeImage& image = images[blockIdx.y];
  const int row = static_cast<int>(blockIdx.x);
  if (row >= image.y.end_in - image.y.first_in) return;
  const int inputs = image.x.end_in - image.x.first_in;
  const int across = image.y.first_in + row;
  const size_t pitch = static_cast<size_t>(image.width) * 3;
  for (int i = static_cast<int>(threadIdx.x); i < inputs * 3; i += kThreads) {
    const int along = image.x.first_in + i / 3;
    line[i] = image.transposed ? image.pixels[along * pitch + static_cast<size_t>(across) * 3 + i % 3]
                               : image.pixels[across * pitch + static_cast<size_t>(image.x.first_in) * 3 + i];
  }
  __syncthreads();
  uint8_t* to = image.between + static_cast<size_t>(row) * image.x.count * 3;
  for (int i = static_cast<int>(threadIdx.x); i < image.x.count * 3; i += kThreads) {
    const preprocess::Tap tap = image.x.taps[i / 3];
    const int channel = i % 3;
    to[tap.out * 3 + channel] =
        Filter(tap, image.x.coefs, inputs, [&](int at) { return static_cast<int>(line[at * 3 + channel]); });
  }
}

// A block: one row of the output.
__global__ void FilterRows(const ResizeImage* images) {
  const ResizeImage& image = images[blockIdx.y];
  if (static_cast<int>(blockIdx.x) >= image.y.count) return;
  const preprocess::Tap tap = image.y.taps[blockIdx.x];
  const int inputs = image.y.end_in - image.y.first_in;
  const size_t lanes = static_cast<size_t>(image.x.count) * 3;
  uint8_t* to =
      image.out +
      (static_cast<size_t>(image.y.pad + tap.out) * static_cast<size_t>(image.crop) + image.x.pad) * 3;
  for (size_t lane = threadIdx.x; lane < lanes; lane += kThreads) {
    to[lane] = Filter(tap, image.y.coefs, inputs,
                      [&](int at) { return static_cast<int>(image.between[at * lanes + lane]); });
  }
}

}  // namespace

cudaError_t Resize(const ResizeImage* images, int count, int most_between, int most_out, int most_line,
                   cudaStream_t stream) {
  const auto batch = static_cast<unsigned>(count);
  FilterLines<<<dim3(static_cast<unsigned>(most_between), batch), kThreads,
                static_cast<size_t>(most_line) * 3, stream>>>(images);
  const cudaError_t error = cudaGetLastError();
  if (error != cudaSuccess) return error;
  FilterRows<<<dim3(static_cast<unsigned>(most_out), batch), kThreads, 0, stream>>>(images);
  return cudaGetLastError();
}

}  // namespace photovec::device
