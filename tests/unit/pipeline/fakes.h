// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstring>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "decode/decoder.h"
#include "fetch/fetcher.h"
#include "metrics/registry.h"
#include "pipeline/pipeline.h"
#include "unit/batch/fake_encoder.h"

namespace photovec::testing {

inline Bytes Photo(const std::string& text) { return Bytes::Own(text); }

/// "Photos" are text that is copied into the slot. "corrupt" is refused, "throw" throws. "big:N" takes N MiB
/// and passes a gate of its own when it was granted them; "big:N corrupt" is then refused, "big:N more" wants
/// more. All decoders of a test share one of these: gates, and a record of what was decoded, in order.
///
/// With `pairs` a decoder that has one "photo" that begins as a JPEG does takes a second one and ends it
/// first; one that ends with "throw" throws when both are there.
struct DecoderControl {
  Gate gate;
  Gate big_gate;
  bool pairs = false;
  std::function<void(const std::string&)>
      before_second;  ///< told the first one, before the second is asked for
  std::mutex mutex;
  std::vector<std::string> decoded;
  std::vector<std::pair<preprocess::ResizeMode, decode::JpegScaling>> modes;

  std::vector<std::string> Decoded() {
    std::scoped_lock lock(mutex);
    return decoded;
  }
};

inline constexpr const char* kJpegStart = "\xFF\xD8\xFF";
class FakeDecoder : public decode::Decoder {
 public:
  explicit FakeDecoder(DecoderControl& control) : control_(control) {}
  Result<decode::DecodeReport> Decode(const decode::DecodeJob& job) override {
    const std::string text(job.encoded.begin(), job.encoded.end());
    decode::DecodeReport report;
    const bool big = text.starts_with("big:");
    const int64_t bytes = big ? std::stoll(text.substr(4)) << 20 : 0;
    if (bytes > job.granted.bytes) {
      report.wants = {bytes, 1};
      return report;
    }
    {
      std::scoped_lock lock(control_.mutex);
      control_.decoded.push_back(text);
      control_.modes.emplace_back(job.spec->mode, job.options.jpeg_scaling);
    }
    (big ? control_.big_gate : control_.gate).Pass();
    if (big && text.ends_with("more")) {
      report.wants = {job.granted.bytes + 1, 1};
      return report;
    }
    if (text == "throw") throw std::runtime_error("bad codec");
    if (text.ends_with("corrupt")) return Status(Code::kImageCorrupt, "it is corrupt");
    std::memcpy(job.out.data(), text.c_str(), std::min(text.size(), job.out.size() - 1));
    job.out[std::min(text.size(), job.out.size() - 1)] = 0;
    report.decoded_at = Clock::now();
    if (text.starts_with(kJpegStart)) report.format = decode::Format::kJpeg;
    return report;
  }
  void DecodeFeed(const decode::DecodeJob& first, decode::JobFeed& feed) override {
    if (!control_.pairs) return decode::Decoder::DecodeFeed(first, feed);
    Result<decode::DecodeReport> report = Decode(first);
    const std::string text(first.encoded.begin(), first.encoded.end());
    if (control_.before_second) control_.before_second(text);
    const decode::DecodeJob* second = feed.Next();
    if (text.ends_with("throw")) throw std::runtime_error("bad codec");
    if (report.ok()) report->own_jpeg_decoder = report->in_pair = second != nullptr;
    if (second != nullptr) feed.Finish(*second, Decode(*second));
    feed.Finish(first, std::move(report));
  }

 private:
  DecoderControl& control_;
};

/// Ids are the characters of a text, and '$' behind them; '$' in a text is the token of its end, too. "bad"
/// is refused, "throw" throws, "odd" has an id outside of the vocabulary.
class FakeTokenizer : public tokenize::Tokenizer {
 public:
  static constexpr int kMaxLength = 32;
  explicit FakeTokenizer(Gate* gate = nullptr, bool pads = false) : gate_(gate) {
    info_.rule = "fake";
    info_.vocabulary_size = 128;
    info_.max_length = kMaxLength;
    info_.eos_id = '$';
    info_.pads = pads;
  }
  const tokenize::TokenizerInfo& info() const override { return info_; }
  Result<tokenize::Tokens> Encode(std::string_view text) const override {
    if (gate_ != nullptr) gate_->Pass();
    if (text == "throw") throw std::runtime_error("bad vocabulary");
    if (text == "bad") return Status(Code::kInvalidRequest, "it is not UTF-8");
    if (text == "odd") return tokenize::Tokens{{'o', 128, '$'}, 3};
    tokenize::Tokens tokens;
    tokens.ids.assign(text.begin(),
                      text.begin() + std::min<std::ptrdiff_t>(std::ssize(text), kMaxLength - 1));
    tokens.ids.push_back('$');
    tokens.used = tokens.ids.size();
    if (info_.pads) tokens.ids.resize(kMaxLength, '.');
    return tokens;
  }

 private:
  Gate* gate_;
  tokenize::TokenizerInfo info_;
};

/// References are kept until the test answers them. In automatic mode each is answered at once, on the
/// calling thread, with a photo of its own text ("missing": kNotFound).
class FakeFetcher : public fetch::Fetcher {
 public:
  std::atomic<bool> automatic{false};

  void Fetch(fetch::FetchRequest request, fetch::FetchCallback done) override {
    started_.fetch_add(1);
    if (automatic) return Answer(request.reference, done);
    std::scoped_lock lock(mutex_);
    pending_.emplace_back(std::move(request), std::move(done));
    changed_.notify_all();
  }

  int started() const { return started_; }
  size_t pending() {
    std::scoped_lock lock(mutex_);
    return pending_.size();
  }
  /// Blocks until so many fetches are open at the same time.
  void AwaitPending(size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return pending_.size() >= count; });
  }
  /// The references being fetched, oldest first.
  std::vector<std::string> References() {
    std::scoped_lock lock(mutex_);
    std::vector<std::string> references;
    for (const auto& [request, done] : pending_) references.push_back(request.reference);
    return references;
  }
  fetch::FetchRequest Peek() {
    std::scoped_lock lock(mutex_);
    return pending_.front().first;
  }
  /// Answers the oldest open fetch.
  void AnswerOne() {
    AnswerOne([](const std::string& text) { return Result<Bytes>(Photo(text)); });
  }
  void AnswerOne(const std::function<Result<Bytes>(const std::string&)>& make) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return !pending_.empty(); });
    auto [request, done] = std::move(pending_.front());
    pending_.erase(pending_.begin());
    lock.unlock();
    done(make(request.reference));
  }

 private:
  static void Answer(const std::string& reference, const fetch::FetchCallback& done) {
    if (reference == "missing") return done(Status(Code::kNotFound, "no such photo"));
    done(Photo(reference));
  }
  std::atomic<int> started_{0};
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::pair<fetch::FetchRequest, fetch::FetchCallback>> pending_;
};

/// Keeps every value under "name{label=value,...}".
class FakeRegistry : public metrics::Registry {
 public:
  metrics::Counter* GetCounter(std::string_view name, std::string_view,
                               const metrics::Labels& labels) override {
    return Get(name, labels);
  }
  metrics::Gauge* GetGauge(std::string_view name, std::string_view, const metrics::Labels& labels) override {
    return Get(name, labels);
  }
  metrics::Distribution* GetDistribution(std::string_view name, std::string_view, std::span<const double>,
                                         const metrics::Labels& labels) override {
    return Get(name, labels);
  }
  int AddSampler(std::function<void()> sampler) override {
    std::scoped_lock lock(mutex_);
    samplers_.emplace(++last_sampler_, std::move(sampler));
    return last_sampler_;
  }
  void RemoveSampler(int id) override {
    std::scoped_lock lock(mutex_);
    samplers_.erase(id);
  }
  std::string PrometheusText() override { return {}; }
  std::string StatsJson() override { return {}; }

  void Sample() {
    std::scoped_lock lock(mutex_);
    for (auto& [id, sampler] : samplers_) sampler();
  }
  size_t samplers() {
    std::scoped_lock lock(mutex_);
    return samplers_.size();
  }
  double Value(const std::string& key) { return Find(key).value; }
  int Count(const std::string& key) { return static_cast<int>(Find(key).observed.size()); }
  std::vector<double> Observed(const std::string& key) { return Find(key).observed; }
  bool Has(const std::string& key) {
    std::scoped_lock lock(making_);
    return metrics_.contains(key);
  }

 private:
  struct Snapshot {
    double value = 0;
    std::vector<double> observed;
  };
  class Metric : public metrics::Counter, public metrics::Gauge, public metrics::Distribution {
   public:
    void Add(double amount) override {
      std::scoped_lock lock(mutex_);
      state_.value += amount;
    }
    void Set(double value) override {
      std::scoped_lock lock(mutex_);
      state_.value = value;
    }
    void Observe(double value) override {
      std::scoped_lock lock(mutex_);
      state_.observed.push_back(value);
    }
    double Value() const override { return Copy().value; }
    Snapshot Copy() const {
      std::scoped_lock lock(mutex_);
      return state_;
    }

   private:
    mutable std::mutex mutex_;
    Snapshot state_;
  };

  Metric* Get(std::string_view name, const metrics::Labels& labels) {
    std::string key(name);
    for (const auto& [label, value] : labels) key += "," + std::string(label) + "=" + value;
    std::scoped_lock lock(making_);
    std::unique_ptr<Metric>& metric = metrics_[key];
    if (!metric) metric = std::make_unique<Metric>();
    return metric.get();
  }
  Snapshot Find(const std::string& key) {
    std::scoped_lock lock(making_);
    const auto found = metrics_.find(key);
    return found == metrics_.end() ? Snapshot{} : found->second->Copy();
  }

  std::mutex mutex_;  // samplers
  std::map<int, std::function<void()>> samplers_;
  int last_sampler_ = 0;
  std::mutex making_;
  std::map<std::string, std::unique_ptr<Metric>> metrics_;
};

/// Receives the answer of one request; a second answer breaks the promise and the test.
class Answer {
 public:
  pipeline::RequestDone Done() {
    return [this](pipeline::RequestResult result) {
      ++calls_;
      promise_.set_value(std::move(result));
    };
  }
  pipeline::RequestResult Get() { return future_.get(); }
  bool Answered() const { return calls_ > 0; }
  int calls() const { return calls_; }

 private:
  std::atomic<int> calls_{0};
  std::promise<pipeline::RequestResult> promise_;
  std::future<pipeline::RequestResult> future_ = promise_.get_future();
};

}  // namespace photovec::testing
