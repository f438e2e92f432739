// SPDX-License-Identifier: MIT
#pragma once

#include <memory>

#include "base/result.h"
#include "fetch/fetcher.h"
#include "fetch/options.h"
#include "fetch/url_policy.h"

namespace photovec::fetch {

/// Fetches http:// and https:// URLs of allowed hosts, all transfers on one thread of its own.
///
/// Every hop (the URL itself and up to max_redirects redirects) passes the same checks: scheme, no
/// credentials, host allow-list, and the address at the moment of connecting. https never goes back to http.
/// Environment proxies, .netrc and cookies are not used; nothing of the client's request is sent on.
/// Compressed content is refused. Transfers wait in line (first come, first served, hosts that are at their
/// cap are passed over).
///
/// Errors: kSourceNotAllowed; kInvalidRequest (malformed URL, credentials in it); kNotFound (404, 410);
/// kSourceFailed (other statuses, which the message names; no DNS answer; refused or broken connections; a
/// body shorter than promised); kSourceTimeout; kTooManyRedirects; kBodyTooLarge; kCancelled;
/// kDeadlineExceeded; kOverloaded. Cancellation is seen within 10 ms.
class HttpFetcher : public Fetcher {
 public:
  /// Errors: kUnavailable when libcurl cannot start.
  static Result<std::unique_ptr<Fetcher>> Create(const FetchOptions& options, UrlPolicy policy);
};

}  // namespace photovec::fetch
