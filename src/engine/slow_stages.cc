// SPDX-License-Identifier: MIT
#include "engine/slow_stages.h"

#include <charconv>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/deadline.h"
#include "base/log.h"
#include "base/thread_pool.h"

namespace photovec::engine {
namespace {

using std::chrono::milliseconds;

constexpr int kLongestMs = 60'000;

Status Malformed(std::string_view part) {
  return {Code::kInvalidRequest,
          std::string(kSlowStagesVariable) + ": '" + std::string(part) +
              "' is not understood; it takes fetch=50ms, decode=20ms and encode=30ms, each at most once, "
              "separated by commas, in whole milliseconds up to " +
              std::to_string(kLongestMs)};
}

// All delays are the same, so fetches start in the order in which they came.
class SlowFetcher final : public fetch::Fetcher {
 public:
  SlowFetcher(std::unique_ptr<fetch::Fetcher> inner, milliseconds delay)
      : inner_(std::move(inner)), delay_(delay), thread_([this] { Run(); }) {}
  ~SlowFetcher() override {
    {
      std::scoped_lock lock(mutex_);
      stopped_ = true;
    }
    wake_.notify_one();
    thread_.join();
  }

  void Fetch(fetch::FetchRequest request, fetch::FetchCallback done) override {
    {
      std::scoped_lock lock(mutex_);
      waiting_.push_back({Clock::now() + delay_, std::move(request), std::move(done)});
    }
    wake_.notify_one();
  }

 private:
  struct Waiting {
    TimePoint due;
    fetch::FetchRequest request;
    fetch::FetchCallback done;
  };

  // What still waits at the end is started at once: every callback is owed its call.
  void Run() {
    SetThreadName("slow-fetch");
    std::unique_lock lock(mutex_);
    for (;;) {
      wake_.wait(lock, [&] { return stopped_ || !waiting_.empty(); });
      if (waiting_.empty()) return;
      const TimePoint due = waiting_.front().due;
      wake_.wait_until(lock, due, [&] { return stopped_; });
      Waiting next = std::move(waiting_.front());
      waiting_.pop_front();
      lock.unlock();
      inner_->Fetch(std::move(next.request), std::move(next.done));
      lock.lock();
    }
  }

  const std::unique_ptr<fetch::Fetcher> inner_;
  const milliseconds delay_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Waiting> waiting_;
  bool stopped_ = false;
  std::thread thread_;
};

class SlowDecoder final : public decode::Decoder {
 public:
  SlowDecoder(std::unique_ptr<decode::Decoder> inner, milliseconds delay)
      : inner_(std::move(inner)), delay_(delay) {}
  Result<decode::DecodeReport> Decode(const decode::DecodeJob& job) override {
    std::this_thread::sleep_for(delay_);
    return inner_->Decode(job);
  }

 private:
  const std::unique_ptr<decode::Decoder> inner_;
  const milliseconds delay_;
};

class SlowStream final : public encode::EncoderStream {
 public:
  SlowStream(encode::EncoderStream& inner, milliseconds delay) : inner_(inner), delay_(delay) {}
  Result<encode::Ticket> Submit(std::span<const PixelSlot> slots, std::span<float> out) override {
    return inner_.Submit(slots, out);
  }
  Result<encode::Ticket> SubmitTexts(std::span<const encode::TokenIds> texts, std::span<float> out) override {
    return inner_.SubmitTexts(texts, out);
  }
  Status Wait(encode::Ticket ticket) override {
    std::this_thread::sleep_for(delay_);
    return inner_.Wait(ticket);
  }
  int depth() const override { return inner_.depth(); }
  bool usable() const override { return inner_.usable(); }

 private:
  encode::EncoderStream& inner_;
  const milliseconds delay_;
};

class SlowEncoder final : public encode::Encoder {
 public:
  SlowEncoder(std::unique_ptr<encode::Encoder> inner, milliseconds delay) : inner_(std::move(inner)) {
    for (int i = 0; i < inner_->stream_count(); ++i) streams_.emplace_back(inner_->stream(i), delay);
  }
  const encode::EncoderInfo& info() const override { return inner_->info(); }
  int stream_count() const override { return inner_->stream_count(); }
  int text_stream_count() const override { return inner_->text_stream_count(); }
  encode::EncoderStream& stream(int index) override { return streams_[static_cast<size_t>(index)]; }
  Status Warmup() override { return inner_->Warmup(); }
  Status RegisterSlots(std::span<uint8_t> arena) override { return inner_->RegisterSlots(arena); }
  void UnregisterSlots(std::span<uint8_t> arena) override { inner_->UnregisterSlots(arena); }

 private:
  const std::unique_ptr<encode::Encoder> inner_;
  std::deque<SlowStream> streams_;
};

}  // namespace

Result<SlowStages> ParseSlowStages(std::string_view text) {
  SlowStages slow;
  while (!text.empty()) {
    const size_t comma = text.find(',');
    const std::string_view part = text.substr(0, comma);
    text.remove_prefix(comma == std::string_view::npos ? text.size() : comma + 1);
    const size_t equals = part.find('=');
    const std::string_view name = part.substr(0, equals);
    milliseconds* target = name == "fetch"    ? &slow.fetch
                           : name == "decode" ? &slow.decode
                           : name == "encode" ? &slow.encode
                                              : nullptr;
    if (target == nullptr || equals == std::string_view::npos || target->count() != 0) return Malformed(part);
    const std::string_view value = part.substr(equals + 1);
    int ms = 0;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), ms);
    const std::string_view unit(end, static_cast<size_t>(value.data() + value.size() - end));
    if (error != std::errc() || unit != "ms" || ms < 1 || ms > kLongestMs) return Malformed(part);
    *target = milliseconds(ms);
  }
  return slow;
}

void LogSlowStages(const SlowStages& slow) {
  if (slow.fetch + slow.decode + slow.encode == milliseconds(0)) return;
  log::warn("{} is on: each fetch is {} ms slower, each decode {} ms, each batch {} ms; for tests only",
            kSlowStagesVariable, slow.fetch.count(), slow.decode.count(), slow.encode.count());
}

std::unique_ptr<fetch::Fetcher> SlowDown(std::unique_ptr<fetch::Fetcher> inner, milliseconds delay) {
  if (delay == milliseconds(0)) return inner;
  return std::make_unique<SlowFetcher>(std::move(inner), delay);
}

pipeline::Pipeline::DecoderFactory SlowDown(pipeline::Pipeline::DecoderFactory inner, milliseconds delay) {
  if (delay == milliseconds(0)) return inner;
  return [inner = std::move(inner), delay] { return std::make_unique<SlowDecoder>(inner(), delay); };
}

std::unique_ptr<encode::Encoder> SlowDown(std::unique_ptr<encode::Encoder> inner, milliseconds delay) {
  if (delay == milliseconds(0)) return inner;
  return std::make_unique<SlowEncoder>(std::move(inner), delay);
}

}  // namespace photovec::engine
