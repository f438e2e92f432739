// SPDX-License-Identifier: MIT
#include "net/body_reader.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <string>
#include <utility>

#include "base/strings.h"
#include "net/request_parser.h"

namespace photovec::net {
namespace {

constexpr uint64_t kMinReadBytesPerSecond = 8 * 1024;
constexpr uint64_t kReserveStep =
    256 * 1024;  // chunked bodies pay in steps, so that the counter rests between
constexpr uint64_t kDiscardLimit = 64 * 1024;  // more than this costs more than a new connection

Status Gone() { return {Code::kCancelled, "the client went away while its request was being read"}; }

Status TooSlow() { return {Code::kRequestTimeout, "the request body arrives too slowly or has stopped"}; }

}  // namespace

Bytes IntoBytes(OwnedBody body) {
  const auto owner = std::make_shared<const OwnedBody>(std::move(body));
  return {owner, std::span<const uint8_t>(owner->data.get(), owner->size)};
}

BodyReader::BodyReader(ConnectionIo& io, RequestParser& parser, const RequestHead& head, MemoryBudget& budget,
                       BodyLimits limits)
    : io_(io),
      parser_(parser),
      head_(head),
      budget_(budget),
      limits_(limits),
      started_(Clock::now()),
      continue_due_(head.expect_continue),
      complete_(!head.has_body()) {}

Status BodyReader::TooLarge() const {
  return {Code::kBodyTooLarge, "the request body is larger than " + HumanBytes(limits_.max_bytes) +
                                   ": send fewer or smaller images per request, or raise --max-body"};
}

Status BodyReader::Admit() {
  started_ = Clock::now();
  if (complete_ || head_.chunked) return Status::Ok();
  const uint64_t length = *head_.content_length;
  if (length > limits_.max_bytes || length > budget_.limit()) return TooLarge();
  auto reservation = budget_.TryReserve(length);
  if (!reservation) {
    return {Code::kOverloaded, "the memory for request bodies is in use: try again in a moment"};
  }
  reservation_ = *std::move(reservation);
  return Status::Ok();
}

Status BodyReader::Pay(uint64_t bytes) {
  const uint64_t held = reservation_.bytes();
  const uint64_t needed = received_ - taken_ + bytes;
  if (held >= needed) return Status::Ok();
  auto more = budget_.TryReserve(std::max(needed - held, kReserveStep));
  if (!more) {
    return {Code::kOverloaded, "the memory for request bodies is in use: try again in a moment"};
  }
  reservation_.Absorb(*std::move(more));
  return Status::Ok();
}

Reservation BodyReader::Take(uint64_t bytes) {
  Reservation share = reservation_.Split(bytes);
  taken_ += share.bytes();
  return share;
}

Deadline BodyReader::CurrentDeadline() const {
  // Bytes that came fast must not buy a long silence afterwards.
  const auto earned = std::chrono::seconds(received_ / kMinReadBytesPerSecond);
  return Deadline(std::min(Clock::now() + limits_.timeout, started_ + limits_.timeout + earned));
}

Task<Result<size_t>> BodyReader::Read(std::span<uint8_t> dest) {
  if (complete_) co_return size_t{0};
  if (continue_due_) {
    continue_due_ = false;
    if (io_.buffered().empty()) {
      const std::string_view go_on = "HTTP/1.1 100 Continue\r\n\r\n";
      const IoResult sent = co_await io_.Write(go_on, {}, CurrentDeadline());
      if (sent != IoResult::kOk) co_return Gone();
    }
  }
  Result<size_t> got = size_t{0};
  if (head_.chunked) {
    got = co_await ReadChunked(dest);
  } else {
    got = co_await ReadSized(dest);
  }
  co_return got;
}

Task<Result<size_t>> BodyReader::ReadSized(std::span<uint8_t> dest) {
  const uint64_t left = *head_.content_length - received_;
  const size_t want = static_cast<size_t>(std::min<uint64_t>(left, dest.size()));
  size_t got = 0;
  const IoResult result = co_await io_.ReadSome(dest.first(want), &got, CurrentDeadline());
  if (result == IoResult::kEnd) co_return Gone();
  if (result == IoResult::kTimeout) co_return TooSlow();
  received_ += got;
  complete_ = received_ == *head_.content_length;
  co_return got;
}

Task<Result<size_t>> BodyReader::ReadChunked(std::span<uint8_t> dest) {
  dest = dest.first(std::min<size_t>(dest.size(), kReserveStep));
  const Status paid = Pay(dest.size());
  if (!paid.ok()) co_return paid;
  for (;;) {
    const RequestParser::ChunkProgress progress = parser_.FeedChunks(io_.buffered(), dest);
    io_.Consume(progress.used);
    if (!progress.status.ok()) co_return progress.status;
    received_ += progress.written;
    complete_ = parser_.body_done();
    if (received_ > limits_.max_bytes) co_return TooLarge();
    if (progress.written > 0 || complete_) co_return progress.written;
    if (io_.BufferFull()) {
      co_return Status(Code::kInvalidRequest, "malformed chunked body: a chunk header is too long");
    }
    const IoResult result = co_await io_.Fill(CurrentDeadline());
    if (result == IoResult::kEnd) co_return Gone();
    if (result == IoResult::kTimeout) co_return TooSlow();
  }
}

Task<Result<OwnedBody>> BodyReader::ReadAll() {
  if (head_.chunked) {
    Result<OwnedBody> chunked = co_await ReadAllChunked();
    co_return std::move(chunked);
  }
  OwnedBody body;
  const uint64_t length = head_.content_length.value_or(0);
  body.data = std::make_unique_for_overwrite<uint8_t[]>(static_cast<size_t>(length));
  while (!complete_) {
    const std::span<uint8_t> rest(body.data.get() + body.size, static_cast<size_t>(length) - body.size);
    const Result<size_t> got = co_await Read(rest);
    if (!got.ok()) co_return got.status();
    body.size += *got;
  }
  body.reservation = Take(length);
  co_return Result<OwnedBody>(std::move(body));
}

Task<Result<OwnedBody>> BodyReader::ReadAllChunked() {
  OwnedBody body;
  size_t capacity = 64 * 1024;
  body.data = std::make_unique_for_overwrite<uint8_t[]>(capacity);
  while (!complete_) {
    if (body.size == capacity) {
      auto larger = std::make_unique_for_overwrite<uint8_t[]>(capacity * 2);
      std::memcpy(larger.get(), body.data.get(), body.size);
      body.data = std::move(larger);
      capacity *= 2;
    }
    const std::span<uint8_t> rest(body.data.get() + body.size, capacity - body.size);
    const Result<size_t> got = co_await Read(rest);
    if (!got.ok()) co_return got.status();
    body.size += *got;
  }
  body.reservation = Take(body.size);
  reservation_.Release();
  co_return Result<OwnedBody>(std::move(body));
}

bool BodyReader::CanDiscard() const {
  if (complete_) return true;
  if (continue_due_) return false;  // the client may send the body or not: nobody can tell
  return head_.chunked || *head_.content_length - received_ <= kDiscardLimit;
}

Task<bool> BodyReader::Discard() {
  if (complete_) co_return true;
  if (!CanDiscard()) co_return false;
  std::array<uint8_t, 8192> scrap;
  const uint64_t stop = received_ + kDiscardLimit;
  while (!complete_ && received_ <= stop) {
    const Result<size_t> got = co_await Read(scrap);
    if (!got.ok()) co_return false;
  }
  co_return complete_;
}

}  // namespace photovec::net
