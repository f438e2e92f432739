// SPDX-License-Identifier: MIT
#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "api/access_keys.h"
#include "api/exchange.h"
#include "api/origin.h"
#include "api/routes.h"
#include "base/clock.h"
#include "metrics/registry.h"
#include "net/response.h"

namespace photovec::api {

struct AccessOptions {
  const KeyRing* keys = nullptr;  ///< borrowed; null: everybody may do everything
  Quota default_quota = {};       ///< of keys without one of their own
  OriginRules origins = {};
};

/// Decides what is logged of callers that were turned away: one line per address and ten seconds, however
/// often it tries. Thread-safe.
class FailureLog {
 public:
  static constexpr std::chrono::seconds kEvery{10};
  static constexpr size_t kMostAddresses = 1024;  ///< beyond them only the metric counts
  /// How many failures a line shall speak of, this one included; nullopt: no line.
  std::optional<uint64_t> Note(const std::string& address, TimePoint now);

 private:
  struct Known {
    TimePoint told_at;
    uint64_t since = 0;
  };
  std::mutex mutex_;
  std::unordered_map<std::string, Known> known_;
};

/// Who may do what, and how much of it: decided from a request's head, before any of its body is read.
/// docs/access.md. Thread-safe.
class AccessControl {
 public:
  /// \param registry borrowed; must outlive it.
  AccessControl(AccessOptions options, metrics::Registry& registry);

  /// Sets exchange.caller and exchange.hold. Returns the reply that ends the exchange when it may not go on.
  std::optional<net::Response> Enter(Exchange& exchange, const Route& route);
  /// Counts what the caller's key has used.
  void Leave(const Exchange& exchange);
  const OriginRules& origins() const { return options_.origins; }

 private:
  struct KeyCounters {
    metrics::Counter* requests;
    metrics::Counter* images;
    metrics::Counter* refused;
  };

  Status CheckBrowser(const Exchange& exchange, const Route& route) const;
  std::optional<net::Response> CheckKey(Exchange& exchange, const Route& route);
  std::optional<net::Response> CheckQuota(Exchange& exchange);
  net::Response TurnAway(const Exchange& exchange, const Route& route, std::string_view reason,
                         Status status);
  KeyCounters CountersOf(const std::string& id);

  const AccessOptions options_;
  metrics::Registry& registry_;
  FailureLog failures_;
  std::mutex mutex_;  // guards the map
  std::map<std::string, KeyCounters> counters_;
};

}  // namespace photovec::api
