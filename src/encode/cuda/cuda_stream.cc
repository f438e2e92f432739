// SPDX-License-Identifier: MIT
#include "encode/cuda/cuda_stream.h"

#include <algorithm>
#include <bit>
#include <string>
#include <thread>
#include <utility>

#include "base/log.h"
#include "encode/text_batch.h"

namespace photovec::encode::cuda {
namespace {

// A waiting thread sleeps until shortly before the batch should be done, as its like took last time, then
// asks without pause for about what going to sleep and being woken costs, so that a batch alone is not late;
// when it still is not done, it sleeps for a sixteenth of what it has waited already, again and again.
constexpr auto kSpin = std::chrono::microseconds(100);
constexpr auto kWakeEarlier = std::chrono::microseconds(110);  // timers are late by 50 us and more
constexpr auto kLeastNap = std::chrono::microseconds(20);
constexpr auto kMostNap = std::chrono::milliseconds(1);
constexpr int kPatienceFactor = 10;
constexpr auto kTellAgainAfter = std::chrono::minutes(1);

size_t SizeClass(size_t items) { return static_cast<size_t>(std::bit_width(items)) - 1; }

void Pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

}  // namespace

void DeviceHealth::Fail(const Status& why) {
  const std::scoped_lock lock(mutex_);
  if (failed_) return;
  why_ = why;
  failed_.store(true, std::memory_order_release);
}

Status DeviceHealth::why() const {
  const std::scoped_lock lock(mutex_);
  return {Code::kDeviceFailed, why_.message()};
}

bool DeviceHealth::TellOfMemory(TimePoint now) {
  const std::scoped_lock lock(mutex_);
  if (told_of_memory_ != TimePoint() && now - told_of_memory_ < kTellAgainAfter) return false;
  told_of_memory_ = now;
  return true;
}

CudaStream::CudaStream(std::unique_ptr<device::DeviceStream> device_stream, DeviceHealth& health,
                       const EncoderInfo& info, const CudaStreamOptions& options)
    : options_(options), info_(info), device_stream_(std::move(device_stream)), health_(health) {}

CudaStream::~CudaStream() {
  // Freeing any DeviceStream waits for all that the device runs: for ever, if that hangs.
  if (health_.hangs()) (void)device_stream_.release();
}

Status CudaStream::CheckAlive() const {
  if (health_.failed()) return health_.why();
  if (!usable()) {
    return {Code::kDeviceFailed,
            "stream " + std::to_string(options_.index) + " of the GPU hangs and takes no more"};
  }
  return Status::Ok();
}

// Passes `status` on, having told the device's other streams when it is sticky.
Status CudaStream::Note(const Status& status) {
  if (status.code() == Code::kDeviceFailed) health_.Fail(status);
  return status;
}

Result<Ticket> CudaStream::Submit(std::span<const PixelSlot> slots, std::span<float> out) {
  if (!options_.images) return Status(Code::kInternal, "images for a stream that takes texts alone");
  const auto dim = static_cast<size_t>(info_.embedding_dim);
  if (slots.empty() || slots.size() > static_cast<size_t>(info_.max_batch) ||
      out.size() != slots.size() * dim) {
    return Status(Code::kInternal, "a batch of " + std::to_string(slots.size()) + " images with room for " +
                                       std::to_string(out.size()) + " floats; the stream takes 1 to " +
                                       std::to_string(info_.max_batch) + " images, " + std::to_string(dim) +
                                       " floats each");
  }
  return StartBatch(slots, out, SizeClass(slots.size()));
}

Result<Ticket> CudaStream::SubmitTexts(std::span<const TokenIds> texts, std::span<float> out) {
  RETURN_IF_ERROR(CheckTextBatch(info_, options_.vocabulary, texts, out));
  size_t tokens = 0;
  for (const TokenIds text : texts) tokens += text.size();
  return StartBatch(texts, out, kSizes + SizeClass(tokens));
}

template <typename Item>
Result<Ticket> CudaStream::StartBatch(std::span<const Item> items, std::span<float> out, size_t kind) {
  if (next_id_ - oldest_id_ >= kSides) {
    return Status(Code::kInternal, "two batches of the stream are in flight: wait for one");
  }
  RETURN_IF_ERROR(CheckAlive());
  InFlightBatch batch{next_id_, out, kind, Clock::now(), false, Status::Ok()};
  const Status started = Note(Start(SideOf(batch.id), items));
  if (started.code() == Code::kDeviceOutOfMemory && items.size() > 1) {
    if (health_.TellOfMemory(batch.started)) {
      log::warn("the GPU has no memory for a batch of {}: running it in halves ({})", items.size(),
                started.message());
    }
    batch.status = RunHalves(SideOf(batch.id), items, out);
    batch.finished = true;
  } else if (!started.ok()) {
    return started;
  }
  BatchOf(batch.id) = std::move(batch);
  return Ticket{next_id_++};
}

template <typename Item>
Status CudaStream::RunHalves(int side, std::span<const Item> items, std::span<float> out) {
  const size_t half = items.size() / 2;
  const size_t floats = half * static_cast<size_t>(info_.embedding_dim);
  RETURN_IF_ERROR(RunOne(side, items.first(half), out.first(floats)));
  return RunOne(side, items.subspan(half), out.subspan(floats));
}

template <typename Item>
Status CudaStream::RunOne(int side, std::span<const Item> items, std::span<float> out) {
  RETURN_IF_ERROR(CheckAlive());
  const TimePoint begin = Clock::now();
  const Status started = Note(Start(side, items));
  if (started.code() == Code::kDeviceOutOfMemory && items.size() > 1) return RunHalves(side, items, out);
  RETURN_IF_ERROR(started);
  RETURN_IF_ERROR(WaitSide(side, begin, {}));
  CopyOut(side, out);
  return Status::Ok();
}

Status CudaStream::Wait(Ticket ticket) {
  if (ticket.id == 0 || ticket.id != oldest_id_ || oldest_id_ == next_id_) {
    return {Code::kInternal,
            "waited for ticket " + std::to_string(ticket.id) + ", which is not the oldest in flight"};
  }
  InFlightBatch& batch = BatchOf(ticket.id);
  ++oldest_id_;
  if (batch.finished) return std::move(batch.status);
  RETURN_IF_ERROR(CheckAlive());
  const auto expected = std::chrono::microseconds(last_us_[batch.kind]);
  RETURN_IF_ERROR(WaitSide(SideOf(ticket.id), batch.started, expected));
  CopyOut(SideOf(ticket.id), batch.out);
  Remember(batch);
  return Status::Ok();
}

void CudaStream::Remember(const InFlightBatch& batch) {
  const TimePoint now = Clock::now();
  const int64_t took_us = MicrosBetween(std::max(batch.started, last_done_), now);
  recent_us_[remembered_++ % kRemembered] = took_us;
  int64_t& last_us = last_us_[batch.kind];
  // How long a thread overslept says nothing about the batch, and would make the next one late as well.
  last_us = overslept_ ? last_us * 3 / 4 : took_us;
  last_done_ = now;
}

// \param expected what the batch should take from its start (or the end of the one before) on; zero when not
// known.
Status CudaStream::WaitSide(int side, TimePoint started, Clock::duration expected) {
  const TimePoint begin = Clock::now();
  const TimePoint due = std::max(started, last_done_) + expected;
  const TimePoint spin_until = std::max(begin, due) + kSpin;
  overslept_ = due - begin > kWakeEarlier;
  if (overslept_) std::this_thread::sleep_until(due - kWakeEarlier);
  for (;; overslept_ = false) {
    if (health_.failed()) return health_.why();
    // Read before asking: a process that was stopped between the two must not take that for a hang.
    const TimePoint now = Clock::now();
    const Result<bool> done = device_stream_->Done(side);
    if (!done.ok()) return Note(done.status());
    if (*done) return Status::Ok();
    if (now - started > Patience()) {
      hung_.store(true, std::memory_order_release);
      health_.Hang();
      return CheckAlive();
    }
    if (now < spin_until) {
      Pause();
    } else {
      const Clock::duration nap = (now - begin) / 16;
      std::this_thread::sleep_for(std::clamp<Clock::duration>(nap, kLeastNap, kMostNap));
    }
  }
}

Clock::duration CudaStream::Patience() const {
  const int64_t slowest = *std::max_element(recent_us_.begin(), recent_us_.end());
  return std::max<Clock::duration>(options_.least_patience,
                                   kPatienceFactor * std::chrono::microseconds(slowest));
}

void CudaStream::CopyOut(int side, std::span<float> out) const {
  const std::span<const float> rows = device_stream_->output(side);
  std::copy_n(rows.begin(), out.size(), out.begin());
}

}  // namespace photovec::encode::cuda
