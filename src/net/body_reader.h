// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "base/bytes.h"
#include "base/deadline.h"
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
  std::unique_ptr<uint8_t[]> data;
  size_t size = 0;
  Reservation reservation;

  std::string_view text() const { return {reinterpret_cast<const char*>(data.get()), size}; }
};

/// The body's bytes, which give its reservation back when their last copy goes.
Bytes IntoBytes(OwnedBody body);

/// Reads the body of one request, whichever way it is framed, and pays for it from the memory budget: a
/// Content-Length in full before the first byte is read, a chunked body as it grows. One per request, on the
/// connection's loop.
class BodyReader {
 public:
  /// Everything is borrowed. The parser has parsed the head.
  BodyReader(ConnectionIo& io, RequestParser& parser, const RequestHead& head, MemoryBudget& budget,
             BodyLimits limits);
  BodyReader(const BodyReader&) = delete;
  BodyReader& operator=(const BodyReader&) = delete;

  /// Judges the size before anything is read, and reserves memory. Call once, before Read.
  /// Errors: kBodyTooLarge, kOverloaded.
  Status Admit();

  /// Some bytes into `dest` (not empty); 0 at the end of the body. Sends "100 Continue" first where the
  /// client waits for it. Errors: kRequestTimeout, kCancelled (the client went away), kBodyTooLarge,
  /// kOverloaded, kInvalidRequest (broken chunk). After an error the connection cannot be used for another
  /// request.
  Task<Result<size_t>> Read(std::span<uint8_t> dest);
  /// All of it. Errors as Read.
  Task<Result<OwnedBody>> ReadAll();
  /// Whether what is left unread is so little that the connection is worth keeping.
  bool CanDiscard() const;
  /// Reads and drops what is left; true when the connection can go on to the next request.
  Task<bool> Discard();

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
  /// Makes sure that `bytes` more are paid for.
  Status Pay(uint64_t bytes);
  Deadline CurrentDeadline() const;
  Status TooLarge() const;
  Task<Result<OwnedBody>> ReadAllChunked();

  ConnectionIo& io_;
  RequestParser& parser_;
  const RequestHead& head_;
  MemoryBudget& budget_;
  const BodyLimits limits_;
  Reservation reservation_;
  uint64_t received_ = 0;
  uint64_t taken_ = 0;
  TimePoint started_;
  bool continue_due_ = false;
  bool complete_ = false;
};

}  // namespace photovec::net
