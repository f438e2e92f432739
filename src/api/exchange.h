// SPDX-License-Identifier: MIT
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "api/access_keys.h"
#include "api/embed_service.h"
#include "api/errors.h"
#include "api/services.h"
#include "api/timing.h"
#include "net/handler.h"
#include "pipeline/request.h"

namespace photovec::api {

/// On whose behalf a request is: what fairness, shares and quotas go by.
struct Caller {
  std::string id;                     ///< the address, or the id of its API key
  std::shared_ptr<const ApiKey> key;  ///< null: the server asks for none, or the route does
  Quota quota = {};                   ///< the key's, or the default's
  bool admin = false;                 ///< may see how the server is doing
};

/// One HTTP request with its surroundings, as a handler sees it. Lives on the connection's loop.
struct Exchange {
  Services& services;
  net::ServerRequest& request;
  Dialect dialect = Dialect::kNative;
  RequestTiming timing;
  Caller caller = {};
  std::string_view model = {};  ///< set once a request was opened in the pipeline: the label of its metrics
  TimePoint opened = {};        ///< when that was; unset: never
  std::optional<pipeline::RequestResult> result = {};  ///< what came of it, for reply and request log
  std::string request_id = {};                         ///< X-Request-Id, the client's or ours
  std::string_view traceparent = {};                   ///< the client's, when it is one
  size_t images = 0;                                   ///< that were handed to the pipeline
  QuotaHold hold = {};                                 ///< what its key gets back when this ends

  net::Response Error(const Status& status) const { return Error(ApiError{status}); }
  /// An error reply; a client that has gone gets none.
  net::Response Error(const ApiError& error) const;

  /// The request has so many images: its key pays for them. Call once.
  void CountImages(size_t count);

  /// The whole body, timed as kReceive.
  net::Task<Result<net::OwnedBody>> ReceiveBody();

  /// `parse` of the body, which borrows from it, timed as kParse; a long one on the worker pool.
  template <typename T>
  net::Task<Result<T, ApiError>> Parse(const net::OwnedBody& body,
                                       std::function<Result<T, ApiError>(std::string_view)> parse) {
    StageClock clock(timing, HttpStage::kParse);
    Result<T, ApiError> parsed = ApiError{Status(Code::kInternal, "the body was not read")};
    const auto work = [&] { parsed = parse(body.text()); };
    const Status worked = co_await request.RunSized(body.size, work);
    if (!worked.ok()) parsed = ApiError{worked};
    co_return std::move(parsed);
  }
};

/// A request to the pipeline whose answer comes back to the connection's loop. The destructor gives the
/// request up if its answer was not awaited.
class PendingRequest {
 public:
  /// Errors: those of EmbedService::Open.
  static Result<PendingRequest> Open(Exchange& exchange, const pipeline::ModelView& model,
                                     const EmbedOptions& options);

  pipeline::Request& request() { return *request_; }
  /// Finishes the request and waits for all results, which are left in exchange.result. False: the client
  /// went away, and the request was cancelled. Call once.
  net::Task<bool> Await();

 private:
  struct Shared;
  PendingRequest(Exchange& exchange, std::shared_ptr<Shared> shared,
                 std::unique_ptr<pipeline::Request> request);

  Exchange* exchange_;
  std::shared_ptr<Shared> shared_;
  std::unique_ptr<pipeline::Request> request_;
};

/// Opens a request, adds the images and waits for the results, which are left in exchange.result.
/// \param body pays for what the images hold; may be empty.
/// Returns the reply that ends the exchange when there are none, else nothing.
net::Task<std::optional<net::Response>> RunImages(Exchange& exchange, const pipeline::ModelView& model,
                                                  const EmbedOptions& options, std::vector<ImageInput> images,
                                                  net::OwnedBody body);

}  // namespace photovec::api
