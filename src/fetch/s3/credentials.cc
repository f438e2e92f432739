// SPDX-License-Identifier: MIT
#include "fetch/s3/credentials.h"

#include <string_view>
#include <utility>

#include "base/text/ascii.h"
#include "fetch/http/http_url.h"
#include "fetch/s3/endpoint.h"
#include "fetch/s3/temporary.h"

namespace photovec::fetch {
namespace {

using Made = Refreshing<AwsKeys>::Made;

constexpr const char* kDefaultSession = "photovec";
constexpr const char* kEcs = "http://169.254.170.2";

Status Wrong(std::string what) { return {Code::kInvalidRequest, std::move(what)}; }

std::string Setting(const AwsProfile& profile, std::string_view key) {
  const auto found = profile.find(key);
  return found == profile.end() ? std::string() : found->second;
}

std::string Variable(const AwsSearch& search, const char* name) {
  return search.environment(name).value_or("");
}

std::string Label(const AwsFiles& files) { return "profile '" + files.profile + "' of the AWS files"; }

AwsKeys KeysOf(const AwsProfile& profile) {
  return {Setting(profile, "aws_access_key_id"), Setting(profile, "aws_secret_access_key"),
          Setting(profile, "aws_session_token")};
}

Result<AwsCredentials> FromEnvironment(const AwsSearch& search, std::string id) {
  AwsKeys keys{std::move(id), Variable(search, "AWS_SECRET_ACCESS_KEY"),
               Variable(search, "AWS_SESSION_TOKEN")};
  RETURN_IF_ERROR(
      CheckAwsKeys(keys).WithContext("AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN"));
  return AwsCredentials{.who = "the keys of AWS_ACCESS_KEY_ID",
                        .make = [value = std::make_shared<const AwsKeys>(std::move(keys))]() -> Result<Made> {
                          return Made{.value = value};
                        }};
}

/// Reads the files again each time: whoever rotates the keys writes them there.
Result<AwsCredentials> FromProfile(const AwsSearch& search) {
  RETURN_IF_ERROR(CheckAwsKeys(KeysOf(search.profile)).WithContext(Label(search.files)));
  return AwsCredentials{
      .who = Label(search.files), .renewable = true, .make = [files = search.files]() -> Result<Made> {
        const auto profile = LoadAwsProfile(files);
        const AwsKeys keys = profile.ok() ? KeysOf(*profile) : AwsKeys{};
        if (!CheckAwsKeys(keys).ok()) {
          return Status(Code::kSourceFailed, "the AWS files do not hold usable keys any more");
        }
        return Made{.value = std::make_shared<const AwsKeys>(keys)};
      }};
}

Result<AwsCredentials> ByWebIdentity(const AwsSearch& search, WebIdentity identity) {
  if (identity.session_name.empty()) identity.session_name = kDefaultSession;
  identity.endpoint = Variable(search, "AWS_ENDPOINT_URL_STS");
  if (identity.endpoint.empty()) identity.endpoint = Variable(search, "AWS_ENDPOINT_URL");
  if (identity.endpoint.empty()) {
    identity.endpoint = "https://sts." + search.region + "." + std::string(AwsDnsSuffix(search.region));
  }
  while (identity.endpoint.ends_with('/')) identity.endpoint.pop_back();
  if (!HttpUrl::Parse(identity.endpoint).ok()) return Wrong("AWS_ENDPOINT_URL_STS is not an http(s) URL");
  return WebIdentityCredentials(std::move(identity), search.http, search.now);
}

Status Unsupported(const AwsFiles& files, const char* setting) {
  return {Code::kNotImplemented, Label(files) + ": " + setting +
                                     " is not implemented; use access keys, web identity, or the role of a "
                                     "container or machine"};
}

/// nullopt-like: an empty `who` means that the profile says nothing about credentials.
Result<AwsCredentials> ByProfile(const AwsSearch& search) {
  const AwsProfile& profile = search.profile;
  const std::string role = Setting(profile, "role_arn");
  const std::string token_file = Setting(profile, "web_identity_token_file");
  if (!role.empty() && !token_file.empty()) {
    return ByWebIdentity(
        search,
        {.role_arn = role, .session_name = Setting(profile, "role_session_name"), .token_file = token_file});
  }
  if (!role.empty()) return Unsupported(search.files, "role_arn with source_profile or credential_source");
  if (!Setting(profile, "aws_access_key_id").empty()) return FromProfile(search);
  for (const char* setting : {"credential_process", "sso_session", "sso_start_url", "login_session"}) {
    if (profile.contains(setting)) return Unsupported(search.files, setting);
  }
  return AwsCredentials{};
}

Result<AwsCredentials> ByContainer(const AwsSearch& search) {
  ContainerEndpoint endpoint{.token = Variable(search, "AWS_CONTAINER_AUTHORIZATION_TOKEN"),
                             .token_file = Variable(search, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE")};
  const std::string relative = Variable(search, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
  if (!relative.empty()) {
    endpoint.url = kEcs + relative;
    if (!relative.starts_with('/') || !HttpUrl::Parse(endpoint.url).ok()) {
      return Wrong("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI is not a path that begins with '/'");
    }
  } else {
    endpoint.url = Variable(search, "AWS_CONTAINER_CREDENTIALS_FULL_URI");
    if (endpoint.url.empty()) return AwsCredentials{};
    RETURN_IF_ERROR(CheckContainerUrl(endpoint.url));
  }
  return ContainerCredentials(std::move(endpoint), search.http, search.now);
}

Result<AwsCredentials> ByMachine(const AwsSearch& search) {
  std::string nobody = "AWS_EC2_METADATA_DISABLED is set";
  std::string disabled = Variable(search, "AWS_EC2_METADATA_DISABLED");
  for (char& c : disabled) c = LowerAscii(c);
  if (disabled != "true") {
    std::string base = Variable(search, "AWS_EC2_METADATA_SERVICE_ENDPOINT");
    if (base.empty()) {
      const std::string mode = Variable(search, "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE");
      base = mode == "IPv6" || mode == "ipv6" ? "http://[fd00:ec2::254]" : "http://169.254.169.254";
    }
    while (base.ends_with('/')) base.pop_back();
    if (!HttpUrl::Parse(base).ok()) return Wrong("AWS_EC2_METADATA_SERVICE_ENDPOINT is not an http(s) URL");
    auto credentials = MachineCredentials(std::move(base), search.http, search.now);
    if (credentials.ok() || credentials.status().code() != Code::kNotFound) return credentials;
    nobody = credentials.status().message();
  }
  return Wrong(
      "there are no AWS credentials: AWS_ACCESS_KEY_ID is not set, " + Label(search.files) +
      " has none, no container offers any, and " + nobody +
      "; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, give the machine a role, or "
      "use --s3-auth anonymous for public buckets");
}

}  // namespace

Result<AwsCredentials> FindAwsCredentials(const AwsSearch& search) {
  std::string id = Variable(search, "AWS_ACCESS_KEY_ID");
  if (!id.empty()) return FromEnvironment(search, std::move(id));
  const std::string token_file = Variable(search, "AWS_WEB_IDENTITY_TOKEN_FILE");
  if (!token_file.empty()) {
    const std::string role = Variable(search, "AWS_ROLE_ARN");
    if (role.empty()) return Wrong("AWS_WEB_IDENTITY_TOKEN_FILE is set, but AWS_ROLE_ARN is not");
    return ByWebIdentity(search, {.role_arn = role,
                                  .session_name = Variable(search, "AWS_ROLE_SESSION_NAME"),
                                  .token_file = token_file});
  }
  for (const auto& find : {ByProfile, ByContainer}) {
    ASSIGN_OR_RETURN(AwsCredentials found, find(search));
    if (!found.who.empty()) return found;
  }
  return ByMachine(search);
}

}  // namespace photovec::fetch
