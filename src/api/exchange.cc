// SPDX-License-Identifier: MIT
#include "api/exchange.h"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <string>
#include <utility>
#include <variant>

#include "base/json/writer.h"
#include "net/address_group.h"
#include "net/media_type.h"

namespace photovec::api {

namespace asio = boost::asio;
namespace {

// A shorter JSON body is read and parsed before it is judged: that costs next to nothing, and tells how many
// images it names. Fifty references are 5 KB.
constexpr uint64_t kParsedFirst = 32 * 1024;

std::string ModelInHead(const net::RequestHead& head) {
  return head.QueryParameter("model").value_or(head.model_header);
}

pipeline::AdmissionAsk Ask(const Exchange& exchange, const pipeline::ModelView& model, ItemCounts counts) {
  pipeline::AdmissionAsk ask;
  ask.model = model.index;
  ask.lane = exchange.terms.lane;
  ask.client = ClientKey(exchange.caller.id);
  ask.images = counts.images;
  ask.texts = counts.texts;
  ask.deadline = exchange.terms.deadline;
  ask.retry_key = RetryKey(ask.client, exchange.request.head);
  return ask;
}

constexpr size_t kLeastValues = 256;
constexpr size_t kValuesPerImage = 32;
constexpr uint64_t kLongestReference = 64 * 1024;
constexpr size_t kLargeBytes = 1 << 20;
constexpr size_t kFreeReplyBytes = 4096;
// Of one image: item, result, places in queues, its name or its error in the reply. Measured, with malloc's
// share: 480 B, and 300 B of reply.
constexpr uint64_t kItemBytes = 1024;

}  // namespace

net::Response Exchange::Error(const ApiError& error) const {
  if (error.status.code() == Code::kCancelled) return net::ClientGone();
  if (error.status.code() != Code::kOverloaded || error.retry_after_s > 0)
    return ErrorResponse(dialect, error);
  ApiError dated = error;
  const auto named = services.embed.FindModel(ModelInHead(request.head));
  if (const auto model = named.ok() ? named : services.embed.FindModel(""); model.ok()) {
    dated.retry_after_s = services.pipeline.admission().RetryAfter(Ask(*this, *model, promised));
    services.metrics.CountRefusal(model->name, "memory");
  }
  return ErrorResponse(dialect, dated);
}

std::optional<ApiError> Exchange::AdmitHead() {
  const net::RequestHead& head = request.head;
  const Result<RequestTerms> asked = TermsOf(head, services.limits, request.started);
  if (!asked.ok()) return ApiError{asked.status()};
  terms = *asked;
  const auto model = services.embed.FindModel(ModelInHead(head));
  if (!model.ok()) return std::nullopt;  // the handler says so
  const std::string essence = net::ParseParameterised(head.content_type).value;
  const uint64_t bytes = head.content_length.value_or(0);
  if (dialect != Dialect::kNative || net::IsJson(essence)) {
    if (bytes <= (model->text != nullptr ? kParsedFirstWithTexts : kParsedFirst)) return std::nullopt;
    return Admit(*model, {services.guess.Images(ImageGuess::Form::kJson, bytes)}, false);
  }
  const bool form = essence == "multipart/form-data";
  if (form && model->text != nullptr && CountedFirst(head)) return std::nullopt;  // ReceiveUpload() does
  return Admit(*model, {form ? services.guess.Images(ImageGuess::Form::kMultipart, bytes) : 1}, false);
}

std::optional<ApiError> Exchange::Admit(const pipeline::ModelView& model, ItemCounts counts,
                                        bool by_reference) {
  // None, a few, or bulk: what a ticket for one of them was not asked for, it does not allow.
  const auto size = [](ItemKind kind, int count) {
    return count == 0 ? 0 : count <= pipeline::MostInteractive(kind) ? 1 : 2;
  };
  const bool fits = ticket != nullptr && ticket->model() == model.index &&
                    size(ItemKind::kImage, counts.images) == size(ItemKind::kImage, promised.images) &&
                    size(ItemKind::kText, counts.texts) == size(ItemKind::kText, promised.texts);
  if (fits && !by_reference) return std::nullopt;
  ticket.reset();
  promised = counts;
  pipeline::AdmissionAsk ask = Ask(*this, model, counts);
  ask.by_reference = by_reference;
  auto answer = services.pipeline.admission().Ask(ask);
  if (answer.ok()) {
    ticket = *std::move(answer);
    return std::nullopt;
  }
  const pipeline::Refusal& refusal = answer.error();
  const bool late = refusal.reason == pipeline::Refusal::Reason::kDeadline;
  services.metrics.CountRefusal(model.name, late ? "deadline" : "queue_time");
  ApiError error{refusal.status};
  error.retry_after_s = refusal.retry_after_s;
  return error;
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

json::Limits JsonLimits(size_t max_images, uint64_t max_image_bytes) {
  json::Limits limits;
  // vLLM's conversations take 8 values an image, 17 with a text beside it and a message of the system.
  limits.values = kLeastValues + kValuesPerImage * max_images;
  limits.members = 256;
  limits.key_bytes = 1024;
  // Base64, with line ends as MIME writes them; then the data URL's head, or what is no data URL at all.
  limits.string_bytes = max_image_bytes / 3 * 4 + max_image_bytes / 16 + kLongestReference;
  return limits;
}

net::Task<Result<JsonBody>> Exchange::ReceiveJson() {
  StageClock clock(timing, HttpStage::kReceive);
  json::Checker checker(
      JsonLimits(static_cast<size_t>(services.embed.max_items(dialect)), services.embed.max_image_bytes()));
  std::function<Status(std::string_view)> check = [&checker](std::string_view piece) {
    return checker.Feed(piece);
  };
  Result<net::OwnedBody> received = co_await request.body.ReadAll(std::move(check));
  if (!received.ok()) co_return received.status();
  const Status whole = received->size() == 0 ? Status::Ok() : checker.Finish();  // Parse() has words for none
  if (!whole.ok()) co_return whole;
  JsonBody body;
  body.text = *std::move(received);
  body.document_bytes = checker.DocumentBytes();
  body.string_bytes = checker.string_bytes();
  co_return std::move(body);
}

net::Task<Status> Exchange::PayFor(size_t count, const pipeline::ModelView& image_model) {
  const uint64_t each = kItemBytes + EmbeddingDim(image_model) * (sizeof(float) + json::kBytesPerFloat);
  Result<Reservation> room = co_await request.body.Reserve(count * each);
  if (!room.ok()) co_return room.status();
  work.Absorb(*std::move(room));
  co_return Status::Ok();
}

void Exchange::PayForReply(net::Response& response) const {
  const size_t bytes = response.body.capacity();
  if (bytes <= kFreeReplyBytes || response.paid.bytes() > 0) return;
  MemoryBudget& budget = services.pipeline.budget();
  auto room = budget.TryReserve(bytes, &budget.AccountOf(net::AddressGroup(caller.id)));
  if (room) {
    response.paid = *std::move(room);
  } else {
    response = Error(Status(Code::kOverloaded, "the memory for replies is in use: try again in a moment"));
  }
}

net::Task<Status> Exchange::RunSized(size_t bytes, std::function<void()> task) {
  Status done;
  if (bytes > kLargeBytes) {
    done = co_await request.RunOn(services.large, std::move(task));
  } else {
    done = co_await request.RunSized(bytes, std::move(task));
  }
  co_return done;
}

/// What the pipeline's callback and the connection share.
struct PendingRequest::Shared {
  std::shared_ptr<net::ConnectionIo> io;  // moved to the loop with the answer, so that it dies there
  std::optional<pipeline::RequestResult> result;
};

Result<PendingRequest, ApiError> PendingRequest::Open(Exchange& exchange, const pipeline::ModelView& model,
                                                      const EmbedOptions& given) {
  if (exchange.ticket == nullptr || exchange.ticket->model() != model.index) {
    if (auto refused = exchange.Admit(model, {1}, false)) return *std::move(refused);
  }
  EmbedOptions options = given;
  options.deadline = exchange.terms.deadline;
  options.lane = exchange.terms.lane;
  options.client = ClientKey(exchange.caller.id);
  options.ticket = exchange.ticket;
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
  auto request = exchange.services.embed.Open(model, options, std::move(done));
  if (!request.ok()) return ApiError{request.status()};
  exchange.opened = opened;
  exchange.model = model.name;
  return PendingRequest(exchange, std::move(shared), *std::move(request));
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

net::Task<std::optional<net::Response>> RunInputs(Exchange& exchange, const pipeline::ModelView& model,
                                                  const EmbedOptions& options, std::vector<Input> inputs,
                                                  Reservation paid) {
  bool by_reference = false;
  ItemCounts counts;
  for (const Input& input : inputs) {
    by_reference = by_reference || std::holds_alternative<pipeline::Reference>(input.source);
    ++(std::holds_alternative<pipeline::Text>(input.source) ? counts.texts : counts.images);
  }
  // Texts tell nothing of how long images are.
  if (const uint64_t bytes = exchange.request.body.received(); bytes > kParsedFirst && counts.texts == 0) {
    exchange.services.guess.Learn(ImageGuess::Form::kJson, bytes, inputs.size());
  }
  const auto refused = exchange.Admit(model, counts, by_reference);
  if (refused) co_return exchange.Error(*refused);
  const Status room = co_await exchange.PayFor(inputs.size(), model);
  if (!room.ok()) co_return exchange.Error(room);
  Result<PendingRequest, ApiError> pending = PendingRequest::Open(exchange, model, options);
  if (!pending.ok()) co_return exchange.Error(pending.error());
  for (Input& input : inputs) {
    if (const auto* reference = std::get_if<pipeline::Reference>(&input.source)) {
      exchange.work.Absorb(paid.Split(reference->text.size()));
    } else if (const auto* text = std::get_if<pipeline::Text>(&input.source)) {
      exchange.work.Absorb(paid.Split(text->text.size()));
    }
    AddInput(pending->request(), std::move(input), paid);
  }
  inputs = {};
  paid.Release();
  const bool answered = co_await pending->Await();
  if (!answered) co_return net::ClientGone();
  co_return std::nullopt;
}

}  // namespace photovec::api
