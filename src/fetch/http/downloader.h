// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "fetch/fetcher.h"
#include "fetch/http/url_policy.h"
#include "fetch/observer.h"
#include "fetch/options.h"
#include "fetch/source.h"

namespace photovec::fetch {

/// Moves the bytes of every source that is reached over HTTP, all on one thread of its own.
///
/// Attempts wait in line (first come, first served; buckets and hosts that are at their cap are passed over).
/// What fails in passing (408, 429, 5xx, no connection, a body that broke off) is tried again after a pause,
/// while the budget of its group and its time last. An attempt to a store that is slower than the live p95
/// gets a second one beside it. References that are already on their way are not fetched twice: whoever asks
/// joins.
///
/// For Trust::kPublic every hop (the URL and up to max_redirects redirects) passes the same checks: scheme,
/// no credentials, host allow-list, and the address at the moment of connecting. https never goes back to
/// http. Environment proxies, .netrc and cookies are not used; compressed content is refused.
///
/// Errors of fetches: kSourceNotAllowed; kInvalidRequest (malformed reference, credentials in it); kNotFound;
/// kSourceFailed (a status, which the message names; no DNS answer; refused or broken connections; a body
/// shorter than promised); kSourceTimeout; kTooManyRedirects; kBodyTooLarge; kChecksumMismatch;
/// kSourceChanged (attempts saw different versions); kCancelled; kDeadlineExceeded; kOverloaded. Cancellation
/// is seen within 10 ms.
class Engine {
 public:
  /// \param sources one per name.
  /// \param observer may be null; else it outlives the engine.
  /// Errors: kUnavailable when libcurl cannot start.
  static Result<std::unique_ptr<Engine>> Create(const FetchOptions& options, UrlPolicy policy,
                                                FetchObserver* observer);
  /// Ends what is in flight with kCancelled and joins. Not from a callback.
  virtual ~Engine() = default;

  /// Before the first fetch. The source becomes the engine's.
  virtual void AddSource(std::unique_ptr<Source> source) = 0;
  /// What AddSource's sources are judged by; for HttpSource. Lives as long as the engine.
  virtual const UrlPolicy& policy() const = 0;
  /// A fetcher of one of the sources; nullptr when there is none of that name. Lives as long as the engine.
  virtual Fetcher* Get(std::string_view source) = 0;
};

}  // namespace photovec::fetch
