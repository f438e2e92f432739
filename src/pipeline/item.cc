// SPDX-License-Identifier: MIT
#include "pipeline/item.h"

#include <utility>

#include "base/vectors.h"

namespace photovec::pipeline {

namespace {

// A stage's time; -1 where the image did not get to its end.
double StageMicros(const StageTimes& times, Border from, Border to) {
  if (!times.Has(from) || !times.Has(to)) return -1;
  return static_cast<double>(MicrosBetween(times.At(from), times.At(to)));
}

// Whether work was done for it; what was dropped says nothing of how fast work is done.
bool WasServed(Code code) {
  return code != Code::kCancelled && code != Code::kDeadlineExceeded && code != Code::kUnavailable;
}

}  // namespace

void Item::Charge(uint64_t bytes, bool by_reference) {
  charge_ = collector_->ticket().Add(kind(), bytes, by_reference);
  charged_ = true;
}

// What the rest takes may have been learnt to be less since it was found too long: it stays given up.
Status Item::WhyGivenUp() const {
  Status status = collector_->GivenUp(Clock::now(), collector_->ticket().RestFromDecode(kind()));
  if (!status.ok()) return status;
  return {Code::kDeadlineExceeded, "the request's time is over before this part of it could be encoded"};
}

void Item::EndGivenUp(DropQueue queue) {
  model().metrics().ObserveDrop(queue);
  Fail(WhyGivenUp());
}

void Item::DropBytes() {
  bytes.Reset();
  permit.Release();
}

void Item::OnTaken(const batch::Taken& taken) {
  times().MarkAt(Border::kEncodeStart, taken.at);
  trail().stream = taken.stream;
  trail().batch = taken.batch;
  trail().batch_size = taken.size;
}

void Item::OnEncoded(const Status& status, std::span<const float> embedding, TimePoint at) {
  if (!status.ok()) return End(status);
  times().MarkAt(Border::kEncodeEnd, at);
  result_.embedding.assign(embedding.begin(), embedding.end());
  Status normalized = Normalize();
  // Before the answer: whoever has it and asks again finds it.
  if (keep_in != nullptr && normalized.ok()) keep_in->Insert(cache_key, embedding);
  End(std::move(normalized));
}

void Item::AnswerFromCache(std::vector<float> embedding) {
  trail().cached = true;
  result_.embedding = std::move(embedding);
  Status normalized = Normalize();
  if (!times().Has(Border::kDecodeStart)) times().Mark(Border::kDecodeStart);
  End(std::move(normalized));
}

Status Item::Normalize() {
  if (!request().normalize || NormalizeL2(result_.embedding)) return Status::Ok();
  return {Code::kNanEmbedding, "the model gave a vector of zeros, which has no direction to normalise"};
}

void Item::OnDropped() { EndGivenUp(kind() == ItemKind::kText ? DropQueue::kTextBatch : DropQueue::kBatch); }

void Item::End(Status status) {
  DropBytes();
  text = {};
  if (!status.ok()) {
    result_.embedding = {};
    result_.rows_ok = -1;
  }
  result_.status = std::move(status);
  result_.times.Mark(Border::kCollected);
  if (!request().self_test) model().metrics().ObserveItem(result_);
  if (charged_) {
    const StageTimes& at = result_.times;
    const ItemTrail& trail = result_.trail;
    collector_->ticket().OnEnded(
        charge_,
        {WasServed(result_.status.code()), StageMicros(at, Border::kDecodeStart, Border::kPreprocessEnd),
         StageMicros(at, Border::kEncodeStart, Border::kEncodeEnd), trail.batch_size, trail.bytes});
  }
  collector_->OnItemEnded();
}

}  // namespace photovec::pipeline
