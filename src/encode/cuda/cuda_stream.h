// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "base/deadline.h"
#include "device/cuda/platform.h"
#include "encode/encoder.h"

namespace photovec::encode::cuda {

/// Whether a device still works; shared by its streams. Thread-safe. A sticky CUDA error breaks the whole
/// context, so the first stream that meets one tells the others.
class DeviceHealth {
 public:
  bool failed() const { return failed_.load(std::memory_order_acquire); }
  /// Keeps the first reason.
  void Fail(const Status& why);
  /// kDeviceFailed with the reason. Call only when failed().
  Status why() const;

  /// Whether a stream of the device hangs. The others may go on, but whatever waits for the device as a whole
  /// (freeing memory does) waits for ever.
  bool hangs() const { return hangs_.load(std::memory_order_acquire); }
  void Hang() { hangs_.store(true, std::memory_order_release); }

  /// Whether it is time to log, again, that the device has no memory: once a minute.
  bool TellOfMemory(TimePoint now);

 private:
  std::atomic<bool> failed_{false};
  std::atomic<bool> hangs_{false};
  mutable std::mutex mutex_;
  Status why_;
  TimePoint told_of_memory_;
};

struct CudaStreamOptions {
  int index = 0;
  bool images = true;  ///< false: takes texts alone
  int vocabulary = 0;  ///< of the text tower, if there is one
  /// A batch hangs when it takes longer than this and than ten times the slowest of the last batches.
  Clock::duration least_patience = std::chrono::seconds(5);
};

/// A DeviceStream as the pipeline sees it: tickets, two batches in flight, halving when the device is out of
/// memory, and a watchdog. One caller, but usable() may be asked by any thread.
class CudaStream final : public EncoderStream {
 public:
  /// \param health of the device; outlives the stream. When that hangs, the stream's end leaks the
  /// DeviceStream.
  /// \param info of the encoder: how large batches may be; outlives the stream, complete before a Submit.
  CudaStream(std::unique_ptr<device::DeviceStream> device_stream, DeviceHealth& health,
             const EncoderInfo& info, const CudaStreamOptions& options);
  ~CudaStream() override;

  /// A batch for which the device has no memory is run in halves, within this call.
  /// Errors: also kDeviceOutOfMemory when there is none even for single images.
  Result<Ticket> Submit(std::span<const PixelSlot> slots, std::span<float> out) override;
  Result<Ticket> SubmitTexts(std::span<const TokenIds> texts, std::span<float> out) override;
  /// Errors: kDeviceFailed also when the batch hangs: then only this stream is lost (usable() turns false).
  Status Wait(Ticket ticket) override;
  int depth() const override { return kSides; }
  bool usable() const override { return !hung_.load(std::memory_order_acquire); }

  /// When the batch last waited for ran on the device; for benchmarks.
  device::DeviceSpan LastSpan() const { return device_stream_->Span(SideOf(oldest_id_ - 1)); }

 private:
  static constexpr int kSides = 2;
  static constexpr size_t kRemembered = 64;
  struct InFlightBatch {
    uint64_t id = 0;  // 0: none
    std::span<float> out;
    size_t kind = 0;  // of last_us_
    TimePoint started;
    bool finished = false;  // in halves, within Submit
    Status status;          // where finished
  };
  InFlightBatch& BatchOf(uint64_t id) { return in_flight_[id % kSides]; }
  static int SideOf(uint64_t id) { return static_cast<int>(id % kSides); }
  Status CheckAlive() const;
  Status Note(const Status& status);
  // `Item`: a PixelSlot or TokenIds.
  template <typename Item>
  Result<Ticket> StartBatch(std::span<const Item> items, std::span<float> out, size_t kind);
  template <typename Item>
  Status RunHalves(int side, std::span<const Item> items, std::span<float> out);
  template <typename Item>
  Status RunOne(int side, std::span<const Item> items, std::span<float> out);
  Status Start(int side, std::span<const PixelSlot> slots) { return device_stream_->Start(side, slots); }
  Status Start(int side, std::span<const TokenIds> texts) { return device_stream_->StartTexts(side, texts); }
  Status WaitSide(int side, TimePoint started, Clock::duration expected);
  void Remember(const InFlightBatch& batch);
  Clock::duration Patience() const;
  void CopyOut(int side, std::span<float> out) const;

  const CudaStreamOptions options_;
  const EncoderInfo& info_;
  std::unique_ptr<device::DeviceStream> device_stream_;
  DeviceHealth& health_;
  std::array<InFlightBatch, kSides> in_flight_;
  uint64_t next_id_ = 1;
  uint64_t oldest_id_ = 1;  // the next to be waited for
  std::atomic<bool> hung_{false};
  std::array<int64_t, kRemembered> recent_us_{};  // of the last batches
  size_t remembered_ = 0;
  static constexpr size_t kSizes = 24;
  /// How long the last batch of 2^i to 2^(i+1) - 1 images took, from its start or the end of the one before;
  /// behind those, of so many tokens.
  std::array<int64_t, 2 * kSizes> last_us_{};
  TimePoint last_done_;
  bool overslept_ = false;  // the last batch was done before its thread looked
};

}  // namespace photovec::encode::cuda
