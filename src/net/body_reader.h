// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string_view>

#include "base/bytes.h"
#include "base/deadline.h"
#include "base/growing_bytes.h"
#include "base/memory_budget.h"
#include "base/result.h"
#include "net/connection_io.h"
#include "net/request_head.h"

namespace photovec::net {

class RequestParser;

struct BodyLimits {
  uint64_t max_bytes = 0;
  Clock::duration timeout{};  ///< for a silence; more in all at 8 KiB/s
};

/// A body in memory, with the share of the memory budget that pays for it.
struct OwnedBody {
  GrowingBytes bytes;
  Reservation reservation;

  size_t size() const { return bytes.size(); }
  std::string_view text() const { return bytes.text(); }
};

/// The body's bytes, which give its reservation back when their last copy goes.
Bytes IntoBytes(OwnedBody body);

/// What a request with a body takes beside it: the connection's buffer, frames of coroutines.
inline constexpr uint64_t kRequestBytes = 32 * 1024;

/// Reads the body of one request, whichever way it is framed, and pays for it from the memory budget as it
/// arrives, a step (16 to 256 KiB) ahead: a Content-Length alone reserves nothing. Without room the client is
/// made to wait (its bytes stay in the kernel) for at most 2 s, the oldest of all that wait for at most 5 s:
/// bodies that wait for each other's memory cannot do so for ever, and one of them goes on. One per request,
/// on the connection's loop.
class BodyReader {
 public:
  /// Everything is borrowed. The parser has parsed the head.
  BodyReader(ConnectionIo& io, RequestParser& parser, const RequestHead& head, MemoryBudget& budget,
             BodyLimits limits);
  BodyReader(const BodyReader&) = delete;
  BodyReader& operator=(const BodyReader&) = delete;

  /// Judges the size before anything is read: whether it can be held at all, and whether there is room for it
  /// now. Call once, before Read.
  /// \param client whose share of the budget pays for this request.
  /// Errors: kBodyTooLarge, kOverloaded.
  Status Admit(std::string_view client);

  /// Some bytes into `dest` (not empty); 0 at the end of the body. Sends "100 Continue" first where the
  /// client waits for it. Errors: kRequestTimeout, kCancelled (the client went away), kBodyTooLarge,
  /// kOverloaded, kInvalidRequest (broken chunk). After an error the connection cannot be used for another
  /// request.
  Task<Result<size_t>> Read(std::span<uint8_t> dest);
  /// All of it. Errors as Read, and those of `inspect`, which sees each piece the moment it is here.
  Task<Result<OwnedBody>> ReadAll(std::function<Status(std::string_view)> inspect = {});
  /// Whether what is left unread is so little that the connection is worth keeping.
  bool CanDiscard() const;
  /// Reads and drops what is left; true when the connection can go on to the next request.
  Task<bool> Discard();

  /// Memory for something else that this request needs, from the same client's share; waits for room as a
  /// body
  /// does. Errors: kOverloaded, kBodyTooLarge (more than a client may ever hold), kCancelled.
  Task<Result<Reservation>> Reserve(uint64_t bytes);
  /// The same without waiting. Errors: kOverloaded, kBodyTooLarge.
  Result<Reservation> ReserveNow(uint64_t bytes);
  /// Moves `bytes` of what is reserved for data already read to the caller.
  Reservation Take(uint64_t bytes);
  /// Gives back what is reserved and was not taken: framing between the parts of a form.
  void ReleaseRest() { reservation_.Release(); }
  bool complete() const { return complete_; }
  uint64_t received() const { return received_; }
  const RequestHead& head() const { return head_; }

 private:
  Task<Result<size_t>> ReadSized(std::span<uint8_t> dest);
  Task<Result<size_t>> ReadChunked(std::span<uint8_t> dest);
  /// How much of `wanted`, at least a byte, may be read now; pays for it.
  Task<Result<size_t>> Pay(size_t wanted);
  Task<Result<Reservation>> WaitForRoom(uint64_t bytes);
  Deadline CurrentDeadline() const;
  /// `read` (a function of a deadline) until CurrentDeadline(). A client that is slower than what keeps a
  /// connection at work waits from then on, and may be thrown out for others.
  Task<IoResult> ReadOrWait(std::function<Task<IoResult>(Deadline)> read);
  Status TooLarge() const;

  ConnectionIo& io_;
  RequestParser& parser_;
  const RequestHead& head_;
  MemoryBudget& budget_;
  const BodyLimits limits_;
  BudgetAccount* account_ = nullptr;
  uint64_t turn_ = 0;
  Reservation overhead_;
  Reservation reservation_;
  uint64_t received_ = 0;
  uint64_t taken_ = 0;
  TimePoint started_;
  bool continue_due_ = false;
  bool complete_ = false;
};

}  // namespace photovec::net
