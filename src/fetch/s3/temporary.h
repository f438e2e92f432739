// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "fetch/http/http_call.h"
#include "fetch/s3/credentials.h"

namespace photovec::fetch {

/// AssumeRoleWithWebIdentity of STS: what EKS service accounts and CI jobs sign in with.
struct WebIdentity {
  std::string role_arn{};
  std::string session_name{};
  std::string token_file{};  ///< read at each call, since the platform replaces its content
  std::string endpoint{};    ///< of STS, "https://sts.eu-west-1.amazonaws.com"
};
AwsCredentials WebIdentityCredentials(WebIdentity identity, std::shared_ptr<const HttpCaller> http,
                                      WallClock now);

/// The endpoint that ECS, EKS Pod Identity and Greengrass offer.
struct ContainerEndpoint {
  std::string url{};
  std::string token{};       ///< for the Authorization header; empty: none
  std::string token_file{};  ///< goes before `token`; read at each call
};
/// Only https, or http to this machine and to the addresses of ECS and EKS (as the SDKs have it), so that
/// keys do not cross a network in the clear. Errors: kInvalidRequest.
Status CheckContainerUrl(const std::string& url);
AwsCredentials ContainerCredentials(ContainerEndpoint endpoint, std::shared_ptr<const HttpCaller> http,
                                    WallClock now);

/// The role of an EC2 machine by its metadata server, version 2 only. Asks whether it is there (blocks up to
/// 3 s).
/// \param base "http://169.254.169.254". Errors: kNotFound when nobody answers.
Result<AwsCredentials> MachineCredentials(std::string base, std::shared_ptr<const HttpCaller> http,
                                          WallClock now);

/// Keys that headers can carry. Errors: kInvalidRequest naming the part that is missing or has strange
/// characters.
Status CheckAwsKeys(const AwsKeys& keys);

}  // namespace photovec::fetch
