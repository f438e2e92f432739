// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <cstring>
#include <deque>
#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "encode/encoder.h"

namespace photovec::testing {

/// Lets work through one by one: whoever passes waits until it is let in. Open() lets everything through.
class Gate {
 public:
  explicit Gate(bool open = true) : open_(open) {}
  void Pass() {
    std::unique_lock lock(mutex_);
    ++arrived_;
    changed_.notify_all();
    changed_.wait(lock, [&] { return open_ || permits_ > 0; });
    if (!open_) --permits_;
  }
  void LetIn(int count = 1) {
    std::scoped_lock lock(mutex_);
    permits_ += count;
    changed_.notify_all();
  }
  void Open() {
    std::scoped_lock lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }
  void Close() {
    std::scoped_lock lock(mutex_);
    open_ = false;
  }
  /// Blocks until so many came to the gate, in all.
  void AwaitArrivals(int count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return arrived_ >= count; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool open_;
  int permits_ = 0;
  int arrived_ = 0;
};

/// An encoder whose slots hold text instead of pixels. "nan", "inf" and "zero" give such rows; any other text
/// gives [length, first byte, 3, 4]. Batches are recorded and pass a gate in Wait. With texts, their ids are
/// the characters of a text, too, recorded with a "~" before it, and give [length, first id, 5, 6].
class FakeEncoder : public encode::Encoder {
 public:
  static constexpr int kDim = 4;
  static constexpr int kImageSize = 8;  // 192 bytes a slot

  explicit FakeEncoder(int max_batch, int streams = 1, int depth = 1,
                       std::optional<encode::TextInfo> texts = {}, int text_streams = 0)
      : text_streams_(text_streams) {
    info_.text = texts;
    info_.backend = "fake";
    info_.image_size = kImageSize;
    info_.embedding_dim = kDim;
    info_.max_batch = max_batch;
    for (int i = 0; i < streams + text_streams; ++i)
      streams_.push_back(std::make_unique<Stream>(*this, depth));
  }

  const encode::EncoderInfo& info() const override { return info_; }
  int stream_count() const override { return static_cast<int>(streams_.size()); }
  int text_stream_count() const override { return text_streams_; }
  encode::EncoderStream& stream(int index) override { return *streams_[static_cast<size_t>(index)]; }
  Status Warmup() override { return Status::Ok(); }

  Gate gate;
  /// What Submit and Wait answer, when not OK; any thread.
  void FailSubmit(Status status) { Set(submit_, std::move(status)); }
  void FailWait(Status status) { Set(wait_, std::move(status)); }
  std::atomic<bool> throw_in_wait{false};
  /// The stream that holds this text answers kDeviceFailed from now on and is not usable.
  void LoseStreamOf(const std::string& text) {
    std::scoped_lock lock(mutex_);
    lost_text_ = text;
  }

  /// The texts of each batch submitted so far.
  std::vector<std::vector<std::string>> batches() const {
    std::scoped_lock lock(mutex_);
    return batches_;
  }
  void AwaitBatches(size_t count) const {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return batches_.size() >= count; });
  }
  int most_in_flight() const { return most_in_flight_; }

 private:
  class Stream : public encode::EncoderStream {
   public:
    Stream(FakeEncoder& encoder, int depth) : encoder_(encoder), depth_(depth) {}
    Result<encode::Ticket> Submit(std::span<const PixelSlot> slots, std::span<float> out) override {
      std::vector<std::string> texts;
      for (const PixelSlot& slot : slots) texts.emplace_back(reinterpret_cast<const char*>(slot.data));
      return Start(std::move(texts), encoder_.info_.max_batch, out);
    }
    Result<encode::Ticket> SubmitTexts(std::span<const encode::TokenIds> ids, std::span<float> out) override {
      if (!encoder_.info_.text) return Status(Code::kInternal, "no text tower");
      std::vector<std::string> texts;
      size_t tokens = 0;
      for (const encode::TokenIds& of : ids) {
        texts.emplace_back("~");
        texts.back().append(of.begin(), of.end());
        tokens += of.size();
      }
      if (tokens > static_cast<size_t>(encoder_.info_.text->max_batch_tokens)) {
        return Status(Code::kInternal, "too many tokens");
      }
      return Start(std::move(texts), encoder_.info_.text->max_batch, out);
    }
    Result<encode::Ticket> Start(std::vector<std::string> texts, int most, std::span<float> out) {
      if (lost_) return Status(Code::kDeviceFailed, "hangs");
      RETURN_IF_ERROR(encoder_.Get(encoder_.submit_));
      if (texts.empty() || static_cast<int>(texts.size()) > most || out.size() != texts.size() * kDim ||
          static_cast<int>(in_flight_.size()) >= depth_) {
        return Status(Code::kInternal, "wrong use of Submit");
      }
      in_flight_.push_back({{++last_}, texts, out});
      encoder_.Record(std::move(texts), static_cast<int>(in_flight_.size()));
      return in_flight_.back().ticket;
    }
    Status Wait(encode::Ticket ticket) override {
      if (in_flight_.empty() || in_flight_.front().ticket.id != ticket.id) {
        return {Code::kInternal, "tickets waited for out of order"};
      }
      const InFlightBatch batch = std::move(in_flight_.front());
      in_flight_.pop_front();
      encoder_.gate.Pass();
      if (encoder_.throw_in_wait) throw std::runtime_error("boom");
      if (lost_ || encoder_.IsLost(batch.texts)) {
        lost_ = true;
        return {Code::kDeviceFailed, "hangs"};
      }
      RETURN_IF_ERROR(encoder_.Get(encoder_.wait_));
      for (size_t i = 0; i < batch.texts.size(); ++i) Fill(batch.texts[i], batch.out.subspan(i * kDim, kDim));
      return Status::Ok();
    }
    int depth() const override { return depth_; }
    bool usable() const override { return !lost_; }

   private:
    struct InFlightBatch {
      encode::Ticket ticket;
      std::vector<std::string> texts;
      std::span<float> out;
    };
    static void Fill(const std::string& text, std::span<float> row) {
      if (text[0] == '~') {
        row[0] = static_cast<float>(text.size() - 1);
        row[1] = static_cast<float>(text[1]);
        row[2] = 5.0F;
        row[3] = 6.0F;
        return;
      }
      row[0] = static_cast<float>(text.size());
      row[1] = static_cast<float>(text[0]);
      row[2] = 3.0F;
      row[3] = 4.0F;
      if (text == "nan") row[2] = std::numeric_limits<float>::quiet_NaN();
      if (text == "inf") row[3] = -std::numeric_limits<float>::infinity();
      if (text == "zero") std::fill(row.begin(), row.end(), 0.0F);
    }
    FakeEncoder& encoder_;
    const int depth_;
    uint64_t last_ = 0;
    std::atomic<bool> lost_{false};
    std::deque<InFlightBatch> in_flight_;
  };

  void Set(Status& place, Status status) {
    std::scoped_lock lock(mutex_);
    place = std::move(status);
  }
  Status Get(const Status& place) const {
    std::scoped_lock lock(mutex_);
    return place;
  }
  bool IsLost(const std::vector<std::string>& texts) const {
    std::scoped_lock lock(mutex_);
    return lost_text_ && std::find(texts.begin(), texts.end(), *lost_text_) != texts.end();
  }
  void Record(std::vector<std::string> texts, int in_flight) {
    std::scoped_lock lock(mutex_);
    batches_.push_back(std::move(texts));
    most_in_flight_ = std::max(most_in_flight_.load(), in_flight);
    changed_.notify_all();
  }

  encode::EncoderInfo info_;
  const int text_streams_;
  std::vector<std::unique_ptr<Stream>> streams_;
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  std::vector<std::vector<std::string>> batches_;
  std::atomic<int> most_in_flight_{0};
  std::optional<std::string> lost_text_;
  Status submit_;
  Status wait_;
};

}  // namespace photovec::testing
