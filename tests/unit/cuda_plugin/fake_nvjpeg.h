// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "device/cuda/plugin/jpeg/nvjpeg_library.h"

/// nvJPEG on the fake runtime: its "JPEGs" are a header and a seed. It takes and leaves memory for every
/// photo, as the real one does without a pool; its hardware writes pixels at once, whatever is queued on the
/// stream (as engines of an H100 do), its CUDA decoder when its turn comes. Its state is the process's.
namespace photovec::device::test {

struct FakeNvJpeg {
  static FakeNvJpeg& Get();

  bool has_engines = true;
  bool can_interpolate = true;
  int subsampling = 2;     ///< of all photos
  int fails_on_call = -1;  ///< the batch_decode of this number fails, whatever is in it

  int handles = 0;  ///< alive
  int states = 0;
  int initialized = 0;   ///< calls
  int decode_calls = 0;  ///< of batch_decode
  int preallocated_for = 0;
  std::vector<int> batches;  ///< sizes of those that were decoded
  int trampled = 0;          ///< blocks that somebody else wrote to while work with them was queued
};

const device::NvJpegLibrary& FakeNvJpegLibrary();

/// \param faulty its header is good and its data is not.
std::vector<uint8_t> FakeJpeg(int width, int height, uint8_t seed, bool faulty = false, int components = 3);
/// [height, width, 3].
std::vector<uint8_t> PixelsOf(const std::vector<uint8_t>& fake_jpeg);

}  // namespace photovec::device::test
