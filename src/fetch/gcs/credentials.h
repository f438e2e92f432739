// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/environment.h"
#include "base/result.h"
#include "fetch/http/http_call.h"
#include "fetch/http/refreshing.h"

namespace photovec::fetch {

/// What a request carries to prove who asks.
struct AccessToken {
  std::string authorization;  ///< the whole header: "Authorization: Bearer ..."
};

/// Who the server is towards Google, and how it gets tokens for that.
struct GcsCredentials {
  std::string who;                     ///< for logs: "service account a@b.iam.gserviceaccount.com (FILE)"
  Refreshing<AccessToken>::Make make;  ///< blocks for the token endpoint; kSourceFailed, kSourceTimeout
};

/// Application Default Credentials, in Google's order: the file that GOOGLE_APPLICATION_CREDENTIALS names;
/// application_default_credentials.json in CLOUDSDK_CONFIG or ~/.config/gcloud; the metadata server
/// (GCE_METADATA_HOST or 169.254.169.254) when it answers, which takes up to 3 s to find out.
/// Reads files now and asks for no token yet.
/// \param http kept by the result.
/// Errors: kInvalidRequest naming the variable, the file and the field that is wrong, or that there are none
/// and what to do; kNotImplemented for kinds other than service_account and authorized_user.
Result<GcsCredentials> FindGcsCredentials(const EnvironmentLookup& environment,
                                          std::shared_ptr<const HttpCaller> http);

/// Credentials from the text of a key file.
/// \param path for messages. Errors as FindGcsCredentials.
Result<GcsCredentials> ParseGcsCredentials(std::string_view json, const std::string& path,
                                           std::shared_ptr<const HttpCaller> http);

/// Credentials of the machine's or pod's own service account.
/// \param host of the metadata server, with an
/// optional port. Errors: kNotFound when nobody there says that it is Google's.
Result<GcsCredentials> MetadataCredentials(const std::string& host, std::shared_ptr<const HttpCaller> http);

}  // namespace photovec::fetch
