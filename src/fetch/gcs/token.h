// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "fetch/gcs/credentials.h"
#include "fetch/http/http_call.h"

namespace photovec::fetch {

/// Enough to read objects, and nothing else.
inline constexpr std::string_view kGcsReadScope = "https://www.googleapis.com/auth/devstorage.read_only";

/// A text of a foreign server as messages may carry it: one line of printable ASCII, at most 160 characters,
/// with words that hold an "@" (they name accounts) replaced.
std::string ShortReason(std::string_view text);

/// Makes a call that is answered by {"access_token", "expires_in"} (RFC 6749 §5.1), once more when the
/// endpoint is out of order. Blocks.
/// \param endpoint names it in messages: "the token endpoint".
/// Errors: kSourceFailed with what the endpoint says, kSourceTimeout. Messages hold no secret.
Result<Refreshing<AccessToken>::Made> AskForToken(const HttpCaller& http, const HttpCall& call,
                                                  std::string_view endpoint);

}  // namespace photovec::fetch
