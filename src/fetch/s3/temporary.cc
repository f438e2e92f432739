// SPDX-License-Identifier: MIT
#include "fetch/s3/temporary.h"

#include <algorithm>
#include <array>
#include <boost/json/value.hpp>
#include <utility>

#include "base/json/reader.h"
#include "base/text/percent.h"
#include "fetch/http/http_url.h"
#include "fetch/http/url_policy.h"
#include "fetch/reference.h"
#include "fetch/s3/aws_text.h"

namespace photovec::fetch {
namespace {

namespace bjson = boost::json;
using Made = Refreshing<AwsKeys>::Made;
using std::chrono::milliseconds;

constexpr const char* kForm = "Content-Type: application/x-www-form-urlencoded";

Status Failed(std::string what) { return {Code::kSourceFailed, std::move(what)}; }

/// Once more when the endpoint is out of order. A timeout took long enough.
Result<HttpAnswer> CallTwice(const HttpCaller& http, const HttpCall& call) {
  Result<HttpAnswer> answer = http.Call(call);
  const bool again = answer.ok() ? answer->status >= 500 || answer->status == 429
                                 : answer.status().code() == Code::kSourceFailed;
  return again ? http.Call(call) : answer;
}

Result<Made> MadeOf(AwsKeys keys, std::string_view expiration, const WallClock& now) {
  const Status good = CheckAwsKeys(keys);
  if (!good.ok()) return Failed("gave keys that cannot be used: " + good.message());
  const auto end = ParseAwsTime(expiration);
  if (!end) return Failed("gave keys without a readable time of their end");
  return Made{.value = std::make_shared<const AwsKeys>(std::move(keys)),
              .expires = Clock::now() + std::chrono::duration_cast<Clock::duration>(*end - now())};
}

/// {"AccessKeyId": ..., "SecretAccessKey": ..., "Token": ..., "Expiration": ...}
Result<Made> MadeOfJson(const HttpAnswer& answer, const WallClock& now) {
  const Result<bjson::object> object = photovec::json::ParseObject(answer.body);
  const auto text = [&](std::string_view field) -> std::string {
    const bjson::value* value = object.ok() ? object->if_contains({field.data(), field.size()}) : nullptr;
    if (value == nullptr || !value->is_string()) return {};
    return {value->get_string().begin(), value->get_string().end()};
  };
  std::string code = text("Code");
  if (code.empty()) code = text("code");
  if (answer.status != 200) {
    return Failed("answered " + std::to_string(answer.status) + (code.empty() ? "" : ": " + SafeCode(code)));
  }
  if (!object.ok()) return Failed("answered 200 with something not a JSON object");
  if (!code.empty() && code != "Success") return Failed("has no keys: " + SafeCode(code));
  return MadeOf({text("AccessKeyId"), text("SecretAccessKey"), text("Token")}, text("Expiration"), now);
}

Result<Made> MadeOfXml(const HttpAnswer& answer, const WallClock& now) {
  if (answer.status != 200) {
    const auto code = XmlText(answer.body, "Code");
    return Failed("answered " + std::to_string(answer.status) + (code ? ": " + SafeCode(*code) : ""));
  }
  const auto text = [&](const char* name) { return XmlText(answer.body, name).value_or(""); };
  return MadeOf({text("AccessKeyId"), text("SecretAccessKey"), text("SessionToken")}, text("Expiration"),
                now);
}

/// "who message": the message of a maker begins with its verb.
Result<Made> Named(std::string_view who, Result<Made> made) {
  if (made.ok()) return made;
  return Status(made.status().code(), std::string(who) + " " + made.status().message());
}

/// What a file holds, without the line break that many end with. The path stays out of messages: clients
/// see them.
Result<std::string> ReadToken(const std::string& path, const char* what) {
  auto text = ReadSmallFile(path);
  if (!text.ok()) return Failed(std::string(what) + " cannot be read");
  while (!text->empty() && std::string_view(" \r\n\t").find(text->back()) != std::string_view::npos) {
    text->pop_back();
  }
  if (text->empty()) return Failed(std::string(what) + " is empty");
  return text;
}

bool Printable(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c > 0x20 && c < 0x7F; });
}

HttpCall SessionCall(const std::string& base) {
  HttpCall call;
  call.method = "PUT";
  call.url = base + "/latest/api/token";
  call.headers = {"X-aws-ec2-metadata-token-ttl-seconds: 300"};
  call.connect_timeout = milliseconds(1'000);
  return call;
}

Result<Made> AskMachine(const std::string& base, const HttpCaller& http, const WallClock& now) {
  constexpr const char* kWho = "the machine's metadata server";
  const auto said = [&](const Result<HttpAnswer>& answer, const char* to) {
    if (!answer.ok()) return answer.status().WithContext(kWho);
    return Failed(std::string(kWho) + " answered " + std::to_string(answer->status) + " to " + to);
  };
  HttpCall call = SessionCall(base);
  const auto token = CallTwice(http, call);
  if (!token.ok() || token->status != 200 || token->body.empty() || !Printable(token->body)) {
    return said(token, "the request for a session");
  }
  call.method = "GET";
  call.headers = {"X-aws-ec2-metadata-token: " + token->body};
  const std::string folder = base + "/latest/meta-data/iam/security-credentials/";
  call.url = folder;
  const auto role = CallTwice(http, call);
  if (role.ok() && (role->status == 404 || (role->status == 200 && role->body.empty()))) {
    return Failed("this machine has no instance profile: attach a role to it");
  }
  if (!role.ok() || role->status != 200) return said(role, "the question for the role");
  call.url = folder + PercentEncode(role->body.substr(0, role->body.find_first_of("\r\n")));
  const auto keys = CallTwice(http, call);
  if (!keys.ok()) return said(keys, "the question for keys");
  return Named(kWho, MadeOfJson(*keys, now));
}

}  // namespace

AwsCredentials WebIdentityCredentials(WebIdentity identity, std::shared_ptr<const HttpCaller> http,
                                      WallClock now) {
  AwsCredentials out{.who = "role " + identity.role_arn + " by web identity", .renewable = true};
  out.make = [identity = std::move(identity), http = std::move(http),
              now = std::move(now)]() -> Result<Made> {
    ASSIGN_OR_RETURN(const std::string token, ReadToken(identity.token_file, "the web identity token file"));
    const HttpCall call = {.method = "POST",
                           .url = identity.endpoint + "/",
                           .headers = {kForm, "Accept: application/xml"},
                           .body = "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn=" +
                                   PercentEncode(identity.role_arn) +
                                   "&RoleSessionName=" + PercentEncode(identity.session_name) +
                                   "&WebIdentityToken=" + PercentEncode(token)};
    const auto answer = CallTwice(*http, call);
    if (!answer.ok()) return answer.status().WithContext("the security token service");
    return Named("the security token service", MadeOfXml(*answer, now));
  };
  return out;
}

Status CheckContainerUrl(const std::string& url) {
  constexpr const char* kName = "AWS_CONTAINER_CREDENTIALS_FULL_URI";
  const auto parsed = HttpUrl::Parse(url);
  if (!parsed.ok()) return {Code::kInvalidRequest, std::string(kName) + " is not an http(s) URL"};
  if (parsed->https() || parsed->host() == "localhost") return Status::Ok();
  std::string_view host = parsed->host();
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  const auto address = IpAddress::Parse(host);
  // This machine; ECS; EKS Pod Identity.
  for (const char* network : {"127.0.0.0/8", "::1", "169.254.170.2", "169.254.170.23", "fd00:ec2::23"}) {
    const auto allowed = Cidr::Parse(network);
    if (address && allowed.ok() && allowed->Contains(*address)) return Status::Ok();
  }
  return {Code::kInvalidRequest,
          std::string(kName) + " must be https, or http to this machine or to the address of ECS or EKS"};
}

AwsCredentials ContainerCredentials(ContainerEndpoint endpoint, std::shared_ptr<const HttpCaller> http,
                                    WallClock now) {
  AwsCredentials out{.who = "the container's role", .renewable = true};
  out.make = [endpoint = std::move(endpoint), http = std::move(http),
              now = std::move(now)]() -> Result<Made> {
    std::string token = endpoint.token;
    if (!endpoint.token_file.empty()) {
      ASSIGN_OR_RETURN(token, ReadToken(endpoint.token_file, "the container's authorization token file"));
    }
    if (!std::all_of(token.begin(), token.end(), [](char c) { return c >= 0x20 && c < 0x7F; })) {
      return Failed("the container's authorization token has characters that no header can carry");
    }
    HttpCall call;
    call.url = endpoint.url;
    call.headers = {"Accept: application/json"};
    if (!token.empty()) call.headers.push_back("Authorization: " + token);
    const auto answer = CallTwice(*http, call);
    if (!answer.ok()) return answer.status().WithContext("the container's credential endpoint");
    return Named("the container's credential endpoint", MadeOfJson(*answer, now));
  };
  return out;
}

Result<AwsCredentials> MachineCredentials(std::string base, std::shared_ptr<const HttpCaller> http,
                                          WallClock now) {
  HttpCall probe = SessionCall(base);
  probe.timeout = milliseconds(1'000);
  // The first answer of a machine that has just started may take a while, or get lost.
  bool found = false;
  for (int i = 0; i < 3 && !found; ++i) {
    const auto answer = http->Call(probe);
    found = answer.ok() && answer->status == 200;
  }
  if (!found) return Status(Code::kNotFound, "no metadata server of EC2 answers at " + base);
  AwsCredentials out{.who = "the role of this machine (" + base + ")", .renewable = true};
  out.make = [base = std::move(base), http = std::move(http), now = std::move(now)] {
    return AskMachine(base, *http, now);
  };
  return out;
}

Status CheckAwsKeys(const AwsKeys& keys) {
  const std::array<std::pair<const char*, const std::string*>, 3> parts = {
      {{"the access key id", &keys.access_key_id},
       {"the secret access key", &keys.secret_access_key},
       {"the session token", &keys.session_token}}};
  for (const auto& [name, value] : parts) {
    if (value->empty() && value != &keys.session_token) {
      return {Code::kInvalidRequest, std::string(name) + " is missing"};
    }
    if (!Printable(*value)) {
      return {Code::kInvalidRequest, std::string(name) + " has spaces or characters that keys do not have"};
    }
  }
  return Status::Ok();
}

}  // namespace photovec::fetch
