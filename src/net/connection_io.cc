// SPDX-License-Identifier: MIT
#include "net/connection_io.h"

#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <boost/asio/error.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <cstring>
#include <utility>

namespace photovec::net {
namespace {

namespace asio = boost::asio;
using ErrorCode = boost::system::error_code;
using asio::ip::tcp;

// A fast sender must not keep the loop from its other connections for longer than about 0.1 ms.
constexpr size_t kYieldBytes = 256 * 1024;

// What one record of TLS holds. A reply's head and the beginning of its body go out in one.
constexpr size_t kRecordBytes = 16 * 1024;
constexpr int kMostUnsentBytes = 256 * 1024;

// A reader slower than this is holding our memory, not reading.
constexpr uint64_t kMinWriteBytesPerSecond = 8 * 1024;

// What is read for nothing costs 2 to 3% of a CPU at 64 MiB/s. Some is read at once: most refused bodies are
// smaller, and their clients can read the reply.
constexpr uint64_t kDiscardBytesPerMicrosecond = 64;
constexpr auto kDiscardSlack = std::chrono::milliseconds(16);

constexpr auto kLingerQuiet = std::chrono::seconds(2);   // without a byte
constexpr auto kLingerTotal = std::chrono::seconds(10);  // in all

}  // namespace

ConnectionIo::ConnectionIo(Socket socket, Peer peer, std::unique_ptr<ConnectionTable::Slot> slot,
                           std::shared_ptr<const void> loop, std::function<void(ConnectionIo&)> on_close)
    : peer_(std::move(peer)),
      slot_(std::move(slot)),
      loop_(std::move(loop)),
      socket_(std::move(socket)),
      wake_(socket_.get_executor()),
      on_close_(std::move(on_close)) {
  ErrorCode ignored;  // a socket that died already shows it at the first read, and a Unix socket has no Nagle
  socket_.non_blocking(true, ignored);
  socket_.set_option(tcp::no_delay(true), ignored);
  // What a client does not read waits here, where it is paid for, not in the kernel.
  setsockopt(socket_.native_handle(), IPPROTO_TCP, TCP_NOTSENT_LOWAT, &kMostUnsentBytes, sizeof(int));
}

ConnectionIo::~ConnectionIo() { on_close_(*this); }

void ConnectionIo::UseTls(std::shared_ptr<const TlsContext> context) {
  tls_ = std::make_unique<TlsStream>(std::move(context), socket_.native_handle());
}

void ConnectionIo::DropTls() {
  tls_.reset();
  gone_ = false;
}

Task<IoResult> ConnectionIo::Handshake(Deadline deadline) {
  for (;;) {
    const TlsStream::Outcome outcome = tls_->Handshake();
    if (outcome == TlsStream::Outcome::kDone) {
      peer_.identity = tls_->PeerIdentity();
      co_return IoResult::kOk;
    }
    IoResult result = IoResult::kEnd;
    if (outcome == TlsStream::Outcome::kWantRead) result = co_await WaitReadable(deadline);
    if (outcome == TlsStream::Outcome::kWantWrite) result = co_await WaitWritable(deadline);
    if (result == IoResult::kEnd) gone_ = true;
    if (result != IoResult::kOk) co_return result;
  }
}

ConnectionIo::Attempt ConnectionIo::Judge(TlsStream::Outcome outcome) {
  if (outcome == TlsStream::Outcome::kDone) return Attempt::kDone;
  if (outcome != TlsStream::Outcome::kEnd) return Attempt::kWouldBlock;
  gone_ = true;
  return Attempt::kEnd;
}

ConnectionIo::Attempt ConnectionIo::TryRead(void* dest, size_t bytes, size_t* got) {
  if (tls_) return Judge(tls_->Read(dest, bytes, got));
  ErrorCode error;
  *got = socket_.read_some(asio::buffer(dest, bytes), error);
  if (!error) return Attempt::kDone;
  if (error == asio::error::would_block || error == asio::error::try_again) return Attempt::kWouldBlock;
  gone_ = true;
  return Attempt::kEnd;
}

ConnectionIo::Attempt ConnectionIo::TryWrite(std::string_view first, std::string_view second, size_t* sent) {
  if (tls_) return TryWriteTls(first, second, sent);
  const std::array buffers = {asio::const_buffer(first.data(), first.size()),
                              asio::const_buffer(second.data(), second.size())};
  ErrorCode error;
  *sent = socket_.write_some(buffers, error);
  if (!error) return Attempt::kDone;
  if (error == asio::error::would_block || error == asio::error::try_again) return Attempt::kWouldBlock;
  gone_ = true;
  return Attempt::kEnd;
}

ConnectionIo::Attempt ConnectionIo::TryWriteTls(std::string_view first, std::string_view second,
                                                size_t* sent) {
  std::array<char, kRecordBytes> record;
  std::string_view next = first.empty() ? second : first;
  if (!first.empty() && first.size() < kRecordBytes) {
    const size_t more = std::min(second.size(), kRecordBytes - first.size());
    std::memcpy(record.data(), first.data(), first.size());
    std::memcpy(record.data() + first.size(), second.data(), more);
    next = std::string_view(record.data(), first.size() + more);
  }
  // The same bytes make the same record when this one has to be tried again.
  const TlsStream::Outcome outcome = tls_->Write(next.data(), std::min(next.size(), kRecordBytes), sent);
  // Without renegotiation writing never waits for input; waiting for room would turn in circles.
  return Judge(outcome == TlsStream::Outcome::kWantRead ? TlsStream::Outcome::kEnd : outcome);
}

bool ConnectionIo::HasInput() {
  char byte = 0;
  return recv(socket_.native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

void ConnectionIo::ArmRead() {
  if (read_armed_ || gone_) return;
  read_armed_ = true;
  socket_.async_wait(Socket::wait_read, [self = shared_from_this()](const ErrorCode& error) {
    self->read_armed_ = false;
    if (error) self->gone_ = true;
    self->Notify();
  });
}

Task<bool> ConnectionIo::WaitForEvent(Deadline deadline) {
  wake_.expires_at(deadline.at());
  ErrorCode error;
  co_await wake_.async_wait(asio::redirect_error(asio::use_awaitable, error));
  co_return error == asio::error::operation_aborted;
}

Task<IoResult> ConnectionIo::WaitReadable(Deadline deadline) {
  ArmRead();
  while (read_armed_) {
    const bool notified = co_await WaitForEvent(deadline);
    if (!notified && read_armed_) co_return IoResult::kTimeout;
  }
  co_return gone_ ? IoResult::kEnd : IoResult::kOk;
}

Task<IoResult> ConnectionIo::WaitWritable(Deadline deadline) {
  if (!write_armed_) {
    write_armed_ = true;
    socket_.async_wait(Socket::wait_write, [self = shared_from_this()](const ErrorCode& error) {
      self->write_armed_ = false;
      if (error) self->gone_ = true;
      self->Notify();
    });
  }
  while (write_armed_) {
    const bool notified = co_await WaitForEvent(deadline);
    if (!notified && write_armed_) co_return IoResult::kTimeout;
  }
  co_return IoResult::kOk;
}

void ConnectionIo::set_idle(bool idle) {
  idle_ = idle;
  if (!idle || begin_ != end_) return;
  buffer_.reset();
  begin_ = end_ = 0;
}

void ConnectionIo::Compact() {
  if (buffer_ == nullptr) buffer_ = std::make_unique_for_overwrite<char[]>(kBufferBytes);
  if (begin_ == 0) return;
  std::memmove(buffer_.get(), buffer_.get() + begin_, end_ - begin_);
  end_ -= begin_;
  begin_ = 0;
}

Task<IoResult> ConnectionIo::Fill(Deadline deadline) {
  if (buffer_ == nullptr) {  // idle until now: most likely there is nothing yet, and nothing needs a buffer
    const IoResult result = co_await WaitReadable(deadline);
    if (result != IoResult::kOk) co_return result;
  }
  while (!gone_) {
    Compact();
    size_t got = 0;
    const Attempt attempt = TryRead(buffer_.get() + end_, kBufferBytes - end_, &got);
    end_ += got;
    if (attempt == Attempt::kDone) co_return IoResult::kOk;
    if (attempt == Attempt::kEnd) break;
    const IoResult result = co_await WaitReadable(deadline);
    if (result != IoResult::kOk) co_return result;
  }
  co_return IoResult::kEnd;
}

Task<IoResult> ConnectionIo::ReadSome(std::span<uint8_t> dest, size_t* got, Deadline deadline) {
  if (begin_ < end_) {
    *got = std::min(dest.size(), end_ - begin_);
    std::memcpy(dest.data(), buffer_.get() + begin_, *got);
    begin_ += *got;
    co_return IoResult::kOk;
  }
  if (unyielded_bytes_ > kYieldBytes) {
    unyielded_bytes_ = 0;
    co_await asio::post(socket_.get_executor(), asio::use_awaitable);
  }
  while (!gone_) {
    const Attempt attempt = TryRead(dest.data(), dest.size(), got);
    unyielded_bytes_ += *got;
    if (attempt == Attempt::kDone) co_return IoResult::kOk;
    if (attempt == Attempt::kEnd) break;
    const IoResult result = co_await WaitReadable(deadline);
    if (result != IoResult::kOk) co_return result;
  }
  co_return IoResult::kEnd;
}

Task<IoResult> ConnectionIo::Write(std::string_view first, std::string_view second, Deadline deadline) {
  const auto patience = deadline.at() - Clock::now();  // for a peer that takes nothing at all
  uint64_t written = 0;
  while (!first.empty() || !second.empty()) {
    if (tls_ && unyielded_bytes_ > kYieldBytes) {  // encrypting takes time
      unyielded_bytes_ = 0;
      co_await asio::post(socket_.get_executor(), asio::use_awaitable);
    }
    size_t n = 0;
    const Attempt attempt = TryWrite(first, second, &n);
    written += n;
    unyielded_bytes_ += n;
    const size_t head = std::min(n, first.size());
    first.remove_prefix(head);
    second.remove_prefix(n - head);
    if (attempt == Attempt::kDone) continue;
    if (attempt == Attempt::kEnd) co_return IoResult::kEnd;
    const auto earned = std::chrono::seconds(written / kMinWriteBytesPerSecond);
    const Deadline stop(std::min(Clock::now() + patience, deadline.at() + earned));
    const IoResult result = co_await WaitWritable(stop);
    if (result != IoResult::kOk) co_return result;
  }
  co_return IoResult::kOk;
}

void ConnectionIo::WatchPeer() {
  while (!gone_ && !read_armed_) {
    Compact();
    if (BufferFull()) return;  // as much of the next request as we keep: its sender must wait
    size_t got = 0;
    const Attempt attempt = TryRead(buffer_.get() + end_, kBufferBytes - end_, &got);
    end_ += got;
    if (attempt == Attempt::kWouldBlock) ArmRead();
  }
}

void ConnectionIo::Abort() {
  if (tls_) {
    tls_->Shutdown();
    tls_->Abandon();
  }
  gone_ = true;
  ErrorCode ignored;
  socket_.close(ignored);
  Notify();
}

Clock::duration DiscardPace::Read(size_t bytes, TimePoint now) {
  next_ = std::max(next_, now) + std::chrono::microseconds(bytes / kDiscardBytesPerMicrosecond);
  return next_ - now;
}

void ConnectionIo::WakeFor(int bytes) {
  if (tls_) return;
  // Where it fails input wakes too often, and nothing else.
  [[maybe_unused]] const int done =
      setsockopt(socket_.native_handle(), SOL_SOCKET, SO_RCVLOWAT, &bytes, sizeof(bytes));
}

Task<void> ConnectionIo::LingeringClose(DiscardPace& pace) {
  if (tls_) tls_->Shutdown();
  ErrorCode ignored;
  socket_.shutdown(Socket::shutdown_send, ignored);
  const Deadline end = Deadline::After(kLingerTotal);
  while (!gone_ && !end.Expired()) {
    const Clock::duration pause = pace.Read(end_ - begin_);
    begin_ = end_ = 0;
    if (pause > kDiscardSlack) co_await WaitForEvent(Deadline::After(pause));
    const Deadline quiet(std::min(Clock::now() + kLingerQuiet, end.at()));
    const IoResult result = co_await Fill(quiet);
    if (result != IoResult::kOk) break;
  }
  Abort();
}

}  // namespace photovec::net
