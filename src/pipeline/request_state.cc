// SPDX-License-Identifier: MIT
#include "pipeline/request_state.h"

#include <string>
#include <utility>

#include "base/log.h"

namespace photovec::pipeline {

RequestState::RequestState(std::shared_ptr<Core> core, std::shared_ptr<Collector> collector)
    : core_(std::move(core)), collector_(std::move(collector)) {}

RequestState::~RequestState() {
  if (finished_) return;
  Cancel();
  Finish();
}

std::pair<ItemPtr, Status> RequestState::Admit() {
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

void RequestState::Add(Source source) {
  auto [item, refusal] = Admit();
  if (item == nullptr) return;
  if (!refusal.ok()) return item->Fail(std::move(refusal));
  if (auto* reference = std::get_if<Reference>(&source)) {
    item->trail().by_reference = true;
    item->reference = std::move(reference->text);
    return core_->fetch.Push(std::move(item));
  }
  item->bytes = std::move(std::get<Bytes>(source));
  item->trail().bytes = item->bytes.size();
  const TimePoint admitted = item->times().At(Border::kAdmitted);
  item->times().MarkAt(Border::kFetchStart, admitted);
  item->times().MarkAt(Border::kFetchEnd, admitted);
  core_->decode.Push(std::move(item));
}

void RequestState::AddFailed(Status status) {
  ItemPtr item = Admit().first;
  if (item == nullptr) return;
  if (status.ok()) status = Status(Code::kInternal, "an image was reported as failed without a reason");
  item->Fail(std::move(status));
}

void RequestState::Finish() {
  if (!finished_.exchange(true)) collector_->Finish();
}

void Request::Add(Source source) { state_->Add(std::move(source)); }
void Request::AddFailed(Status status) { state_->AddFailed(std::move(status)); }
void Request::Finish() { state_->Finish(); }
void Request::Cancel() { state_->Cancel(); }
size_t Request::size() const { return state_->size(); }

}  // namespace photovec::pipeline
