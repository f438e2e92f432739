// SPDX-License-Identifier: MIT
#pragma once

#include <cuda_runtime.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "device/cuda/plugin/jpeg/nvjpeg_library.h"
#include "device/cuda/reuse_pool.h"

namespace photovec::device {

/// A JPEG and the device memory for its pixels, [height, width, 3].
struct NvJpegPhoto {
  std::span<const uint8_t> encoded;
  int width = 0;
  int height = 0;
  uint8_t* pixels = nullptr;
};

/// nvJPEG for batches of JPEGs on one CUDA stream, with memory that is kept from batch to batch. One caller
/// at a time, who has made the device current.
class NvJpegDecoder {
 public:
  struct Options {
    bool hardware = true;  ///< the GPU's JPEG engines; else its multiprocessors
    bool interpolate_chroma = true;
    int most_photos = 64;  ///< of a batch
    int device = 0;
  };
  /// \param stream outlives the decoder, and nothing runs on it when that ends.
  /// Errors: kUnavailable when this GPU has no such engines, or nvJPEG cannot use it.
  static Result<std::unique_ptr<NvJpegDecoder>> Create(const NvJpegLibrary& library, const Options& options,
                                                       cudaStream_t stream);
  ~NvJpegDecoder();
  NvJpegDecoder(const NvJpegDecoder&) = delete;
  NvJpegDecoder& operator=(const NvJpegDecoder&) = delete;

  /// "nvJPEG 13.0.1, 7 hardware engines"
  const std::string& detail() const { return detail_; }

  /// Whether nvJPEG reads the same size from the header, three components or one, and a chroma subsampling
  /// that this decoder knows: one that it does not would fail the whole batch. Any thread.
  bool Takes(const NvJpegPhoto& photo) const;

  /// Queues the decoding of all, when nothing else is queued. False when one of them, nobody knows which, is
  /// at fault: nothing can be said of any. **The engines do not wait for what was queued on the stream
  /// before** (seen on H100 by others: torchcodec's pull request 1634): memory that `photos` name must not be
  /// in use any more.
  bool Start(std::span<const NvJpegPhoto> photos);

  /// The stream is idle: nvJPEG's memory may be lent again.
  void Settle();

  /// How often nvJPEG's memory had to come from the driver, which stops the whole GPU: not at all once
  /// batches like these have been seen.
  int64_t allocations() const;

 private:
  NvJpegDecoder(const NvJpegLibrary& library, const Options& options, cudaStream_t stream);
  Status Prepare();
  int Create(unsigned flags);

  const NvJpegLibrary& library_;
  const Options options_;
  const cudaStream_t stream_;
  std::string detail_;
  ReusePool device_memory_;
  ReusePool pinned_memory_;
  NvJpegLibrary::Allocator device_allocator_;
  NvJpegLibrary::Allocator pinned_allocator_;
  NvJpegLibrary::Handle handle_ = nullptr;
  NvJpegLibrary::State state_ = nullptr;
  int prepared_for_ = 0;  // photos; 0: for nothing, or the last batch failed
  std::vector<const unsigned char*> data_;
  std::vector<size_t> lengths_;
  std::vector<NvJpegLibrary::Image> destinations_;
};

}  // namespace photovec::device
