// SPDX-License-Identifier: MIT
#pragma once

#include <memory>

#include "base/environment.h"
#include "base/result.h"
#include "fetch/fetcher.h"
#include "fetch/observer.h"
#include "fetch/options.h"

namespace photovec::fetch {

/// The fetcher of a server: picks by scheme. Data URLs always work; files when there is an image root;
/// http(s) when there is a host pattern; gs:// and s3:// when there is a bucket; other schemes end as
/// kSourceNotAllowed. Bare names are files, or objects of the default bucket. Owns its threads.
/// Destroying it ends what is in flight with kCancelled and joins; not from a callback.
/// \param observer may be null; else it outlives the fetcher.
/// \param environment where object stores look for credentials and endpoints; not kept. Without it there are
/// none.
/// Errors: kInvalidRequest naming the option that is wrong; kNotImplemented for credentials of another kind.
Result<std::unique_ptr<Fetcher>> MakeFetcher(const FetchOptions& options, FetchObserver* observer = nullptr,
                                             const EnvironmentLookup& environment = {});

}  // namespace photovec::fetch
