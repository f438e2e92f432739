// SPDX-License-Identifier: MIT
#include "fetch/http/inbox.h"

#include <utility>

namespace photovec::fetch {

Status Inbox::Add(Order& order) {
  std::scoped_lock lock(mutex_);
  if (contents_.closed) return {Code::kCancelled, "the server is shutting down"};
  if (queued_ >= max_queued_) {
    return {Code::kOverloaded, "too many images wait to be downloaded; try again later"};
  }
  ++queued_;
  contents_.orders.push_back(std::move(order));
  return Status::Ok();
}

void Inbox::Add(SignedHeaders headers) {
  std::scoped_lock lock(mutex_);
  contents_.headers.push_back(std::move(headers));
}

void Inbox::Close() {
  std::scoped_lock lock(mutex_);
  contents_.closed = true;
}

Inbox::Contents Inbox::Take() {
  std::scoped_lock lock(mutex_);
  Contents taken;
  taken.closed = contents_.closed;
  std::swap(taken, contents_);
  return taken;
}

void Inbox::OnLeftQueue() {
  std::scoped_lock lock(mutex_);
  --queued_;
}

}  // namespace photovec::fetch
