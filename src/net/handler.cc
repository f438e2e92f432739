// SPDX-License-Identifier: MIT
#include "net/handler.h"

#include <boost/asio/post.hpp>
#include <exception>
#include <string>

namespace photovec::net {

namespace asio = boost::asio;

Task<Status> ServerRequest::RunSized(size_t bytes, std::function<void()> work) {
  Status outcome;
  const auto guarded = [&outcome, &work] {
    try {
      work();
    } catch (const std::exception& error) {
      outcome = Status(Code::kInternal, std::string("unexpected failure: ") + error.what());
    }
  };
  if (bytes <= kInlineBytes) {
    guarded();
    co_return outcome;
  }
  // The frame stays suspended until `done`, so the worker may borrow from it.
  bool done = false;
  std::function<void()> task = [&guarded, &done, connection = &io] {
    guarded();
    asio::post(connection->executor(), [&done, connection] {
      done = true;
      connection->Notify();
    });
  };
  if (!workers.TryPost(task)) {
    co_return Status(Code::kOverloaded,
                     "too many large bodies are being read or written: try again in a moment");
  }
  while (!done) co_await io.WaitForEvent(Deadline());
  co_return outcome;
}

}  // namespace photovec::net
