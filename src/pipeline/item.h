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
#include "pipeline/collector.h"
#include "pipeline/fetch_permit.h"
#include "pipeline/request.h"
#include "pipeline/result_cache.h"

namespace photovec::pipeline {

/// One image of one request on its way through the stages. One thread holds it at a time and hands it on
/// through a queue, so it needs no lock. Whoever holds it last ends it, exactly once: with Fail(), or as the
/// batcher's client.
class Item final : public batch::Client {
 public:
  /// \param result the place for its outcome, in its request.
  Item(std::shared_ptr<Collector> collector, ItemResult& result)
      : collector_(std::move(collector)), result_(result) {}

  uint64_t flow() const { return collector_->id(); }  ///< for fair queues
  ModelRuntime& model() const { return collector_->model(); }
  const RequestOptions& request() const { return collector_->options(); }
  std::shared_ptr<const CancelFlag> cancel_flag() const { return collector_->cancel_flag(); }
  bool IsGivenUp(TimePoint now) const { return collector_->IsGivenUp(now); }
  /// Ends the item when nobody wants it any more; says whether it did.
  bool EndIfGivenUp();

  StageTimes& times() { return result_.times; }
  ItemTrail& trail() { return result_.trail; }

  /// What is to be fetched, until it is.
  std::string reference;
  /// It proved larger than most: the next fetch gets all the memory that a photo may have.
  bool is_large = false;
  /// The encoded photo, from upload or fetch until it is decoded.
  Bytes bytes;
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
  bool StillWanted() const override { return !IsGivenUp(Clock::now()); }
  void OnTaken(const batch::Taken& taken) override;
  void OnEncoded(const Status& status, std::span<const float> embedding, TimePoint at) override;
  void OnDropped() override;

 private:
  Status Normalize();
  void End(Status status);

  const std::shared_ptr<Collector> collector_;
  ItemResult& result_;
};

using ItemPtr = std::shared_ptr<Item>;

}  // namespace photovec::pipeline
