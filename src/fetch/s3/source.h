// SPDX-License-Identifier: MIT
#pragma once

#include <memory>

#include "base/environment.h"
#include "base/result.h"
#include "fetch/http/http_call.h"
#include "fetch/s3/credentials.h"
#include "fetch/s3/options.h"
#include "fetch/source.h"

namespace photovec::fetch {

/// Amazon S3 and what speaks its protocol: "s3://bucket/key", and bare names in the default bucket. Whatever
/// follows the bucket's slash is the key as it is: nothing is decoded, "#" and "?" belong to it.
/// Reads credential files now, asks for temporary keys when the first object is signed. Where a bucket turns
/// out to be in another region, the url() of the object changes with the refusal that says so, and the next
/// attempt goes there. The source outlives its objects.
/// \param environment is not kept.
/// Errors: kInvalidRequest and kNotImplemented naming the option, variable or profile setting that is wrong.
Result<std::unique_ptr<Source>> MakeS3Source(const S3Options& options, std::shared_ptr<const HttpCaller> http,
                                             const EnvironmentLookup& environment, WallClock now);

/// 1 to 1024 bytes of UTF-8 without control characters that no URL carries back unharmed (NUL, line breaks).
/// Source: docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html.
/// Errors: kInvalidRequest saying what is wrong with it.
Status CheckS3Key(std::string_view key);

}  // namespace photovec::fetch
