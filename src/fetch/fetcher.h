// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/bytes.h"
#include "base/deadline.h"
#include "base/result.h"

namespace photovec::fetch {

/// One reference to bring, as a client wrote it: "data:...", "https://...", "gs://...", "s3://...",
/// "file:///..." or a bare name under --image-root.
struct FetchRequest {
  std::string reference;
  Deadline deadline{};
  std::shared_ptr<const CancelFlag> cancel{};  ///< may be null
  int64_t max_bytes = 25'000'000;              ///< more than this is kBodyTooLarge, found while streaming
};

/// kCancelled or kDeadlineExceeded when nobody waits for this request any more.
Status StillWanted(const FetchRequest& request);

using FetchCallback = std::function<void(Result<Bytes>)>;

/// Brings the bytes of references. THE contract of fetch/: one implementation per kind of source, and one
/// (make_fetcher.h) that picks among them by scheme. Thread-safe.
class Fetcher {
 public:
  virtual ~Fetcher() = default;

  /// Starts a fetch and returns at once. `done` is called exactly once, on any thread, possibly before Fetch
  /// returns; it must not block. Never does more than the source's policy allows.
  /// Errors given to `done`: kSourceNotAllowed, kNotFound, kBodyTooLarge, kSourceFailed, kSourceTimeout,
  /// kCancelled, kDeadlineExceeded, kInvalidRequest (malformed reference), kTooManyRedirects, kSourceChanged
  /// (a file was written while it was read), kOverloaded (the bounded queue of this kind of source is full),
  /// kChecksumMismatch, kUnavailable (out of descriptors or memory).
  virtual void Fetch(FetchRequest request, FetchCallback done) = 0;
};

}  // namespace photovec::fetch
