// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/image.h"
#include "base/result.h"
#include "base/slot_pool.h"
#include "model/precision.h"
#include "model/text_model.h"
#include "model/vision_model.h"
#include "preprocess/geometry.h"
#include "preprocess/taps.h"

/// What the CUDA plug-in does for the encoder, as interfaces without CUDA in them: the host's half
/// (cuda_encoder: streams, tickets, out of memory, sticky errors, hangs) is built and tested without a GPU on
/// a fake of these; libphotovec_cuda.so (plugin/) holds the real ones.
///
/// Errors of every call that returns a Status:
///   kDeviceOutOfMemory  the device has no room; nothing was started, and the caller may try a smaller batch
///   kDeviceFailed       the context is broken (a sticky CUDA error): nothing on this device will work again
///   kUnavailable        anything that should stop the start: no driver, no such device, a library missing
namespace photovec::device {

struct DeviceInfo {
  int index = 0;
  std::string name;  ///< "NVIDIA H200"
  int major = 0;     ///< compute capability
  int minor = 0;
  int multiprocessors = 0;
  uint64_t memory_bytes = 0;
  uint64_t free_bytes = 0;  ///< when asked
  std::string runtime;      ///< "CUDA 13.0, driver 13.0, cuBLASLt 13.1.0"
};

/// On the device's clock, in microseconds since DeviceModel::StartClock().
struct DeviceSpan {
  double begin_us = 0;
  double end_us = 0;
};

/// The memory and the CUDA streams of one encoder stream on a device: two input buffers ("sides" 0 and 1),
/// one arena of activations, two pinned output buffers, a CUDA graph per bucket, of images and of texts. One
/// caller thread at a time.
class DeviceStream {
 public:
  virtual ~DeviceStream() = default;

  /// Queues, in order and without blocking: the copies of the pixels to the device (on a copy stream of its
  /// own, so that they overlap the other side's compute), the forward pass of the smallest bucket >=
  /// slots.size(), and the copy of the vectors to output(side).
  /// \param side not in flight. After
  /// kDeviceOutOfMemory the side is free again.
  virtual Status Start(int side, std::span<const PixelSlot> slots) = 0;

  /// The same with texts, each ids of the model's tokenizer: their ids cross to the device, and the smallest
  /// bucket of rows (causal towers) or of texts (others) runs.
  /// \param texts as EncoderStream::SubmitTexts() takes them, already checked; read before this returns.
  /// Errors: also kInternal from a stream that takes no texts, or not so many.
  virtual Status StartTexts(int side, std::span<const std::span<const int32_t>> texts) = 0;

  /// Whether what was started on `side` has finished. Never blocks. Errors: kDeviceFailed.
  virtual Result<bool> Done(int side) = 0;

  /// [max(max_batch, max_texts), D] f32 in pinned memory; the first rows are valid once Done(side).
  virtual std::span<const float> output(int side) const = 0;

  /// When the compute of the last batch of `side` that is Done ran on the device (CUDA events). Copies are
  /// not in it.
  virtual DeviceSpan Span(int side) const = 0;
};

struct DeviceStreamOptions {
  int max_batch = 0;        ///< images; also the largest bucket; 0: takes no images
  int max_texts = 0;        ///< 0: takes no texts
  int max_text_tokens = 0;  ///< of a batch of texts together
};

/// One GPU with one read-only copy of the weights on it. Thread-safe.
class DeviceModel {
 public:
  virtual ~DeviceModel() = default;
  virtual const DeviceInfo& device() const = 0;
  virtual uint64_t weight_bytes() const = 0;

  /// Memory, plans and graphs for every bucket up to max_batch: takes seconds. kDeviceOutOfMemory when they
  /// do not fit; everything taken is given back then. Streams end before their DeviceModel.
  virtual Result<std::unique_ptr<DeviceStream>> CreateStream(const DeviceStreamOptions& options) = 0;

  /// Sets the zero of DeviceSpan, for all streams; while nothing runs. Spans of some seconds are then exact
  /// to 0.1 us.
  virtual Status StartClock() = 0;

  /// FLOP/s that bare cuBLASLt products of the model's shapes reach at this batch size: the ceiling. With
  /// batch 0: of one product of 8192 x 8192 x 8192.
  virtual Result<double> GemmCeiling(int batch) = 0;

  /// Device memory for `bytes`, filled from `host`: for benchmarks from device-resident pixels.
  virtual Result<const uint8_t*> CopyToDevice(std::span<const uint8_t> host) = 0;

  virtual Status PinHost(std::span<uint8_t> memory) = 0;
  virtual void UnpinHost(std::span<uint8_t> memory) = 0;
};

struct DeviceModelOptions {
  model::Precision precision = model::Precision::kF16;  ///< not kAuto
  PixelNormalization normalization;                     ///< folded into the patch weights
  std::string plan_cache;                       ///< file of measured product plans; empty: none is kept
  std::function<void(const std::string&)> log;  ///< may be empty; any thread
};

/// One photo to turn into a model's pixels on the GPU, and what came of it. What it points to is borrowed
/// until JpegDecoder::Run() returns.
struct JpegJob {
  std::span<const uint8_t> encoded;  ///< a JPEG whose header, size and limits the caller has checked, or:
  std::span<const uint8_t> pixels;   ///< [height, width, 3] already decoded, where `encoded` is empty
  int width = 0;                     ///< stored
  int height = 0;
  const preprocess::ResizePlan* plan = nullptr;  ///< how the full-size pixels become the model's
  const preprocess::TapTable* x = nullptr;       ///< of plan->x
  const preprocess::TapTable* y = nullptr;       ///< of plan->y
  int crop = 0;                                  ///< S
  std::span<uint8_t> out;                        ///< [S,S,3]
  /// Result. kNotImplemented: not for this decoder (CMYK, odd sampling …) or it failed on this photo: decode
  /// it on the CPU, whose verdict counts.
  Status status;
};

/// What a decoder did since it was made. Times are of whole batches, in microseconds.
struct JpegDecoderCounts {
  int64_t batches = 0;
  int64_t photos = 0;
  int64_t submit_us = 0;  ///< the caller's time until nvJPEG's work was queued: headers, its share of the CPU
  int64_t decode_us = 0;  ///< the device's from then on to the pixels
  int64_t resize_us = 0;  ///< the device's: both passes and the copy to the host
  int64_t allocations = 0;  ///< how often nvJPEG needed memory of the driver, which stops the whole GPU

  /// \param times 1 adds, -1 takes away.
  void Add(const JpegDecoderCounts& other, int64_t times = 1) {
    batches += times * other.batches;
    photos += times * other.photos;
    submit_us += times * other.submit_us;
    decode_us += times * other.decode_us;
    resize_us += times * other.resize_us;
    allocations += times * other.allocations;
  }
};

/// Decodes JPEGs in batches: nvJPEG, then both passes of the resize, on a CUDA stream of its own. One caller
/// at a time.
class JpegDecoder {
 public:
  virtual ~JpegDecoder() = default;
  /// "nvJPEG 13.3.2, hardware engines" or "…, CUDA".
  virtual const std::string& detail() const = 0;
  /// Blocks until the first n jobs are done, and returns n >= 1: as many as fit into the decoder's buffers.
  /// Each has its own status; one that fails harms no other. kDeviceFailed in all when the context broke or
  /// the decoder hangs.
  virtual size_t Run(std::span<JpegJob* const> jobs) = 0;
  /// False once it hangs: it fails at once from then on, and leaves what it holds when it ends. Any thread.
  virtual bool usable() const = 0;
  /// Not while Run() runs.
  virtual JpegDecoderCounts counts() const = 0;
};

struct JpegDecoderOptions {
  bool hardware = true;            ///< the NVJPG engines where the GPU has them; else kUnavailable
  bool interpolate_chroma = true;  ///< as libjpeg does; where nvJPEG can
  int most_pixels = 64'000'000;    ///< of one batch together, which bounds the memory: 3 bytes each
  int most_jobs = 64;
  std::chrono::milliseconds patience{10'000};  ///< with one batch; then the decoder hangs
};

/// The plug-in's factory. Thread-safe; lives as long as the plug-in is loaded.
class Platform {
 public:
  virtual ~Platform() = default;
  /// Errors: kUnavailable saying why there is none (no driver, no device, driver too old).
  virtual Result<std::vector<DeviceInfo>> Devices() = 0;
  /// Copies what it needs: `model` and `text` may be dropped afterwards. Errors: also kInvalidRequest for a
  /// precision that the device cannot do, kNotImplemented for a model that this backend cannot run.
  /// \param text null: images alone.
  virtual Result<std::unique_ptr<DeviceModel>> Load(int device, const model::VisionModel& model,
                                                    const model::TextModel* text,
                                                    const DeviceModelOptions& options) = 0;
  /// Errors: kUnavailable when libnvjpeg is not on this machine, or the GPU has no such engines.
  virtual Result<std::unique_ptr<JpegDecoder>> CreateJpegDecoder(int device,
                                                                 const JpegDecoderOptions& options) = 0;
};

/// The plug-in's only symbol, extern "C": returns its Platform, or null when `version` is not the one that it
/// was built for. C++ objects cross it, so both sides come from one build: the version is the whole of it.
constexpr const char* kPluginSymbol = "photovec_cuda_plugin";
constexpr uint32_t kPluginVersion = 4;
using PluginEntry = Platform* (*)(uint32_t version, const char* photovec_version);

}  // namespace photovec::device
