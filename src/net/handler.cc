// SPDX-License-Identifier: MIT
#include "net/handler.h"

#include <atomic>
#include <boost/asio/post.hpp>
#include <exception>
#include <string>
#include <utility>

namespace photovec::net {

namespace asio = boost::asio;

namespace {

Status Guarded(const std::function<void()>& work) {
  try {
    work();
  } catch (const std::exception& error) {
    return {Code::kInternal, std::string("unexpected failure: ") + error.what()};
  }
  return Status::Ok();
}

}  // namespace

Task<Status> ServerRequest::RunSized(size_t bytes, std::function<void()> work) {
  if (bytes <= kInlineBytes) co_return Guarded(work);
  const Status outcome = co_await RunOn(workers, std::move(work));
  co_return outcome;
}

Task<Status> ServerRequest::RunOn(ThreadPool& pool, std::function<void()> work) {
  // The frame stays suspended until `done`, so the worker may borrow from it.
  Status outcome;
  bool done = false;
  std::atomic<bool> gone{false};
  std::function<void()> task = [&, connection = &io] {
    if (gone.load(std::memory_order_relaxed)) {
      outcome = Status(Code::kCancelled, "the client went away before its request was worked on");
    } else {
      outcome = Guarded(work);
    }
    asio::post(connection->executor(), [&done, connection] {
      done = true;
      connection->Notify();
    });
  };
  if (!pool.TryPost(task)) {
    co_return Status(Code::kOverloaded,
                     "too many large bodies are being read or written: try again in a moment");
  }
  while (!done) {
    io.WatchPeer();
    if (io.peer_gone()) gone.store(true, std::memory_order_relaxed);
    co_await io.WaitForEvent(Deadline());
  }
  co_return outcome;
}

}  // namespace photovec::net
