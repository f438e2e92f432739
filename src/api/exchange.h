// SPDX-License-Identifier: MIT
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "api/embed_service.h"
#include "api/errors.h"
#include "api/request_terms.h"
#include "api/services.h"
#include "api/timing.h"
#include "net/handler.h"
#include "pipeline/request.h"

namespace photovec::api {

/// On whose behalf a request is: what fairness, shares and quotas go by.
struct Caller {
  std::string id;  ///< the address, or the id of its API key
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
  RequestTerms terms = {};                             ///< set by AdmitHead()
  std::shared_ptr<pipeline::Ticket> ticket = {};       ///< the place in line, once there is one
  int promised = 0;                                    ///< how many images the ticket was asked for

  net::Response Error(const Status& status) const { return Error(ApiError{status}); }
  /// An error reply; a client that has gone gets none. What memory refused says when to come back, too.
  net::Response Error(const ApiError& error) const;

  /// Reads the request's terms, and judges it by its head as far as that tells how many images there are: no
  /// byte of the body is read for what cannot be done in time. Returns the error that ends the exchange.
  std::optional<ApiError> AdmitHead();
  /// Asks for a place in line for so many images, where there is none yet for as many of this model.
  std::optional<ApiError> Admit(const pipeline::ModelView& model, int images, bool by_reference);

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
  /// Asks for a place in line if the exchange has none.
  /// Errors: those of EmbedService::Open; kOverloaded.
  static Result<PendingRequest, ApiError> Open(Exchange& exchange, const pipeline::ModelView& model,
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
