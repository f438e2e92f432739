// SPDX-License-Identifier: MIT
#pragma once

#include <memory>

#include "base/result.h"
#include "fetch/fetcher.h"
#include "fetch/observer.h"
#include "fetch/options.h"

namespace photovec::fetch {

/// The fetcher of a server: picks by scheme. Data URLs always work; files when there is an image root;
/// http(s) when there is a host pattern; gs:// and s3:// end as kNotImplemented; other schemes as
/// kSourceNotAllowed. Owns its threads. Destroying it ends what is in flight with kCancelled and joins; not
/// from a callback. Errors: kInvalidRequest naming the option that is wrong.
/// \param observer may be null; else it outlives the fetcher.
Result<std::unique_ptr<Fetcher>> CreateRouter(const FetchOptions& options, FetchObserver* observer = nullptr);

}  // namespace photovec::fetch
