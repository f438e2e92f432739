// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace photovec::experiment {

/// A log-normal latency with a given median and 95th percentile. "p50=40ms,p95=180ms", or "0" for none.
struct LatencySpec {
  double p50_ms = 0;
  double p95_ms = 0;
};
/// Errors: kInvalidRequest saying what is accepted.
Result<LatencySpec> ParseLatency(std::string_view text);

/// The latency of the n-th request that a store with this seed answers. Pure, so that a test (and a reader of
/// a report) can compute what was injected. Milliseconds.
double InjectedLatencyMs(const LatencySpec& spec, uint64_t seed, uint64_t n);

struct ObjectStoreOptions {
  std::string root;  ///< folder that is served, recursively; never left by ".." or symlinks
  std::string host = "127.0.0.1";
  uint16_t port = 0;                   ///< 0: any free one
  LatencySpec latency;                 ///< from the request's header until the first byte of the reply
  uint64_t bandwidth_bytes_per_s = 0;  ///< of one reply's body; 0: unlimited
  double error_rate = 0;               ///< 0..1: share of requests answered with 503, after their latency
  uint64_t seed = 7;
  std::string
      log_path;  ///< JSON lines {"n":..,"object":..,"received_us":..,"latency_ms":..,"status":..,"bytes":..};
                 ///< empty: none
};

/// A store of photos that behaves like a remote one, on this machine. Serves, for a file a/b.jpg under the
/// root:
///   GET /storage/v1/b/BUCKET/o/a%2Fb.jpg?alt=media   GCS JSON API (without alt=media: its metadata as JSON)
///   GET /BUCKET/a/b.jpg                              S3 path style
///   GET /a/b.jpg                                     plain HTTP (tried first)
/// HEAD too; Range: bytes=a-b for one range; ETag, Content-Length, x-goog-hash (crc32c, md5). 404 and 403 in
/// the form of the API that was asked. Any bucket name will do. One event loop on a thread of its own; files
/// are mapped once and sent from memory, so that serving costs little.
class ObjectStore {
 public:
  /// Binds, listens, serves. Errors: kNotFound (no such folder), kUnavailable (port in use), kInvalidRequest.
  static Result<std::unique_ptr<ObjectStore>> Start(ObjectStoreOptions options);
  virtual ~ObjectStore() = default;
  virtual uint16_t port() const = 0;
  virtual uint64_t requests() const = 0;  ///< answered so far
};

}  // namespace photovec::experiment
