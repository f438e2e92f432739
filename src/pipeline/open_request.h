// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <memory>

#include "pipeline/collector.h"
#include "pipeline/core.h"
#include "pipeline/request.h"

namespace photovec::pipeline {

/// The owner's end of a request; its items hold the other end, the Collector. It holds the pipeline's core,
/// so that an owner that outlives the pipeline stays harmless.
class OpenRequest final : public Request {
 public:
  OpenRequest(std::shared_ptr<Core> core, std::shared_ptr<Collector> collector);
  ~OpenRequest() override;
  OpenRequest(const OpenRequest&) = delete;
  OpenRequest& operator=(const OpenRequest&) = delete;

  void Add(Source source) override;
  void AddFailed(Status status) override;
  void Finish() override;
  void Cancel() override { collector_->Cancel(); }
  size_t size() const override { return collector_->size(); }

 private:
  /// A new item, admitted now; the status says why it may not go any further.
  std::pair<ItemPtr, Status> Admit();

  const std::shared_ptr<Core> core_;
  const std::shared_ptr<Collector> collector_;
  std::atomic<bool> finished_{false};
};

}  // namespace photovec::pipeline
