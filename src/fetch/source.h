// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace photovec::fetch {

/// The reply to one attempt, as far as a source needs it. Borrowed for the duration of a call.
class Reply {
 public:
  virtual ~Reply() = default;
  virtual long status() const = 0;
  /// The values of a header joined by ", " (so that x-goog-hash may come once or twice); nullopt when it is
  /// not there.
  virtual std::optional<std::string> Header(std::string_view name) const = 0;
  /// The first 16 KiB of the body of a reply that is not 200; empty for a 200.
  virtual std::string_view error_body() const = 0;
};

/// What a reply that is not 200 means.
struct Refusal {
  Status status;       ///< for the client if nothing more is tried
  bool retry = false;  ///< another attempt may go better
  bool renew_credentials =
      false;  ///< the credential was refused: renew it and try once more, whatever `retry` says
};

/// 404, 410: kNotFound. 408, 429, 500, 502, 503, 504: kSourceFailed, worth a retry. Others: kSourceFailed,
/// final.
/// \param who "the origin", "the bucket": begins the message.
Refusal RefusalByStatus(const Reply& reply, std::string_view who);

/// One object of a source, over all of its attempts. Used by one thread at a time.
class SourceObject {
 public:
  /// Request headers ("Name: value"), or why there are none.
  using Headers = Result<std::vector<std::string>>;

  virtual ~SourceObject() = default;

  /// Absolute http(s) URL, percent-encoded exactly as it must go over the wire. May change only in
  /// OnRefused() (a bucket that lives in another region).
  virtual const std::string& url() const = 0;
  /// What counts together for caps, ramps and latencies: "gs://bucket", "https://host:443".
  virtual const std::string& group() const = 0;

  /// The headers of the next attempt, signed for now. `done` is called exactly once, on any thread, possibly
  /// before this returns; the object may be destroyed before that (then `done` is still called).
  virtual void Sign(std::function<void(Headers)> done) = 0;

  /// \param reply not 200 and not a redirect that was followed.
  virtual Refusal OnRefused(const Reply& reply) = 0;
  /// The credential that Sign() used last was refused: the next Sign() must not use it again.
  virtual void RenewCredentials() = 0;

  /// What names this very version of the object (ETag, generation); empty when the reply does not tell.
  /// Attempts that see different ones end as kSourceChanged.
  virtual std::string Version(const Reply& reply) const = 0;
  /// Checksums that the reply promises, compared with the body. Errors: kChecksumMismatch (worth one more
  /// attempt).
  virtual Status Verify(const Reply& reply, std::span<const uint8_t> body) const = 0;
};

/// Which addresses and redirects an object's connections may use.
enum class Trust {
  kPublic,    ///< a client named the host: UrlPolicy judges every URL and every address
  kOperator,  ///< the server's own configuration names the endpoint: any address; redirects are not followed
};

/// A kind of source that is reached over HTTP: plain URLs, GCS, S3. Thread-safe.
class Source {
 public:
  virtual ~Source() = default;
  /// "http", "gs", "s3": the label of its metrics.
  virtual std::string_view name() const = 0;
  virtual Trust trust() const = 0;
  /// Understands a reference; touches no network. Errors: kInvalidRequest (malformed), kSourceNotAllowed.
  /// Messages name nothing: the caller puts the reference before them.
  virtual Result<std::unique_ptr<SourceObject>> Open(std::string_view reference) const = 0;
};

}  // namespace photovec::fetch
