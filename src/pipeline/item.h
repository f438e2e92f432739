// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/stage_times.h"
#include "batch/batcher.h"
#include "decode/decoder.h"
#include "pipeline/collector.h"
#include "pipeline/fetch_permit.h"
#include "pipeline/request.h"
#include "pipeline/result_cache.h"

namespace photovec::pipeline {

/// One image or text of one request on its way through the stages. One thread holds it at a time and hands it
/// on through a queue, so it needs no lock. Whoever holds it last ends it, exactly once: with Fail(), or as
/// the batcher's client.
class Item final : public batch::Client {
 public:
  /// \param result the place for its outcome, in its request.
  Item(std::shared_ptr<Collector> collector, ItemResult& result)
      : collector_(std::move(collector)), result_(result) {}

  /// Its place in the fair queues.
  const Turn& turn() const { return charge_.turn; }
  /// It enters the pipeline: from now on it counts as work that waits. Once, first.
  void Charge(uint64_t bytes, bool by_reference);
  void OnFetched(uint64_t bytes) { collector_->ticket().OnFetched(charge_, bytes); }
  void OnStarted() { collector_->ticket().OnStarted(charge_); }
  /// It is a big photo: it waits apart from the others, and nothing is learnt from it.
  void OnBig(const decode::DecodeCost& cost) {
    big = cost;
    if (charged_) collector_->ticket().OnBig(charge_);
  }
  ModelRuntime& model() const { return collector_->model(); }
  const RequestOptions& request() const { return collector_->options(); }
  std::shared_ptr<const CancelFlag> cancel_flag() const { return collector_->cancel_flag(); }
  /// Nobody wants it any more, or it cannot be done in time from here: it is cancelled or too late for a
  /// decode and its batch.
  bool IsGivenUp(TimePoint now) const {
    return collector_->IsGivenUp(now, collector_->ticket().RestFromDecode(kind()));
  }
  /// Ends the item, which was found given up while it waited.
  void EndGivenUp(DropQueue queue);

  ItemKind kind() const { return result_.times.kind(); }
  StageTimes& times() { return result_.times; }
  ItemTrail& trail() { return result_.trail; }

  /// What is to be fetched, until it is.
  std::string reference;
  /// The words of a text, until they are ids.
  std::string text;
  void set_tokens(int tokens) { result_.tokens = tokens; }
  /// It was read although it is damaged. Its vector says so wherever it goes, so the result cache, which
  /// keeps vectors alone, does not get it.
  void OnDamaged(int rows_ok) {
    result_.rows_ok = rows_ok;
    keep_in = nullptr;
  }
  /// It proved larger than most: the next fetch gets all the memory that a photo may have.
  bool is_large = false;
  /// The encoded photo, from upload or fetch until it is decoded.
  Bytes bytes;
  /// What it takes, once a decoder found that it is more than a decoder's own part; zero: not known, or less.
  decode::DecodeCost big;
  /// What a fetched photo holds of the fetch stage's look-ahead and of the memory budget.
  FetchPermit permit;
  /// Where its vector is kept when there is one, and under which key; null: nowhere.
  ResultCache* keep_in = nullptr;
  CacheKey cache_key;
  /// Lets go of the encoded photo: it is decoded, or will never be.
  void DropBytes();

  /// Ends the item with an error. The last thing to do with it.
  void Fail(Status status) { End(std::move(status)); }
  /// Ends the item with a vector from the result cache, [D] f32, not normalised. The last thing to do with
  /// it.
  void AnswerFromCache(std::vector<float> embedding);

  // batch::Client
  bool StillWanted() const override {
    return !collector_->IsGivenUp(Clock::now(), collector_->ticket().RestFromEncode(kind()));
  }
  void OnTaken(const batch::Taken& taken) override;
  void OnEncoded(const Status& status, std::span<const float> embedding, TimePoint at) override;
  void OnDropped() override;

 private:
  Status WhyGivenUp() const;
  Status Normalize();
  void End(Status status);

  const std::shared_ptr<Collector> collector_;
  ItemResult& result_;
  pipeline::Charge charge_;
  bool charged_ = false;
};

using ItemPtr = std::shared_ptr<Item>;

}  // namespace photovec::pipeline
