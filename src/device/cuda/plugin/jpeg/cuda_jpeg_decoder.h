// SPDX-License-Identifier: MIT
#pragma once

#include <cuda_runtime.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "device/cuda/platform.h"
#include "device/cuda/plugin/device_memory.h"
#include "device/cuda/plugin/jpeg/nvjpeg_decoder.h"
#include "device/cuda/plugin/kernels/resize.h"

namespace photovec::device {

/// See JpegDecoder. All memory but nvJPEG's own is taken at Create().
class CudaJpegDecoder final : public JpegDecoder {
 public:
  /// \param library outlives the decoder.
  static Result<std::unique_ptr<CudaJpegDecoder>> Create(const NvJpegLibrary& library, int device,
                                                         const JpegDecoderOptions& options);
  ~CudaJpegDecoder() override;

  const std::string& detail() const override { return decoder_->detail(); }
  JpegDecoderCounts counts() const override;
  bool usable() const override { return !hangs_.load(std::memory_order_acquire); }
  size_t Run(std::span<JpegJob* const> jobs) override;

 private:
  /// Bytes in the decoder's buffers, dealt out from the front for each batch.
  struct Cursor {
    size_t pixels = 0;
    size_t between = 0;
    size_t tables = 0;
    size_t out = 0;
  };
  CudaJpegDecoder(int device, const JpegDecoderOptions& options);
  Status Prepare(const NvJpegLibrary& library);
  bool Fits(const JpegJob& job, Cursor& after) const;
  void Place(const JpegJob& job, const Cursor& at, ResizeImage& image);
  DeviceAxis PlaceAxis(const preprocess::TapTable& table, int pad, size_t& tables);
  Status DecodeAndResize(std::span<JpegJob* const> jobs);
  /// Queues the decoding (or copying) of all pixels; jobs that nvJPEG cannot take get kNotImplemented.
  Status StartDecoding(std::span<JpegJob* const> jobs);
  Status DecodeInHalves(std::span<JpegJob* const> jobs, size_t first, size_t end);
  Status StartResizing(std::span<JpegJob* const> jobs);
  /// Sleeps until all that was queued is done. kDeviceFailed when that takes longer than patience: hangs_.
  Status Wait();

  const int device_;
  const JpegDecoderOptions options_;
  cudaStream_t stream_ = nullptr;
  cudaEvent_t begin_ = nullptr;
  cudaEvent_t decoded_ = nullptr;
  cudaEvent_t end_ = nullptr;
  std::unique_ptr<NvJpegDecoder> decoder_;
  DeviceArena arena_;
  uint8_t* pixels_ = nullptr;           // decoded photos
  uint8_t* between_ = nullptr;          // after the first pass
  uint8_t* out_ = nullptr;              // models' pixels
  uint8_t* tables_ = nullptr;           // on the device: taps and coefficients, then the ResizeImages
  uint8_t* tables_host_ = nullptr;      // pinned
  ResizeImage* images_ = nullptr;       // on the device, within tables_
  ResizeImage* images_host_ = nullptr;  // within tables_host_
  uint8_t* out_host_ = nullptr;         // pinned: out_ comes back in one piece
  Cursor used_;                         // by the batch at hand
  std::vector<size_t> which_;           // jobs that nvJPEG decodes,
  std::vector<NvJpegPhoto> photos_;     // and these, as it takes them
  JpegDecoderCounts counts_;
  std::atomic<bool> hangs_{false};
};

}  // namespace photovec::device
