// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "base/environment.h"
#include "base/result.h"
#include "fetch/http/http_call.h"
#include "fetch/http/refreshing.h"
#include "fetch/s3/profile.h"
#include "fetch/s3/sigv4.h"

namespace photovec::fetch {

/// The time of day; signatures and the ends of temporary keys depend on it.
using WallClock = std::function<std::chrono::system_clock::time_point()>;

/// Who the server is towards AWS, and how it gets keys for that.
struct AwsCredentials {
  std::string who{};                 ///< for logs, without secrets: "profile 'default' of the shared files"
  bool renewable = false;            ///< asking again may bring other keys
  Refreshing<AwsKeys>::Make make{};  ///< may block; kSourceFailed, kSourceTimeout
};

/// What the search needs to know. `environment` is not kept by its result.
struct AwsSearch {
  EnvironmentLookup environment;
  AwsFiles files;
  AwsProfile profile;  ///< LoadAwsProfile(files)
  std::string region;  ///< whose STS is asked
  std::shared_ptr<const HttpCaller> http;
  WallClock now;
};

/// The chain of the AWS SDKs, the first that there is: AWS_ACCESS_KEY_ID; AWS_WEB_IDENTITY_TOKEN_FILE with
/// AWS_ROLE_ARN; the profile (keys, or web identity); the container's endpoint
/// (AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or _FULL_URI); the machine's role by IMDSv2, when it answers,
/// which takes up to 3 s to find out. No keys are asked for yet.
/// Errors: kInvalidRequest naming the variable, or the profile's setting, that is wrong, or that there are
/// none and what to do; kNotImplemented for credential_process, SSO and source_profile.
Result<AwsCredentials> FindAwsCredentials(const AwsSearch& search);

}  // namespace photovec::fetch
