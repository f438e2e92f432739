// SPDX-License-Identifier: MIT
#include "pipeline/item.h"

#include <utility>

#include "base/vectors.h"

namespace photovec::pipeline {

bool Item::EndIfGivenUp() {
  Status status = collector_->GivenUp(Clock::now());
  if (status.ok()) return false;
  Fail(std::move(status));
  return true;
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
  times().Mark(Border::kDecodeStart);
  End(std::move(normalized));
}

Status Item::Normalize() {
  if (!request().normalize || NormalizeL2(result_.embedding)) return Status::Ok();
  return {Code::kNanEmbedding, "the model gave a vector of zeros, which has no direction to normalise"};
}

void Item::OnDropped() { End(collector_->GivenUp(Clock::now())); }

void Item::End(Status status) {
  DropBytes();
  if (!status.ok()) result_.embedding = {};
  result_.status = std::move(status);
  result_.times.Mark(Border::kCollected);
  if (!request().self_test) model().metrics().ObserveItem(result_);
  collector_->OnItemEnded();
}

}  // namespace photovec::pipeline
