// SPDX-License-Identifier: MIT
#pragma once

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstddef>
#include <future>
#include <memory>
#include <vector>

#include "base/deadline.h"
#include "base/files.h"
#include "metrics/registry.h"
#include "net/certificates.h"
#include "net/connection_table.h"
#include "net/event_loop.h"
#include "net/host_rules.h"
#include "net/listen_socket.h"
#include "net/session.h"

namespace photovec::net {

/// Where a door leads. Borrowed; outlives the door and its connections, except the loops, which they keep
/// alive.
struct DoorPlan {
  std::vector<std::shared_ptr<EventLoop>> loops;  ///< the first accepts, connections go to each in turn
  ConnectionTable& table;
  SessionContext context;  ///< its `hosts` is left to the door
  HostRules hosts = {};
  const Certificates* certificates = nullptr;  ///< null: no TLS
  bool admin = false;
  bool count_loopback = false;        ///< clients on this machine count against the limit per address, too
  ConnectionTable* relief = nullptr;  ///< whose connections give up their files when none of `table` waits
  metrics::Counter* accept_errors = nullptr;
};

/// A listening socket at work: takes connections and sets a session on each. Public methods from any thread.
class Door {
 public:
  Door(ListenSocket socket, DoorPlan plan);
  Door(const Door&) = delete;
  Door& operator=(const Door&) = delete;

  /// Call once.
  void Open();
  /// Lets in whoever is on the way, and closes after `grace`. A socket of the service manager is closed at
  /// once: its backlog waits for our successor. After Open(); again, with another grace, does no harm.
  void Close(std::chrono::milliseconds grace);
  /// Blocks; false at the deadline. Once closed, no connection comes out of the door any more.
  bool WaitClosed(Deadline deadline) const;

  const ListenSocket& socket() const { return socket_; }
  bool tls() const { return plan_.certificates != nullptr; }
  bool admin() const { return plan_.admin; }

 private:
  enum class Step { kTaken, kNobody, kNoFiles };
  Task<void> AcceptLoop();
  Step AcceptOne();
  Step NoRoom(int error);
  void Admit(ListenSocket::Accepted accepted);
  void Refuse(const ListenSocket::Accepted& newcomer);
  void Serve(const std::shared_ptr<EventLoop>& loop, ListenSocket::Accepted accepted,
             std::unique_ptr<ConnectionTable::Slot> slot);
  void CloseNow();

  ListenSocket socket_;
  const DoorPlan plan_;
  const SessionContext context_;
  boost::asio::posix::stream_descriptor readiness_;  // does not own the descriptor
  boost::asio::steady_timer grace_;
  FileDescriptor spare_;  // given up for a moment when there are no more files, so that a client can be told
  size_t next_loop_ = 0;
  bool closed_ = false;  // on the loop
  TimePoint last_warning_;
  size_t unreported_ = 0;
  std::promise<void> ended_;
  std::shared_future<void> end_;
};

}  // namespace photovec::net
