// SPDX-License-Identifier: MIT
#include "pipeline/open_request.h"

#include <string>
#include <utility>

#include "base/log.h"

namespace photovec::pipeline {

OpenRequest::OpenRequest(std::shared_ptr<Core> core, std::shared_ptr<Collector> collector)
    : core_(std::move(core)), collector_(std::move(collector)) {}

OpenRequest::~OpenRequest() {
  if (finished_) return;
  collector_->Cancel();
  collector_->Finish();
}

std::pair<ItemPtr, Status> OpenRequest::Admit() {
  if (finished_) {
    log::error("request {}: an image was added after Finish() and is ignored", collector_->id());
    return {nullptr, Status::Ok()};
  }
  const auto limit = static_cast<size_t>(core_->options.max_items_per_request);
  auto item = std::make_shared<Item>(collector_, collector_->AddResult());
  item->times().Mark(Border::kAdmitted);
  if (!core_->requests.ItemStarted()) {
    return {std::move(item), Status(Code::kUnavailable, "the server is shutting down")};
  }
  if (collector_->size() > limit) {
    return {std::move(item),
            Status(Code::kInvalidRequest,
                   "a request may have at most " + std::to_string(limit) + " images; split it into several")};
  }
  return {std::move(item), collector_->GivenUp(Clock::now())};
}

void OpenRequest::Add(Source source) {
  auto [item, refusal] = Admit();
  if (item == nullptr) return;
  if (!refusal.ok()) {
    collector_->ticket().Skip();
    return item->Fail(std::move(refusal));
  }
  core_->Enter(std::move(item), std::move(source));
}

void OpenRequest::AddFailed(Status status) {
  ItemPtr item = Admit().first;
  if (item == nullptr) return;
  collector_->ticket().Skip();
  if (status.ok()) status = Status(Code::kInternal, "an image was reported as failed without a reason");
  item->Fail(std::move(status));
}

void OpenRequest::Finish() {
  if (!finished_.exchange(true)) collector_->Finish();
}

}  // namespace photovec::pipeline
