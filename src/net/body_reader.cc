// SPDX-License-Identifier: MIT
#include "net/body_reader.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <string>
#include <utility>

#include "base/text/sizes.h"
#include "net/request_parser.h"

namespace photovec::net {
namespace {

constexpr uint64_t kMinReadBytesPerSecond = 8 * 1024;
// Whoever sends more slowly than this holds a connection that others may need. A phone's uplink is faster.
constexpr uint64_t kWorkingBytesPerSecond = 32 * 1024;
constexpr auto kWorkingSilence = std::chrono::seconds(2);
// Thousands of clients that send a byte at a time must not wake the loop for each.
constexpr uint64_t kSlowPiece = 4096;
// Paid ahead: as much again as is here already. The first step is small, so that thousands who send nothing
// hold nothing; the last is large, so that the counter rests between.
constexpr uint64_t kFirstStep = 16 * 1024;
constexpr uint64_t kLastStep = 256 * 1024;
constexpr auto kPatience = std::chrono::seconds(2);        // of a body without room
constexpr auto kOldestPatience = std::chrono::seconds(5);  // of the one that began before all others
constexpr auto kFirstLook = std::chrono::milliseconds(5);
constexpr auto kLastLook = std::chrono::milliseconds(50);
constexpr uint64_t kDiscardLimit = 64 * 1024;  // more than this costs more than a new connection

Status Gone() { return {Code::kCancelled, "the client went away while its request was being read"}; }

Status TooSlow() { return {Code::kRequestTimeout, "the request body arrives too slowly or has stopped"}; }

Status NoRoom() {
  return {Code::kOverloaded,
          "the memory for requests, or this client's share of it, is in use: try again in a moment"};
}

}  // namespace

Bytes IntoBytes(OwnedBody body) { return ShareBytes(std::move(body.bytes), std::move(body.reservation)); }

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
  const bool by_memory = limits_.max_bytes > budget_.most_of_one();
  const uint64_t most = std::min(limits_.max_bytes, budget_.most_of_one());
  return {
      Code::kBodyTooLarge,
      "the request body is larger than " + HumanBytes(most) +
          (by_memory ? ", one client's share of memory: send fewer or smaller images per request, or raise "
                       "--memory-budget"
                     : ": send fewer or smaller images per request, or raise --max-body")};
}

Status BodyReader::Admit(std::string_view client) {
  started_ = Clock::now();
  account_ = &budget_.AccountOf(client);
  if (complete_) return Status::Ok();
  const uint64_t length = head_.content_length.value_or(0);
  if (length > std::min(limits_.max_bytes, budget_.most_of_one())) return TooLarge();
  // Bodies of this client that are half here come first. The room for the whole is looked for, not taken.
  if (account_->waiting.load(std::memory_order_relaxed) > 0) return NoRoom();
  auto room = budget_.TryReserve(kRequestBytes + length, account_);
  if (!room) return NoRoom();
  room->ShrinkTo(kRequestBytes);
  overhead_ = *std::move(room);
  turn_ = budget_.NextTurn();
  return Status::Ok();
}

Result<Reservation> BodyReader::ReserveNow(uint64_t bytes) {
  if (bytes > budget_.most_of_one()) {
    return Status(Code::kBodyTooLarge, "the request would take " + HumanBytes(bytes) +
                                           " of memory, and one client has " +
                                           HumanBytes(budget_.most_of_one()) +
                                           " at most: send fewer or smaller images per request, or raise "
                                           "--memory-budget");
  }
  auto got = budget_.TryReserve(bytes, account_);
  if (!got) return NoRoom();
  return *std::move(got);
}

Task<Result<Reservation>> BodyReader::Reserve(uint64_t bytes) {
  Result<Reservation> got = ReserveNow(bytes);
  if (got.status().code() == Code::kOverloaded) got = co_await WaitForRoom(bytes);
  co_return std::move(got);
}

Task<Result<Reservation>> BodyReader::WaitForRoom(uint64_t bytes) {
  if (account_ == nullptr || !budget_.EnterLine(turn_)) co_return NoRoom();
  account_->waiting.fetch_add(1, std::memory_order_relaxed);
  const TimePoint began = Clock::now();
  Clock::duration pause = kFirstLook;
  Result<Reservation> got = NoRoom();
  for (;;) {
    io_.WatchPeer();
    if (io_.peer_gone()) got = Gone();
    if (io_.peer_gone()) break;
    co_await io_.WaitForEvent(Deadline::After(pause));
    got = ReserveNow(bytes);
    const Clock::duration waited = Clock::now() - began;
    if (got.ok() || waited > kOldestPatience) break;
    if (waited > kPatience && !budget_.IsOldestInLine(turn_)) break;
    pause = std::min<Clock::duration>(pause * 2, kLastLook);
  }
  account_->waiting.fetch_sub(1, std::memory_order_relaxed);
  budget_.LeaveLine(turn_);
  started_ += Clock::now() - began;  // the client's time stood still
  co_return std::move(got);
}

Task<Result<size_t>> BodyReader::Pay(size_t wanted) {
  uint64_t paid = reservation_.bytes() - std::min(reservation_.bytes(), received_ - taken_);
  if (paid == 0) {
    const uint64_t step = std::clamp(received_, kFirstStep, kLastStep);
    const uint64_t left = head_.chunked ? step : *head_.content_length - received_;
    Result<Reservation> more = co_await Reserve(std::min(step, left));
    if (!more.ok()) co_return more.status();
    paid = more->bytes();
    reservation_.Absorb(*std::move(more));
  }
  co_return static_cast<size_t>(std::min<uint64_t>(wanted, paid));
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

Task<IoResult> BodyReader::ReadOrWait(std::function<Task<IoResult>(Deadline)> read) {
  const Deadline last = CurrentDeadline();
  const TimePoint slow =
      started_ + kWorkingSilence + std::chrono::seconds(received_ / kWorkingBytesPerSecond);
  if (Clock::now() < slow) {
    const IoResult result = co_await read(Deadline(std::min(slow, last.at())));
    if (result != IoResult::kTimeout || last.Expired()) co_return result;
  }
  io_.slot().EndWork();
  if (!head_.chunked) io_.WakeFor(static_cast<int>(std::min(*head_.content_length - received_, kSlowPiece)));
  IoResult result = co_await read(last);
  io_.WakeFor(1);
  if (!io_.slot().BeginWork()) result = IoResult::kEnd;
  co_return result;
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
  if (!got.ok()) reservation_.Release();  // what is read so far goes with the error, the connection later
  co_return got;
}

Task<Result<size_t>> BodyReader::ReadSized(std::span<uint8_t> dest) {
  const uint64_t left = *head_.content_length - received_;
  const Result<size_t> want = co_await Pay(static_cast<size_t>(std::min<uint64_t>(left, dest.size())));
  if (!want.ok()) co_return want.status();
  size_t got = 0;
  const auto read = [&](Deadline deadline) { return io_.ReadSome(dest.first(*want), &got, deadline); };
  const IoResult result = co_await ReadOrWait(read);
  if (result == IoResult::kEnd) co_return Gone();
  if (result == IoResult::kTimeout) co_return TooSlow();
  received_ += got;
  complete_ = received_ == *head_.content_length;
  co_return got;
}

Task<Result<size_t>> BodyReader::ReadChunked(std::span<uint8_t> dest) {
  const Result<size_t> want = co_await Pay(dest.size());
  if (!want.ok()) co_return want.status();
  dest = dest.first(*want);
  for (;;) {
    const RequestParser::ChunkProgress progress = parser_.FeedChunks(io_.buffered(), dest);
    io_.Consume(progress.used);
    if (!progress.status.ok()) co_return progress.status;
    received_ += progress.written;
    complete_ = parser_.body_done();
    if (received_ > std::min(limits_.max_bytes, budget_.most_of_one())) co_return TooLarge();
    if (progress.written > 0 || complete_) co_return progress.written;
    if (io_.BufferFull()) {
      co_return Status(Code::kInvalidRequest, "malformed chunked body: a chunk header is too long");
    }
    const auto fill = [&](Deadline deadline) { return io_.Fill(deadline); };
    const IoResult result = co_await ReadOrWait(fill);
    if (result == IoResult::kEnd) co_return Gone();
    if (result == IoResult::kTimeout) co_return TooSlow();
  }
}

Task<Result<OwnedBody>> BodyReader::ReadAll(std::function<Status(std::string_view)> inspect) {
  OwnedBody body;
  const uint64_t most = head_.chunked ? UINT64_MAX : head_.content_length.value_or(0);
  while (!complete_) {
    const std::span<uint8_t> room = body.bytes.Room(most);
    const Result<size_t> got = co_await Read(room);
    if (!got.ok()) co_return got.status();
    body.bytes.Commit(*got);
    if (!inspect) continue;
    const Status fine = inspect(body.text().substr(body.size() - *got));
    if (!fine.ok()) co_return fine;
  }
  body.bytes.Fit();
  body.reservation = Take(body.size());
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
