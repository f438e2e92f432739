// SPDX-License-Identifier: MIT
#include "api/exchange.h"

#include <boost/asio/post.hpp>

namespace photovec::api {

namespace asio = boost::asio;

net::Response Exchange::Error(const ApiError& error) const {
  if (error.status.code() == Code::kCancelled) return net::ClientGone();
  return ErrorResponse(dialect, error);
}

void Exchange::CountImages(size_t count) {
  images = count;
  if (caller.key) caller.key->use->PayImages(caller.quota, count, Clock::now());
}

net::Task<Result<net::OwnedBody>> Exchange::ReceiveBody() {
  StageClock clock(timing, HttpStage::kReceive);
  Result<net::OwnedBody> received = co_await request.body.ReadAll();
  co_return std::move(received);
}

/// What the pipeline's callback and the connection share.
struct PendingRequest::Shared {
  std::shared_ptr<net::ConnectionIo> io;  // moved to the loop with the answer, so that it dies there
  std::optional<pipeline::RequestResult> result;
};

Result<PendingRequest> PendingRequest::Open(Exchange& exchange, const pipeline::ModelView& model,
                                            const EmbedOptions& options) {
  auto shared = std::make_shared<Shared>();
  shared->io = exchange.request.io.shared_from_this();
  // The loop is held until this callback is gone: asio::post may still be leaving when the answer has long
  // been sent and the server stopped.
  auto done = [shared, loop = exchange.request.io.loop()](pipeline::RequestResult result) {
    const auto executor = shared->io->executor();
    auto deliver = [shared, io = std::move(shared->io), result = std::move(result)]() mutable {
      shared->result = std::move(result);
      io->Notify();
    };
    asio::post(executor, std::move(deliver));
  };
  const TimePoint opened = Clock::now();
  ASSIGN_OR_RETURN(auto request, exchange.services.embed.Open(model, options, std::move(done)));
  exchange.opened = opened;
  exchange.model = model.name;
  return PendingRequest(exchange, std::move(shared), std::move(request));
}

PendingRequest::PendingRequest(Exchange& exchange, std::shared_ptr<Shared> shared,
                               std::unique_ptr<pipeline::Request> request)
    : exchange_(&exchange), shared_(std::move(shared)), request_(std::move(request)) {}

net::Task<bool> PendingRequest::Await() {
  const std::unique_ptr<pipeline::Request> request = std::move(request_);
  exchange_->CountImages(request->size());
  request->Finish();
  net::ConnectionIo& io = exchange_->request.io;
  bool cancelled = false;
  while (!shared_->result) {
    if (!cancelled) io.WatchPeer();
    if (io.peer_gone() && !cancelled) {
      cancelled = true;
      request->Cancel();
    }
    co_await io.WaitForEvent(Deadline());
  }
  exchange_->result = std::move(shared_->result);
  co_return !cancelled;
}

net::Task<std::optional<net::Response>> RunImages(Exchange& exchange, const pipeline::ModelView& model,
                                                  const EmbedOptions& options, std::vector<ImageInput> images,
                                                  net::OwnedBody body) {
  Result<PendingRequest> pending = PendingRequest::Open(exchange, model, options);
  if (!pending.ok()) co_return exchange.Error(pending.status());
  for (ImageInput& image : images) AddImage(pending->request(), std::move(image), body.reservation);
  images.clear();
  body = net::OwnedBody();  // the references have been copied out of it
  const bool answered = co_await pending->Await();
  if (!answered) co_return net::ClientGone();
  co_return std::nullopt;
}

}  // namespace photovec::api
