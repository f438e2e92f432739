// SPDX-License-Identifier: MIT
#include "pipeline/collector.h"

#include <algorithm>
#include <exception>
#include <iterator>
#include <utility>

#include "base/log.h"
#include "pipeline/request_stages.h"

namespace photovec::pipeline {

Collector::Collector(uint64_t id, RequestOptions options, std::shared_ptr<CancelFlag> cancel,
                     ModelRuntime& model, RequestTable& table, std::shared_ptr<const void> pipeline,
                     RequestDone done)
    : id_(id),
      options_(std::move(options)),
      cancel_(std::move(cancel)),
      model_(model),
      table_(table),
      pipeline_(std::move(pipeline)),
      done_(std::move(done)) {}

ItemResult& Collector::AddResult() {
  open_ends_.fetch_add(1, std::memory_order_relaxed);
  added_.fetch_add(1, std::memory_order_relaxed);
  return results_.emplace_back();
}

void Collector::OnItemEnded() {
  Release();
  table_.ItemEnded();
}

void Collector::Finish() {
  ticket().Finish();
  table_.OnFinish();
  Release();
}

void Collector::Cancel() {
  ticket().OnLeft();
  cancel_->Cancel();
  table_.Wake();
}

Status Collector::GivenUp(TimePoint now, Clock::duration rest) const {
  if (cancel_->cancelled())
    return {Code::kCancelled, "the request was cancelled before this part of it was encoded"};
  if (IsGivenUp(now, rest)) {
    return {Code::kDeadlineExceeded, "the request's time is over before this part of it could be encoded"};
  }
  return Status::Ok();
}

void Collector::Release() {
  // Acquire and release: whoever drops the last end sees everything that the others wrote.
  if (open_ends_.fetch_sub(1, std::memory_order_acq_rel) == 1) Answer();
}

void Collector::Answer() {
  RequestResult result;
  result.started = started_;
  result.finished = started_;
  result.items.assign(std::make_move_iterator(results_.begin()), std::make_move_iterator(results_.end()));
  results_.clear();
  for (const ItemResult& item : result.items) {
    result.finished = std::max(result.finished, item.times.At(Border::kCollected));
  }
  if (!options_.self_test) model_.metrics().ObserveRequest(MeasureRequest(result));
  RequestDone done = std::exchange(done_, nullptr);
  if (done) {
    try {
      done(std::move(result));
    } catch (const std::exception& error) {
      log::error("request {}: its done callback threw: {}", id_, error.what());
    } catch (...) {
      log::error("request {}: its done callback threw", id_);
    }
  }
  done = nullptr;  // what it holds goes before the request counts as answered
  table_.Remove(id_);
}

}  // namespace photovec::pipeline
