// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <string_view>

#include "base/environment.h"
#include "base/result.h"
#include "fetch/gcs/options.h"
#include "fetch/http/http_call.h"
#include "fetch/source.h"

namespace photovec::fetch {

/// Google Cloud Storage by its JSON API: "gs://bucket/object", and bare names in the default bucket. Whatever
/// follows the bucket's slash is the object's name as it is: nothing is decoded, "#" and "?" belong to it.
/// Reads credential files now, asks for tokens when the first object is signed. The source outlives its
/// objects.
/// \param environment is not kept.
/// Errors: kInvalidRequest and kNotImplemented naming the option, variable or file that is wrong.
Result<std::unique_ptr<Source>> MakeGcsSource(const GcsOptions& options,
                                              std::shared_ptr<const HttpCaller> http,
                                              const EnvironmentLookup& environment);

/// 3 to 63 characters (up to 222 with dots): lower-case letters, digits, "-", "_", "."; a letter or digit at
/// both ends; not an IP address. Source: cloud.google.com/storage/docs/buckets#naming.
/// Errors: kInvalidRequest saying what is wrong with it.
Status CheckGcsBucketName(std::string_view bucket);

/// 1 to 1024 bytes of UTF-8 without line breaks; not "." or "..". Source: .../docs/objects#naming.
/// Errors: kInvalidRequest saying what is wrong with it.
Status CheckGcsObjectName(std::string_view object);

}  // namespace photovec::fetch
