// SPDX-License-Identifier: MIT
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string_view>

#include "base/deadline.h"
#include "net/connection_table.h"
#include "net/peer.h"
#include "net/tls.h"

namespace photovec::net {

template <typename T>
using Task = boost::asio::awaitable<T>;

enum class IoResult {
  kOk,
  kEnd,      ///< the peer closed its side, or the connection broke
  kTimeout,  ///< the deadline passed; the connection is still usable
};

/// How fast a loop reads what nobody wants: the rest of bodies that were refused. All connections of a loop
/// share it, so that whoever sends much for nothing takes no CPU from others. Not thread-safe.
class DiscardPace {
 public:
  /// So many bytes were read; how long to wait before the next are.
  Clock::duration Read(size_t bytes, TimePoint now = Clock::now());

 private:
  TimePoint next_{};
};

/// The socket of one connection, TCP or Unix, encrypted or not, on one event loop. Pending operations only
/// ever wait for readiness and the bytes move in non-blocking calls, so that no buffer belongs to the kernel
/// while a coroutine gives up on a deadline. One wait for input may stay pending while a request is worked
/// on: that is how a client's disconnect is seen, and bytes of the next request that come meanwhile stay in
/// buffered(). Everything runs on the loop's thread. Lives in a shared_ptr, which pending waits hold.
class ConnectionIo : public std::enable_shared_from_this<ConnectionIo> {
 public:
  static constexpr size_t kBufferBytes = 32 * 1024;

  using Socket = boost::asio::generic::stream_protocol::socket;

  /// \param slot     the connection's place among all; given back by the destructor.
  /// \param loop     keeps the event loop alive for whoever posts to it from another thread.
  /// \param on_close runs in the destructor.
  ConnectionIo(Socket socket, Peer peer, std::unique_ptr<ConnectionTable::Slot> slot,
               std::shared_ptr<const void> loop, std::function<void(ConnectionIo&)> on_close);
  ~ConnectionIo();
  ConnectionIo(const ConnectionIo&) = delete;
  ConnectionIo& operator=(const ConnectionIo&) = delete;

  /// From now on the bytes are encrypted; Handshake comes next. Before anything was read.
  void UseTls(std::shared_ptr<const TlsContext> context);
  /// kEnd also when the peer does not speak our TLS; then tls() has the reason.
  Task<IoResult> Handshake(Deadline deadline);
  const TlsStream* tls() const { return tls_.get(); }  ///< null: not encrypted
  /// After a handshake that failed because the peer speaks HTTP without TLS: the answer will be without, too.
  void DropTls();

  /// Bytes read and not yet consumed.
  std::string_view buffered() const { return {buffer_.get() + begin_, end_ - begin_}; }
  void Consume(size_t bytes) { begin_ += bytes; }
  bool BufferFull() const { return end_ - begin_ == kBufferBytes; }

  /// Waits until there is something to be read.
  Task<IoResult> WaitReadable(Deadline deadline);
  /// Waits until buffered() has grown. The buffer must not be full.
  Task<IoResult> Fill(Deadline deadline);
  /// Some bytes straight into `dest` (from buffered() first): *got >= 1 on kOk.
  Task<IoResult> ReadSome(std::span<uint8_t> dest, size_t* got, Deadline deadline);
  /// All of both buffers. Each byte taken starts the time anew, but at most 1 s per 8 KiB is gained.
  Task<IoResult> Write(std::string_view first, std::string_view second, Deadline deadline);

  /// Looks, without waiting, whether the peer has closed, and keeps one wait for input pending so that a
  /// change wakes WaitForEvent. A half-closed connection counts as closed.
  void WatchPeer();
  bool peer_gone() const { return gone_; }

  /// Suspends until Notify() or the deadline; true when notified. May wake without cause: test and wait
  /// again.
  Task<bool> WaitForEvent(Deadline deadline);
  void Notify() { wake_.cancel(); }

  /// Breaks the connection; whoever waits sees kEnd.
  void Abort();
  /// Says goodbye and takes what the peer is still sending for a moment, so that a reply which was sent
  /// before the request had been read is not lost to a TCP reset.
  Task<void> LingeringClose(DiscardPace& pace);
  /// Input wakes whoever waits only once there are so many bytes (or the end); 1 at first. Not with TLS.
  void WakeFor(int bytes);

  /// Known in full after the handshake.
  const Peer& peer() const { return peer_; }
  ConnectionTable::Slot& slot() { return *slot_; }
  bool idle() const { return idle_; }  ///< between two requests
  /// An idle connection has no buffer.
  void set_idle(bool idle);
  /// Whether bytes have come that nobody has read: an idle connection with them is about to have a request.
  bool HasInput();
  boost::asio::any_io_executor executor() { return socket_.get_executor(); }
  const std::shared_ptr<const void>& loop() const { return loop_; }

 private:
  enum class Attempt { kDone, kWouldBlock, kEnd };
  Attempt TryRead(void* dest, size_t bytes, size_t* got);
  Attempt Judge(TlsStream::Outcome outcome);
  void ArmRead();
  Attempt TryWrite(std::string_view first, std::string_view second, size_t* sent);
  Attempt TryWriteTls(std::string_view first, std::string_view second, size_t* sent);
  Task<IoResult> WaitWritable(Deadline deadline);
  void Compact();

  Peer peer_;
  const std::unique_ptr<ConnectionTable::Slot> slot_;
  std::shared_ptr<const void> loop_;
  Socket socket_;
  std::unique_ptr<TlsStream> tls_;
  boost::asio::steady_timer wake_;
  std::function<void(ConnectionIo&)> on_close_;
  std::unique_ptr<char[]> buffer_;  // [kBufferBytes]; null: none until something comes
  size_t begin_ = 0;
  size_t end_ = 0;
  size_t unyielded_bytes_ = 0;  // read, or encrypted, since this connection last let others run
  bool read_armed_ = false;
  bool write_armed_ = false;
  bool gone_ = false;
  bool idle_ = false;
};

}  // namespace photovec::net
