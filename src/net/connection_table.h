// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <boost/intrusive/list.hpp>
#include <condition_variable>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>

#include "base/deadline.h"
#include "metrics/registry.h"

namespace photovec::net {

/// Who is connected, and who has to go when there is no room. A connection waits (no request of it is in
/// work: it is silent, or its head is still arriving, or its body comes too slowly) or works. One that works
/// is never thrown out. Of those that wait, the one that has waited longest goes: of its own address when
/// that has all that one address may have, else of all. Those that have been served before and those that
/// have never asked anything are two groups, and the larger one gives: a crowd of silent newcomers costs
/// nobody his kept connection, and a crowd that keeps connections no newcomer his. All steps take constant
/// time. Thread-safe; a Slot belongs to one connection.
class ConnectionTable {
 public:
  struct Limits {
    size_t total = 0;
    size_t per_address = 0;  ///< 0: no limit
  };
  /// Borrowed; each may be null.
  struct Counters {
    metrics::Gauge* open = nullptr;
    metrics::Counter* evicted = nullptr;
    metrics::Counter* refused = nullptr;
  };
  class Slot;

  ConnectionTable(Limits limits, Counters counters);
  ConnectionTable(const ConnectionTable&) = delete;
  ConnectionTable& operator=(const ConnectionTable&) = delete;

  /// Room for one more connection, which waits at first; null when there is none, even by throwing another
  /// out.
  /// \param address counts against the limit per address; empty: exempt.
  std::unique_ptr<Slot> Enter(const std::string& address);
  /// Throws out the one that has waited longest; false when none waits.
  bool EvictOne();
  /// Slots that are there, thrown out or not.
  size_t size() const;
  /// Blocks until there are none; false at the deadline.
  bool WaitEmpty(Deadline deadline) const;

 private:
  enum class State { kNew, kServed, kWorks, kEvicted };  // the first two wait
  using Hook = boost::intrusive::list_member_hook<>;
  struct Address;
  struct Waiting;

  void Wait(Slot& slot, State state);
  void Unlist(Slot& slot);
  void Forget(Slot& slot);  // no longer counts against the limits
  void Evict(Slot& slot);
  void Leave(Slot& slot);

  const Limits limits_;
  const Counters counters_;
  mutable std::mutex mutex_;
  mutable std::condition_variable empty_;
  size_t slots_ = 0;    // objects
  size_t charged_ = 0;  // of these, not thrown out
  std::unordered_map<std::string, std::unique_ptr<Address>> addresses_;
  std::unique_ptr<Waiting> all_;

 public:
  ~ConnectionTable();
};

/// A connection's place in the table, given back by the destructor.
class ConnectionTable::Slot {
 public:
  ~Slot() { table_.Leave(*this); }
  Slot(const Slot&) = delete;
  Slot& operator=(const Slot&) = delete;

  /// \param evict called at most once, from any thread and under the table's lock, when the connection is thrown out:
  ///   it must only tell the connection's loop. False when that has happened already: the connection must
  ///   end.
  bool Attach(std::function<void()> evict);
  /// A request's head is here. False when the connection has been thrown out.
  bool BeginWork();
  /// The reply is sent: from now on it waits again.
  void EndWork();

 private:
  friend class ConnectionTable;
  Slot(ConnectionTable& table, Address* address) : table_(table), address_(address) {}

  ConnectionTable& table_;
  Address* const address_;  // null: exempt
  State state_ = State::kNew;
  std::function<void()> evict_;
  Hook in_all_;
  Hook in_address_;
};

}  // namespace photovec::net
