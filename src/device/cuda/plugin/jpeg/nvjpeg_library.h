// SPDX-License-Identifier: MIT
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <string>

#include "base/result.h"

namespace photovec::device {

/// The few functions of libnvjpeg that JpegDecoder calls, found at run time: the library is no part of every
/// CUDA installation (PyPI has it as nvidia-nvjpeg). Names and values are those of NVIDIA's nvJPEG 12 and 13
/// documentation.
struct NvJpegLibrary {
  using Handle = void*;
  using State = void*;
  /// One output: interleaved RGB is its channel 0.
  struct Image {
    unsigned char* channel[4] = {};
    size_t pitch[4] = {};
  };
  enum Status : int {
    kSuccess = 0,
    kBadJpeg = 3,
    kNotSupported = 4,
    kExecutionFailed = 6,
    kArchMismatch = 7
  };
  /// Where nvJPEG takes and leaves its memory; `stream` is the one that it will be used on.
  struct Allocator {
    int (*take)(void* context, void** block, size_t bytes, cudaStream_t stream) = nullptr;  ///< 0: done
    int (*leave)(void* context, void* block, size_t bytes, cudaStream_t stream) = nullptr;
    void* context = nullptr;
  };
  enum Backend : int { kGpuHybrid = 2, kHardware = 3 };
  enum Subsampling : int { k444 = 0, k411 = 4, k410 = 5, k410V = 7 };  ///< negative: not known
  enum Output : int { kInterleavedRgb = 5 };
  enum Flags : unsigned { kNone = 0, kInterpolatedUpsampling = 1U << 5 };

  int (*get_property)(int type, int* value) = nullptr;
  /// \param device,
  /// \param pinned outlive the handle.
  int (*create)(int backend, Allocator* device, Allocator* pinned, unsigned flags, Handle* handle) = nullptr;
  int (*destroy)(Handle handle) = nullptr;
  int (*state_create)(Handle handle, State* state) = nullptr;
  int (*state_destroy)(State state) = nullptr;
  int (*image_info)(Handle handle, const unsigned char* data, size_t length, int* components,
                    int* subsampling, int* widths, int* heights) = nullptr;
  int (*hardware_info)(Handle handle, unsigned* engines, unsigned* cores_per_engine) = nullptr;
  int (*batch_preallocate)(Handle handle, State state, int batch, int width, int height, int subsampling,
                           int output) = nullptr;
  int (*batch_initialize)(Handle handle, State state, int batch, int cpu_threads, int output) = nullptr;
  int (*batch_decode)(Handle handle, State state, const unsigned char* const* data, const size_t* lengths,
                      Image* destinations, cudaStream_t stream) = nullptr;

  std::string version;  ///< "13.3.2"

  /// Opened once, never closed. PHOTOVEC_NVJPEG names the file; else libnvjpeg.so.13 or .12 by the loader's
  /// rules. Errors: kUnavailable with the loader's message and where to get it.
  static Result<const NvJpegLibrary*> Get();
};

}  // namespace photovec::device
