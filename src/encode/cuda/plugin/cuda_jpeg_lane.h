// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "encode/cuda/device.h"
#include "encode/cuda/plugin/device_memory.h"
#include "encode/cuda/plugin/kernels/resize.h"
#include "encode/cuda/plugin/nvjpeg_library.h"

namespace photovec::encode::cuda {

/// See JpegLane. All memory but nvJPEG's own is taken at Create().
class CudaJpegLane final : public JpegLane {
 public:
  static Result<std::unique_ptr<CudaJpegLane>> Create(int device, const JpegLaneOptions& options);
  ~CudaJpegLane() override;

  const std::string& detail() const override { return detail_; }
  size_t Run(std::span<JpegTask* const> tasks) override;

 private:
  /// Bytes in the lane's buffers, dealt out from the front for each batch.
  struct Cursor {
    size_t pixels = 0;
    size_t between = 0;
    size_t tables = 0;
    size_t out = 0;
  };
  CudaJpegLane(const NvJpegLibrary& library, int device, const JpegLaneOptions& options);
  Status Prepare(bool hardware);
  bool Fits(const JpegTask& task, Cursor& after) const;
  void Place(const JpegTask& task, const Cursor& at, ResizeImage& image);
  DeviceAxis PlaceAxis(const ResizeAxis& axis, size_t& tables);
  /// Decodes (or copies) all pixels; tasks that nvJPEG cannot take get kNotImplemented.
  Status DecodePixels(std::span<JpegTask* const> tasks);
  bool DecodeTogether(std::span<JpegTask* const> tasks, std::span<const size_t> which);
  Status ResizeAndCopy(std::span<JpegTask* const> tasks);

  const NvJpegLibrary& library_;
  const int device_;
  const JpegLaneOptions options_;
  std::string detail_;
  NvJpegLibrary::Handle handle_ = nullptr;
  NvJpegLibrary::State state_ = nullptr;
  cudaStream_t stream_ = nullptr;
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
  std::vector<size_t> which_;
  std::vector<const unsigned char*> data_;
  std::vector<size_t> lengths_;
  std::vector<NvJpegLibrary::Image> destinations_;
};

}  // namespace photovec::encode::cuda
