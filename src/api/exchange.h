// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "api/access_keys.h"
#include "api/embed_service.h"
#include "api/errors.h"
#include "api/request_terms.h"
#include "api/services.h"
#include "api/timing.h"
#include "base/json/checker.h"
#include "base/memory_budget.h"
#include "net/handler.h"
#include "pipeline/request.h"

namespace photovec::api {

/// A body that is no longer than this is read before it is judged where it may hold texts, which do not wait
/// for images: several hundred lines.
inline constexpr uint64_t kParsedFirstWithTexts = 64 * 1024;
/// Whether that is so of a form, whose length alone does not tell texts from images.
inline bool CountedFirst(const net::RequestHead& head) {
  return head.content_length.value_or(UINT64_MAX) <= kParsedFirstWithTexts;
}

/// On whose behalf a request is: what fairness, shares and quotas go by.
struct Caller {
  std::string id;                     ///< the address, or the id of its API key
  std::shared_ptr<const ApiKey> key;  ///< null: the server asks for none, or the route does
  Quota quota = {};                   ///< the key's, or the default's
  bool admin = false;                 ///< may see how the server is doing
};

/// How much a request asks for.
struct ItemCounts {
  int images = 0;
  int texts = 0;
};

/// A body of JSON that is within its limits.
struct JsonBody {
  net::OwnedBody text;
  uint64_t document_bytes = 0;  ///< what its document takes
  uint64_t string_bytes = 0;    ///< more than all that can be copied or decoded out of it
  Reservation paid = {};        ///< for that, once it is parsed
};

/// What JSON of a request may have: enough for `max_images` images of `max_image_bytes` in the widest
/// dialect.
json::Limits JsonLimits(size_t max_images, uint64_t max_image_bytes);

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
  Reservation work = {};                               ///< pays for items, results and the reply
  RequestTerms terms = {};                             ///< set by AdmitHead()
  std::shared_ptr<pipeline::Ticket> ticket = {};       ///< the place in line, once there is one
  ItemCounts promised = {};                            ///< what the ticket was asked for

  net::Response Error(const Status& status) const { return Error(ApiError{status}); }
  /// An error reply; a client that has gone gets none. What memory refused says when to come back, too.
  net::Response Error(const ApiError& error) const;

  /// The request has so many images: its key pays for them. Call once.
  void CountImages(size_t count);
  /// Reads the request's terms, and judges it by its head as far as that tells how many images there are: no
  /// byte of the body is read for what cannot be done in time. Returns the error that ends the exchange.
  std::optional<ApiError> AdmitHead();
  /// Asks for a place in line for so many, where there is none yet for as many of this model.
  std::optional<ApiError> Admit(const pipeline::ModelView& model, ItemCounts counts, bool by_reference);

  /// The whole body, timed as kReceive.
  net::Task<Result<net::OwnedBody>> ReceiveBody();
  /// The same of JSON, held to the limits of a request while it arrives (JsonLimits).
  net::Task<Result<JsonBody>> ReceiveJson();

  /// Memory for what `count` images and texts take beside their bytes, until the reply is sent: items,
  /// results,
  /// the reply. Waits for room like a body. Errors: as BodyReader::Reserve.
  net::Task<Status> PayFor(size_t count, const pipeline::ModelView& model);

  /// Replies that nobody reads would pile up: a reply over 4 KiB that is not paid for yet is paid for here,
  /// or becomes a 429.
  void PayForReply(net::Response& response) const;

  /// Runs `work` on `bytes` where it holds nobody up: here, on the workers, or, more than 1 MiB, in a lane of
  /// its own. Errors: as ServerRequest::RunOn.
  net::Task<Status> RunSized(size_t bytes, std::function<void()> work);

  /// `parse` of the body, timed as kParse; a long one on the worker pool. Its document is paid for first.
  /// Afterwards the body's text is gone, and its reservation pays for what was copied out of it.
  template <typename T>
  net::Task<Result<T, ApiError>> Parse(JsonBody& body,
                                       std::function<Result<T, ApiError>(std::string_view)> parse) {
    StageClock clock(timing, HttpStage::kParse);
    Result<Reservation> room = co_await request.body.Reserve(body.document_bytes + body.string_bytes);
    if (!room.ok()) co_return ApiError{room.status()};
    Result<T, ApiError> parsed = ApiError{Status(Code::kInternal, "the body was not read")};
    const auto work = [&] { parsed = parse(body.text.text()); };
    const Status worked = co_await RunSized(body.text.size(), work);
    if (!worked.ok()) parsed = ApiError{worked};
    body.text = net::OwnedBody();
    room->ShrinkTo(body.string_bytes);
    body.paid = *std::move(room);
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

/// Opens a request, adds the inputs and waits for the results, which are left in exchange.result.
/// \param paid pays for what the inputs hold; may be empty.
/// Returns the reply that ends the exchange when there are none, else nothing.
net::Task<std::optional<net::Response>> RunInputs(Exchange& exchange, const pipeline::ModelView& model,
                                                  const EmbedOptions& options, std::vector<Input> inputs,
                                                  Reservation paid);

}  // namespace photovec::api
