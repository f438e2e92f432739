// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "base/result.h"
#include "fetch/http/download.h"
#include "fetch/source.h"

namespace photovec::fetch {

/// What other threads hand to the fetch thread. Bounded: it counts the references that were never started.
/// Thread-safe.
class Inbox {
 public:
  struct Order {
    const Source* source;
    std::unique_ptr<SourceObject> object;
    Waiter waiter;
  };
  struct SignedHeaders {
    uint64_t download;  ///< its id
    SourceObject::Headers headers;
  };
  struct Contents {
    std::vector<Order> orders;
    std::vector<SignedHeaders> headers;
    bool closed = false;  ///< nothing comes after this
  };

  /// \param max_queued references that may wait for their first attempt.
  explicit Inbox(size_t max_queued) : max_queued_(max_queued) {}

  /// Takes `order` when it returns OK, and leaves it as it was otherwise. Errors: kOverloaded when too many
  /// wait; kCancelled after Close().
  Status Add(Order& order);
  void Add(SignedHeaders headers);
  /// Lets nothing more in.
  void Close();

  /// Empties it. The fetch thread's.
  Contents Take();
  /// An order was started, joined another or ended: it does not wait any more.
  void OnLeftQueue();

 private:
  const size_t max_queued_;
  std::mutex mutex_;
  Contents contents_;  // guarded by mutex_, as the next
  size_t queued_ = 0;
};

}  // namespace photovec::fetch
