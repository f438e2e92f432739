// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <functional>
#include <string_view>

#include "base/deadline.h"
#include "base/status.h"
#include "base/thread_pool.h"
#include "net/body_reader.h"
#include "net/connection_io.h"
#include "net/request_head.h"
#include "net/response.h"

namespace photovec::net {

/// Work on more bytes than this goes to the worker pool, so that it does not hold up an event loop.
inline constexpr size_t kInlineBytes = 64 * 1024;

/// One request on its connection, its body not yet read. Lives on the connection's loop, until its handler's
/// reply is sent.
struct ServerRequest {
  ConnectionIo& io;
  const RequestHead& head;
  BodyReader& body;
  ThreadPool& workers;
  bool draining = false;             ///< the server takes no new work
  TimePoint started = Clock::now();  ///< the end of the request's head

  /// Runs `work` here when `bytes` is small, else on the worker pool (RunOn).
  Task<Status> RunSized(size_t bytes, std::function<void()> work);
  /// Runs `work` on a pool while the loop goes on; `work` borrows from the caller's frame. It is left out
  /// when the client has gone before its turn comes.
  /// Errors: kOverloaded when the pool is full; kCancelled; kInternal for an exception in `work`.
  Task<Status> RunOn(ThreadPool& pool, std::function<void()> work);
};

/// What a Server serves: the protocols, which net/ knows nothing of. Called on the event loops; thread-safe,
/// since there may be several.
class Handler {
 public:
  virtual ~Handler() = default;
  /// The reply to one request. Everything that it needs of the request is over when it returns; never throws
  /// but std::bad_alloc.
  virtual Task<Response> Handle(ServerRequest& request) = 0;
  /// The reply to what never became a request; the connection ends with it.
  /// \param label for metrics: "malformed" or "refused" (too many connections).
  virtual Response Refuse(std::string_view label, const HttpError& error) = 0;
};

}  // namespace photovec::net
