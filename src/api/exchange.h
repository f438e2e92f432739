// SPDX-License-Identifier: MIT
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "api/errors.h"
#include "api/services.h"
#include "api/timing.h"
#include "base/status.h"
#include "net/body_reader.h"
#include "net/connection_io.h"
#include "net/request_head.h"
#include "net/response.h"
#include "pipeline/request.h"

namespace photovec::api {

/// Work on more bytes than this goes to the worker pool, so that it does not hold up an event loop.
inline constexpr size_t kInlineBytes = 64 * 1024;

/// One request with its surroundings, as a handler sees it. Lives on the connection's loop.
struct Exchange {
  Services& services;
  net::ConnectionIo& io;
  const net::RequestHead& head;
  net::BodyReader& body;
  Dialect dialect = Dialect::kNative;
  RequestTiming timing;
  std::string model;      ///< set once it is known: the label of the request's metrics
  TimePoint opened = {};  ///< when a request was opened in the pipeline; unset: never
  std::optional<pipeline::RequestResult> result = {};  ///< what came of it, until the reply's body is written

  net::Response Error(const Status& status) const { return Error(ApiError{status, "", "", 0}); }
  /// An error reply; a client that has gone gets none.
  net::Response Error(const ApiError& error) const;

  /// Runs `work` here when `bytes` is small, else on the worker pool while the loop goes on. `work` borrows
  /// from the caller's frame. An exception in it becomes kInternal.
  net::Task<Status> RunSized(size_t bytes, std::function<void()> work);

  /// The whole body, timed as kReceive.
  net::Task<Result<net::OwnedBody>> ReceiveBody();
};

/// A request to the pipeline whose answer comes back to the connection's loop. The destructor gives the
/// request up if its answer was not awaited.
class PendingRequest {
 public:
  /// Errors: those of Pipeline::Open.
  static Result<PendingRequest> Open(Exchange& exchange, const std::string& model, bool normalize,
                                     bool squash);
  PendingRequest(PendingRequest&&) = default;
  PendingRequest& operator=(PendingRequest&&) = delete;
  ~PendingRequest();

  pipeline::Request& request() { return request_; }
  /// Finishes the request and waits for all results, which are left in the exchange. nullptr: the client went
  /// away, and the request was cancelled. Call once.
  net::Task<const pipeline::RequestResult*> Await();

 private:
  struct Shared;
  PendingRequest(Exchange& exchange, std::shared_ptr<Shared> shared, pipeline::Request request);

  Exchange* exchange_;
  std::shared_ptr<Shared> shared_;
  pipeline::Request request_;
};

}  // namespace photovec::api
