// SPDX-License-Identifier: MIT
#include "fetch/gcs/credentials.h"

#include <boost/json/value.hpp>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <system_error>
#include <utility>

#include "base/files.h"
#include "base/json/reader.h"
#include "base/text/percent.h"
#include "fetch/gcs/jwt.h"
#include "fetch/gcs/token.h"
#include "fetch/http/http_url.h"

namespace photovec::fetch {
namespace {

namespace bjson = boost::json;
using std::chrono::milliseconds;

constexpr const char* kFileVariable = "GOOGLE_APPLICATION_CREDENTIALS";
constexpr const char* kWellKnownFile = "application_default_credentials.json";
constexpr const char* kGoogleTokens = "https://oauth2.googleapis.com/token";
constexpr const char* kMetadataAddress = "169.254.169.254";  // the same on GCE, GKE and Cloud Run
constexpr const char* kFlavor = "Metadata-Flavor: Google";
constexpr const char* kForm = "Content-Type: application/x-www-form-urlencoded";
constexpr uint64_t kLargestFile = 256 * 1024;
constexpr int64_t kAssertionSeconds = 3'600;  // the longest that Google accepts

Status Wrong(std::string what) { return {Code::kInvalidRequest, std::move(what)}; }

/// The text fields of a key file. Messages name file and field, never a value.
class KeyFile {
 public:
  static Result<KeyFile> Parse(std::string_view text, const std::string& path) {
    Result<bjson::object> parsed = photovec::json::ParseObject(text);
    if (!parsed.ok()) return Wrong(path + " is " + parsed.status().message());
    return KeyFile(std::move(*parsed), path);
  }

  Result<std::string> Text(std::string_view field) const {
    ASSIGN_OR_RETURN(std::string text, TextOr(field, ""));
    if (text.empty()) return Wrong(path_ + ": the field '" + std::string(field) + "' is missing");
    return text;
  }
  Result<std::string> TextOr(std::string_view field, const char* fallback) const {
    const bjson::value* value = fields_.if_contains({field.data(), field.size()});
    if (value == nullptr) return std::string(fallback);
    if (!value->is_string()) return Wrong(path_ + ": the field '" + std::string(field) + "' is not a string");
    return std::string(value->get_string().begin(), value->get_string().end());
  }
  Result<std::string> TokenUri() const {
    ASSIGN_OR_RETURN(std::string uri, TextOr("token_uri", kGoogleTokens));
    if (!HttpUrl::Parse(uri).ok()) return Wrong(path_ + ": the field 'token_uri' is not an http(s) URL");
    return uri;
  }
  const std::string& path() const { return path_; }

 private:
  KeyFile(bjson::object fields, std::string path) : fields_(std::move(fields)), path_(std::move(path)) {}
  bjson::object fields_;
  std::string path_;
};

Result<GcsCredentials> ServiceAccount(const KeyFile& file, std::shared_ptr<const HttpCaller> http) {
  ASSIGN_OR_RETURN(const std::string email, file.Text("client_email"));
  ASSIGN_OR_RETURN(const std::string pem, file.Text("private_key"));
  ASSIGN_OR_RETURN(const std::string key_id, file.TextOr("private_key_id", ""));
  ASSIGN_OR_RETURN(const std::string uri, file.TokenUri());
  auto key = RsaKey::FromPem(pem);
  if (!key.ok()) {
    return Status(key.status().code(), file.path() + ": the field 'private_key' " + key.status().message());
  }
  auto make = [http = std::move(http), email, key = std::move(*key), key_id,
               uri]() -> Result<Refreshing<AccessToken>::Made> {
    const auto now =
        std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch())
            .count();
    const JwtClaims claims = {.issuer = email,
                              .audience = uri,
                              .scope = std::string(kGcsReadScope),
                              .issued_at_s = now,
                              .expires_at_s = now + kAssertionSeconds};
    ASSIGN_OR_RETURN(const std::string assertion, SignJwt(claims, key, key_id));
    const HttpCall call = {
        .method = "POST",
        .url = uri,
        .headers = {kForm},
        .body = "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=" + assertion};
    return AskForToken(*http, call, "the token endpoint");
  };
  return GcsCredentials{"service account " + email + " (" + file.path() + ")", std::move(make)};
}

Result<GcsCredentials> AuthorizedUser(const KeyFile& file, std::shared_ptr<const HttpCaller> http) {
  ASSIGN_OR_RETURN(const std::string id, file.Text("client_id"));
  ASSIGN_OR_RETURN(const std::string secret, file.Text("client_secret"));
  ASSIGN_OR_RETURN(const std::string refresh, file.Text("refresh_token"));
  ASSIGN_OR_RETURN(const std::string uri, file.TokenUri());
  HttpCall call = {.method = "POST",
                   .url = uri,
                   .headers = {kForm},
                   .body = "grant_type=refresh_token&client_id=" + PercentEncode(id) + "&client_secret=" +
                           PercentEncode(secret) + "&refresh_token=" + PercentEncode(refresh)};
  auto make = [http = std::move(http), call = std::move(call)] {
    return AskForToken(*http, call, "the token endpoint");
  };
  return GcsCredentials{"the user of " + file.path(), std::move(make)};
}

Result<GcsCredentials> CredentialsOfFile(const std::string& path, std::shared_ptr<const HttpCaller> http) {
  const Result<std::string> text = ReadFile(path, kLargestFile);
  if (text.ok()) return ParseGcsCredentials(*text, path, std::move(http));
  const Status& why = text.status();
  if (why.code() == Code::kBodyTooLarge) return Wrong(path + " is too large for a file with credentials");
  if (why.code() == Code::kInvalidRequest) return Wrong(path + " is " + why.message());
  return Wrong(path + " cannot be read: " + why.message());
}

/// Where `gcloud auth application-default login` leaves its file; empty when there is no home.
std::string WellKnownPath(const EnvironmentLookup& environment) {
  const std::string folder = environment("CLOUDSDK_CONFIG").value_or("");
  if (!folder.empty()) return folder + "/" + kWellKnownFile;
  const std::string home = environment("HOME").value_or("");
  return home.empty() ? "" : home + "/.config/gcloud/" + kWellKnownFile;
}

bool IsGoogles(const HttpAnswer& answer) {
  const auto flavor = answer.headers.find("metadata-flavor");
  return flavor != answer.headers.end() && flavor->second == "Google";
}

/// Does not take the word of whoever else answers at that address (a captive portal) for a token.
class FlavorChecked final : public HttpCaller {
 public:
  explicit FlavorChecked(std::shared_ptr<const HttpCaller> http) : http_(std::move(http)) {}
  Result<HttpAnswer> Call(const HttpCall& call) const override {
    ASSIGN_OR_RETURN(HttpAnswer answer, http_->Call(call));
    if (!IsGoogles(answer)) return Status(Code::kSourceFailed, "the answer does not come from Google's");
    return answer;
  }

 private:
  std::shared_ptr<const HttpCaller> http_;
};

}  // namespace

Result<GcsCredentials> ParseGcsCredentials(std::string_view json, const std::string& path,
                                           std::shared_ptr<const HttpCaller> http) {
  ASSIGN_OR_RETURN(const KeyFile file, KeyFile::Parse(json, path));
  ASSIGN_OR_RETURN(const std::string type, file.Text("type"));
  if (type == "service_account") return ServiceAccount(file, std::move(http));
  if (type == "authorized_user") return AuthorizedUser(file, std::move(http));
  return Status(Code::kNotImplemented,
                path + ": credentials of type '" + ShortReason(type) +
                    "' are not supported; use a service account's key, `gcloud auth application-default "
                    "login`, or the metadata server of a Google Cloud machine");
}

Result<GcsCredentials> MetadataCredentials(const std::string& host, std::shared_ptr<const HttpCaller> http) {
  const std::string base = "http://" + host;
  if (host.find_first_of("/?#@") != std::string::npos || !HttpUrl::Parse(base).ok()) {
    return Wrong("GCE_METADATA_HOST is not a host or host:port");
  }
  // The first answer of a machine that has just started may take a while, or get lost.
  HttpCall probe;
  probe.url = base + "/";
  probe.headers = {kFlavor};
  probe.timeout = probe.connect_timeout = milliseconds(1'000);
  bool found = false;
  for (int i = 0; i < 3 && !found; ++i) {
    const auto answer = http->Call(probe);
    found = answer.ok() && IsGoogles(*answer);
  }
  if (!found) return Status(Code::kNotFound, "no metadata server answers at " + host);
  HttpCall call;
  call.url = base + "/computeMetadata/v1/instance/service-accounts/default/token?scopes=" +
             PercentEncode(kGcsReadScope);
  call.headers = {kFlavor};
  auto make = [http = FlavorChecked(std::move(http)), call] {
    return AskForToken(http, call, "the metadata server");
  };
  return GcsCredentials{"the service account of this machine (metadata server " + host + ")",
                        std::move(make)};
}

Result<GcsCredentials> FindGcsCredentials(const EnvironmentLookup& environment,
                                          std::shared_ptr<const HttpCaller> http) {
  const std::string named = environment(kFileVariable).value_or("");
  if (!named.empty()) {
    auto credentials = CredentialsOfFile(named, std::move(http));
    if (!credentials.ok()) return credentials.status().WithContext(kFileVariable);
    return credentials;
  }
  const std::string well_known = WellKnownPath(environment);
  std::error_code ignored;  // a file that cannot be looked at is none
  if (!well_known.empty() && std::filesystem::exists(well_known, ignored)) {
    return CredentialsOfFile(well_known, std::move(http));
  }
  const std::string host = environment("GCE_METADATA_HOST").value_or("");
  auto credentials = MetadataCredentials(host.empty() ? kMetadataAddress : host, std::move(http));
  if (credentials.ok() || credentials.status().code() != Code::kNotFound) return credentials;
  return Wrong("there are no Google credentials: " + std::string(kFileVariable) + " is not set, " +
               (well_known.empty() ? "there is no HOME" : well_known + " does not exist") + ", and " +
               credentials.status().message() +
               "; set the variable to a service account's key file, run `gcloud auth application-default "
               "login`, or use --gcs-auth anonymous for public buckets");
}

}  // namespace photovec::fetch
