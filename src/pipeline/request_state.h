// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <memory>

#include "pipeline/collector.h"
#include "pipeline/core.h"
#include "pipeline/request.h"

namespace photovec::pipeline {

/// What all handles of one request share. Destroying it unfinished cancels and finishes the request. It holds
/// the pipeline's core, so that a handle that outlives the pipeline stays harmless.
class RequestState {
 public:
  RequestState(std::shared_ptr<Core> core, std::shared_ptr<Collector> collector);
  ~RequestState();
  RequestState(const RequestState&) = delete;
  RequestState& operator=(const RequestState&) = delete;

  void Add(Source source);
  void AddFailed(Status status);
  void Finish();
  void Cancel() { collector_->Cancel(); }
  size_t size() const { return collector_->size(); }

 private:
  /// A new item, admitted now; the status says why it may not go any further.
  std::pair<ItemPtr, Status> Admit();

  const std::shared_ptr<Core> core_;
  const std::shared_ptr<Collector> collector_;
  std::atomic<bool> finished_{false};
};

}  // namespace photovec::pipeline
