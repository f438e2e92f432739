// SPDX-License-Identifier: MIT
#include "api/exchange.h"

#include <boost/asio/post.hpp>
#include <chrono>
#include <exception>
#include <utility>

namespace photovec::api {

namespace asio = boost::asio;

net::Response Exchange::Error(const ApiError& error) const {
  if (error.status.code() == Code::kCancelled) return net::ClientGone();
  return net::ErrorResponse(dialect, error);
}

net::Task<Status> Exchange::RunSized(size_t bytes, std::function<void()> work) {
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
  if (!services.workers.TryPost(task)) {
    co_return Status(Code::kOverloaded,
                     "too many large bodies are being read or written: try again in a moment");
  }
  while (!done) co_await io.WaitForEvent(Deadline());
  co_return outcome;
}

net::Task<Result<net::OwnedBody>> Exchange::ReceiveBody() {
  StageClock clock(timing, RequestStage::kReceive);
  Result<net::OwnedBody> received = co_await body.ReadAll();
  co_return std::move(received);
}

/// What the pipeline's callback and the connection share.
struct PendingRequest::Shared {
  std::shared_ptr<net::ConnectionIo> io;  // moved to the loop with the answer, so that it dies there
  std::optional<pipeline::RequestResult> result;
};

Result<PendingRequest> PendingRequest::Open(Exchange& exchange, const std::string& model, bool normalize,
                                            bool squash) {
  auto shared = std::make_shared<Shared>();
  shared->io = exchange.io.shared_from_this();
  pipeline::RequestOptions options;
  options.model = model;
  options.normalize = normalize;
  options.squash = squash;
  options.deadline =
      Deadline::After(std::chrono::milliseconds(exchange.services.options.request_deadline_ms));
  // The loop is held until this callback is gone: asio::post may still be leaving when the answer has long
  // been sent and the server stopped.
  auto done = [shared, loop = exchange.io.loop()](pipeline::RequestResult result) {
    const auto executor = shared->io->executor();
    auto deliver = [shared, io = std::move(shared->io), result = std::move(result)]() mutable {
      shared->result = std::move(result);
      io->Notify();
    };
    asio::post(executor, std::move(deliver));
  };
  const TimePoint opened = Clock::now();
  Result<pipeline::Request> request = exchange.services.pipeline.Open(std::move(options), std::move(done));
  if (!request.ok()) return request.status();
  exchange.opened = opened;
  const auto view = exchange.services.pipeline.FindModel(model);
  if (view) exchange.model = view->name;
  return PendingRequest(exchange, std::move(shared), *std::move(request));
}

PendingRequest::PendingRequest(Exchange& exchange, std::shared_ptr<Shared> shared, pipeline::Request request)
    : exchange_(&exchange), shared_(std::move(shared)), request_(std::move(request)) {}

PendingRequest::~PendingRequest() {
  if (!request_) return;
  request_.Cancel();
  request_.Finish();
}

net::Task<const pipeline::RequestResult*> PendingRequest::Await() {
  pipeline::Request request = std::exchange(request_, pipeline::Request());
  request.Finish();
  net::ConnectionIo& io = exchange_->io;
  bool cancelled = false;
  while (!shared_->result) {
    if (!cancelled) io.WatchPeer();
    if (io.peer_gone() && !cancelled) {
      cancelled = true;
      request.Cancel();
    }
    co_await io.WaitForEvent(Deadline());
  }
  exchange_->result = std::move(shared_->result);
  co_return cancelled ? nullptr : &*exchange_->result;
}

}  // namespace photovec::api
