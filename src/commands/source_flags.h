// SPDX-License-Identifier: MIT
#pragma once

#include <string>

#include "base/result.h"
#include "cli/flag_set.h"
#include "fetch/options.h"

namespace photovec::commands {

/// Where photos may come from, as flags say it.
struct SourceOptions {
  fetch::FetchOptions fetch;
  std::string default_bucket;  ///< "gs://NAME", "s3://NAME" or empty
  double fetch_seconds = 10;   ///< --fetch-timeout
  double connect_seconds = 2;
};

/// Declares --image-root, --allow-host, --gcs-bucket, --s3-bucket, ... in the group Sources.
/// \param options outlives `flags`.
void DeclareSourceFlags(cli::FlagSet& flags, SourceOptions* options);

/// What the fetchers take. Errors: kInvalidRequest naming the flag that is wrong, or two that contradict each
/// other.
Result<fetch::FetchOptions> ToFetchOptions(const SourceOptions& options);

}  // namespace photovec::commands
