// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>

#include "base/deadline.h"
#include "base/status.h"
#include "pipeline/admission.h"
#include "pipeline/model_runtime.h"
#include "pipeline/request.h"
#include "pipeline/request_table.h"

namespace photovec::pipeline {

/// The last stage: gathers the results of one request, in the order of Add, and hands them over once when
/// every image has its result and the request was finished. Results are written in place by whichever thread
/// ends an image; the only thing they share is one atomic count.
class Collector {
 public:
  /// \param options with a ticket.
  /// \param pipeline keeps model and table alive as long as an image of this request is anywhere.
  Collector(uint64_t id, RequestOptions options, std::shared_ptr<CancelFlag> cancel, ModelRuntime& model,
            RequestTable& table, std::shared_ptr<const void> pipeline, RequestDone done);

  uint64_t id() const { return id_; }
  const RequestOptions& options() const { return options_; }
  Ticket& ticket() const { return *options_.ticket; }
  ModelRuntime& model() { return model_; }
  std::shared_ptr<const CancelFlag> cancel_flag() const { return cancel_; }

  /// A place for one more result, valid until the request is answered. Only the thread that adds.
  ItemResult& AddResult();
  size_t size() const { return added_.load(std::memory_order_relaxed); }
  /// One result is complete. Any thread; the last one answers the request.
  void OnItemEnded();
  /// No more AddResult(). Once, after the last of them.
  void Finish();

  void Cancel();
  /// Why an image of this request is not worth more work at `now`, when it needs `rest` at the least until
  /// it is answered; OK when it is.
  Status GivenUp(TimePoint now, Clock::duration rest = {}) const;
  bool IsGivenUp(TimePoint now, Clock::duration rest = {}) const {
    if (cancel_->cancelled()) return true;
    return !options_.deadline.infinite() && now + rest >= options_.deadline.at();
  }

 private:
  void Release();
  void Answer();

  const uint64_t id_;
  const RequestOptions options_;
  const TimePoint started_ = Clock::now();
  const std::shared_ptr<CancelFlag> cancel_;
  ModelRuntime& model_;
  RequestTable& table_;
  const std::shared_ptr<const void> pipeline_;
  RequestDone done_;
  std::deque<ItemResult> results_;  // a deque: places stay where they are while more are added
  std::atomic<size_t> added_{0};
  std::atomic<int64_t> open_ends_{1};  // images without result, and one for Finish()
};

}  // namespace photovec::pipeline
