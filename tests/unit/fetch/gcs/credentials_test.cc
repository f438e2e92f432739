// SPDX-License-Identifier: MIT
#include "fetch/gcs/credentials.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <utility>

#include "base/text/base64.h"
#include "base/text/percent.h"
#include "fetch/gcs/jwt.h"
#include "fetch/gcs/token.h"
#include "fetch/reference.h"
#include "unit/fetch/fake_http.h"
#include "unit/fetch/gcs/rsa_key_pair.h"
#include "unit/fetch/source_probe.h"

namespace photovec::fetch {
namespace {

namespace bjson = boost::json;
using std::chrono::seconds;

constexpr const char* kTokenReply = R"({"access_token":"ya29.abc","expires_in":3599,"token_type":"Bearer"})";

std::shared_ptr<FakeHttp> Always(HttpAnswer answer) {
  return std::make_shared<FakeHttp>([answer](const HttpCall&) { return answer; });
}
std::shared_ptr<FakeHttp> NoNetwork() {
  return std::make_shared<FakeHttp>(
      [](const HttpCall&) -> Result<HttpAnswer> { return Status(Code::kSourceFailed, "no connection"); });
}

bjson::object KeyFields(const std::string& pem) {
  return {{"type", "service_account"},
          {"client_email", "reader@project.iam.gserviceaccount.com"},
          {"private_key", pem},
          {"private_key_id", "key-1"},
          {"token_uri", "https://tokens.example/token"}};
}

class Folder {
 public:
  Folder() {
    std::string pattern = testing::TempDir() + "/gcs-XXXXXX";
    path_ = mkdtemp(pattern.data());
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  std::string Write(const std::string& name, const std::string& text) const {
    const std::filesystem::path path = path_ / name;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path) << text;
    return path.string();
  }
  std::string path() const { return path_.string(); }

 private:
  std::filesystem::path path_;
};

std::string Decoded(std::string_view text) {
  auto decoded = Base64Decode(text);
  return decoded.ok() ? std::move(*decoded) : decoded.status().ToString();
}

/// A test process makes one key: it takes a tenth of a second.
const RsaKeyPair& Pair() {
  static const RsaKeyPair pair;
  return pair;
}

TEST(GcsJwt, IsWhatGoogleAsksFor) {
  const auto key = RsaKey::FromPem(Pair().Pem());
  ASSERT_TRUE(key.ok()) << key.status().ToString();
  const auto token = SignJwt({.issuer = "a@b",
                              .audience = "https://t/\"",
                              .scope = "read",
                              .issued_at_s = 1'000,
                              .expires_at_s = 4'600},
                             *key, "key-1");
  ASSERT_TRUE(token.ok());
  const size_t first = token->find('.');
  const size_t second = token->rfind('.');
  ASSERT_LT(first, second);
  EXPECT_EQ(token->find_first_of("+/="), std::string::npos) << "not URL-safe";
  EXPECT_EQ(bjson::parse(Decoded(token->substr(0, first))),
            bjson::parse(R"({"alg":"RS256","typ":"JWT","kid":"key-1"})"));
  EXPECT_EQ(bjson::parse(Decoded(token->substr(first + 1, second - first - 1))),
            bjson::parse(R"({"iss":"a@b","aud":"https://t/\"","scope":"read","iat":1000,"exp":4600})"));
  const std::string signature = Decoded(token->substr(second + 1));
  EXPECT_TRUE(Pair().Verifies(token->substr(0, second), signature));
  EXPECT_FALSE(Pair().Verifies(token->substr(0, second) + "x", signature));
}

TEST(GcsJwt, OtherKeysAreRefusedWithoutQuotingThem) {
  const std::pair<std::string, const char*> kCases[] = {
      {"", "PEM"},
      {"-----BEGIN PRIVATE KEY-----\nSECRETSECRET\n-----END PRIVATE KEY-----\n", "PEM"},
      {RsaKeyPair::EllipticPem(), "RSA"},
      {Pair().EncryptedPem(), "encrypted"},
      {Pair().Pem().substr(0, 300), "PEM"},
  };
  for (const auto& [pem, word] : kCases) {
    const auto key = RsaKey::FromPem(pem);
    ASSERT_FALSE(key.ok()) << pem;
    EXPECT_EQ(key.status().code(), Code::kInvalidRequest);
    EXPECT_NE(key.status().message().find(word), std::string::npos) << key.status().message();
    EXPECT_EQ(key.status().message().find("SECRET"), std::string::npos);
  }
}

TEST(GcsCredentials, AServiceAccountTradesItsAssertionForAToken) {
  const auto http = Always(Answer(200, kTokenReply));
  const auto credentials = ParseGcsCredentials(bjson::serialize(KeyFields(Pair().Pem())), "key.json", http);
  ASSERT_TRUE(credentials.ok()) << credentials.status().ToString();
  EXPECT_TRUE(http->calls().empty()) << "tokens are asked for when they are needed";
  const TimePoint before = Clock::now();
  const auto made = credentials->make();
  ASSERT_TRUE(made.ok()) << made.status().ToString();
  EXPECT_EQ(made->value->authorization, "Authorization: Bearer ya29.abc");
  EXPECT_GE(made->expires, before + seconds(3'598));
  EXPECT_LE(made->expires, Clock::now() + seconds(3'599));

  ASSERT_EQ(http->calls().size(), 1U);
  const HttpCall call = http->calls()[0];
  EXPECT_EQ(call.method, "POST");
  EXPECT_EQ(call.url, "https://tokens.example/token");
  ASSERT_EQ(call.headers.size(), 1U);
  EXPECT_EQ(call.headers[0], "Content-Type: application/x-www-form-urlencoded");
  const std::string prefix =
      "grant_type=" + PercentEncode("urn:ietf:params:oauth:grant-type:jwt-bearer") + "&assertion=";
  ASSERT_TRUE(call.body.starts_with(prefix)) << call.body;
  const std::string jwt = call.body.substr(prefix.size());
  const size_t second = jwt.rfind('.');
  EXPECT_TRUE(Pair().Verifies(jwt.substr(0, second), Decoded(jwt.substr(second + 1))));
  const size_t first = jwt.find('.') + 1;
  const bjson::value claims = bjson::parse(Decoded(jwt.substr(first, second - first)));
  EXPECT_EQ(claims.at("iss").as_string(), "reader@project.iam.gserviceaccount.com");
  EXPECT_EQ(claims.at("aud").as_string(), "https://tokens.example/token");
  EXPECT_EQ(claims.at("scope").as_string(), "https://www.googleapis.com/auth/devstorage.read_only");
  EXPECT_EQ(claims.at("exp").as_int64() - claims.at("iat").as_int64(), 3'600);
  const auto now = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
  EXPECT_NEAR(static_cast<double>(claims.at("iat").as_int64()), static_cast<double>(now), 60);
}

TEST(GcsCredentials, AUserTradesARefreshToken) {
  const auto http = Always(Answer(200, kTokenReply));
  const auto credentials = ParseGcsCredentials(
      R"({"type":"authorized_user","client_id":"i d","client_secret":"s+&=","refresh_token":"1//r"})",
      "adc.json", http);
  ASSERT_TRUE(credentials.ok()) << credentials.status().ToString();
  ASSERT_TRUE(credentials->make().ok());
  const HttpCall call = http->calls()[0];
  EXPECT_EQ(call.url, "https://oauth2.googleapis.com/token");
  EXPECT_EQ(call.method, "POST");
  EXPECT_EQ(call.body,
            "grant_type=refresh_token&client_id=i%20d&client_secret=s%2B%26%3D&refresh_token=1%2F%2Fr");
}

TEST(GcsCredentials, WhatIsWrongWithAKeyFileIsNamed) {
  const auto without = [](const char* field) {
    bjson::object fields = KeyFields("SECRETKEY");
    fields.erase(field);
    return bjson::serialize(fields);
  };
  const auto with = [](const char* field, bjson::value value) {
    bjson::object fields = KeyFields("SECRETKEY");
    fields[field] = std::move(value);
    return bjson::serialize(fields);
  };
  const std::pair<std::string, const char*> kCases[] = {
      {"", "not valid JSON"},
      {R"({"type":"service_account","private_key":"SECRETKEY)", "not valid JSON"},
      {"[]", "not a JSON object"},
      {without("type"), "'type'"},
      {without("client_email"), "'client_email'"},
      {without("private_key"), "'private_key'"},
      {with("private_key", 5), "'private_key'"},
      {with("private_key", "SECRETKEY"), "'private_key'"},
      {with("token_uri", "SECRET token"), "'token_uri'"},
      {with("token_uri", "file:///etc/passwd"), "'token_uri'"},
      {R"({"type":"authorized_user","client_id":"i","client_secret":"SECRET"})", "'refresh_token'"},
  };
  for (const auto& [text, word] : kCases) {
    const auto credentials = ParseGcsCredentials(text, "/keys/photovec.json", NoNetwork());
    ASSERT_FALSE(credentials.ok()) << text;
    EXPECT_EQ(credentials.status().code(), Code::kInvalidRequest);
    const std::string message = credentials.status().message();
    EXPECT_NE(message.find("/keys/photovec.json"), std::string::npos) << message;
    EXPECT_NE(message.find(word), std::string::npos) << message;
    EXPECT_EQ(message.find("SECRET"), std::string::npos) << message;
  }
  for (const char* type : {"external_account", "impersonated_service_account"}) {
    const auto other = ParseGcsCredentials(with("type", type), "f.json", NoNetwork());
    EXPECT_EQ(other.status().code(), Code::kNotImplemented);
    EXPECT_NE(other.status().message().find(type), std::string::npos);
  }
}

TEST(GcsCredentials, TheOrderIsGooglesOwn) {
  const Folder folder;
  const auto user = [](const char* id) {
    return std::string(R"({"type":"authorized_user","client_secret":"s","refresh_token":"r","client_id":")") +
           id + "\"}";
  };
  const std::string named = folder.Write("named.json", user("named"));
  folder.Write("home/.config/gcloud/application_default_credentials.json", user("home"));
  folder.Write("sdk/application_default_credentials.json", user("sdk"));
  std::map<std::string, std::string> set = {{"GOOGLE_APPLICATION_CREDENTIALS", named},
                                            {"CLOUDSDK_CONFIG", folder.path() + "/sdk"},
                                            {"HOME", folder.path() + "/home"},
                                            {"GCE_METADATA_HOST", "meta:99"}};
  // Which one was chosen shows in what it sends.
  const auto chosen = [&]() -> std::string {
    const auto http = Always(Answer(200, kTokenReply, {{"metadata-flavor", "Google"}}));
    const auto credentials = FindGcsCredentials(OnlyVariables(set), http);
    if (!credentials.ok()) return credentials.status().ToString();
    EXPECT_TRUE(credentials->make().ok());
    const HttpCall last = http->calls().back();
    const size_t id = last.body.find("client_id=");
    return id == std::string::npos ? last.url.substr(0, 14) : last.body.substr(id + 10, 5);
  };
  EXPECT_EQ(chosen(), "named");
  set.erase("GOOGLE_APPLICATION_CREDENTIALS");
  EXPECT_EQ(chosen(), "sdk&c");
  set.erase("CLOUDSDK_CONFIG");
  EXPECT_EQ(chosen(), "home&");
  set.erase("HOME");
  EXPECT_EQ(chosen(), "http://meta:99");
  set.erase("GCE_METADATA_HOST");
  EXPECT_EQ(chosen(), "http://169.254");
}

TEST(GcsCredentials, ANamedFileThatIsNotThereIsNotPassedOver) {
  const auto http = Always(Answer(200, kTokenReply, {{"metadata-flavor", "Google"}}));
  const auto credentials =
      FindGcsCredentials(OnlyVariables({{"GOOGLE_APPLICATION_CREDENTIALS", "/nowhere/key.json"}}), http);
  ASSERT_FALSE(credentials.ok());
  EXPECT_EQ(credentials.status().code(), Code::kInvalidRequest);
  EXPECT_NE(credentials.status().message().find("GOOGLE_APPLICATION_CREDENTIALS"), std::string::npos);
  EXPECT_NE(credentials.status().message().find("/nowhere/key.json"), std::string::npos);
  EXPECT_TRUE(http->calls().empty());
}

TEST(GcsCredentials, NoneAtAllSaysWhatToDo) {
  const auto http = NoNetwork();
  const auto credentials = FindGcsCredentials(OnlyVariables({{"HOME", "/nowhere"}}), http);
  ASSERT_FALSE(credentials.ok());
  EXPECT_EQ(credentials.status().code(), Code::kInvalidRequest);
  for (const char* hint : {"GOOGLE_APPLICATION_CREDENTIALS", "gcloud auth application-default login",
                           "/nowhere", "169.254.169.254", "anonymous"}) {
    EXPECT_NE(credentials.status().message().find(hint), std::string::npos) << hint;
  }
  EXPECT_EQ(http->calls().size(), 3U);
  for (const HttpCall& call : http->calls()) EXPECT_LE(call.timeout, seconds(1));
}

TEST(GcsMetadata, OnlyGooglesOwnServerIsBelieved) {
  const std::map<std::string, std::string> google = {{"metadata-flavor", "Google"}};
  EXPECT_EQ(MetadataCredentials("host", Always(Answer(200, kTokenReply))).status().code(), Code::kNotFound);
  EXPECT_EQ(MetadataCredentials("a/b", Always(Answer(200, "", google))).status().code(),
            Code::kInvalidRequest);
  EXPECT_EQ(MetadataCredentials("a b", Always(Answer(200, "", google))).status().code(),
            Code::kInvalidRequest);

  const auto http = Always(Answer(200, kTokenReply, google));
  const auto credentials = MetadataCredentials("host:8080", http);
  ASSERT_TRUE(credentials.ok()) << credentials.status().ToString();
  EXPECT_EQ(credentials->make()->value->authorization, "Authorization: Bearer ya29.abc");
  const HttpCall call = http->calls().back();
  EXPECT_TRUE(call.url.starts_with(
      "http://host:8080/computeMetadata/v1/instance/service-accounts/default/token?scopes=https%3A"))
      << call.url;
  for (const HttpCall& each : http->calls())
    EXPECT_EQ(each.headers, std::vector{std::string("Metadata-Flavor: Google")});

  // Google's at the start, somebody else's later.
  int calls = 0;
  const auto turned = std::make_shared<FakeHttp>([&](const HttpCall&) -> Result<HttpAnswer> {
    return calls++ == 0 ? Answer(200, "", google) : Answer(200, kTokenReply);
  });
  const auto later = MetadataCredentials("host", turned);
  ASSERT_TRUE(later.ok());
  EXPECT_EQ(later->make().status().code(), Code::kSourceFailed);
}

TEST(GcsToken, WhatTheEndpointSaysIsPassedOn) {
  const std::pair<HttpAnswer, const char*> kCases[] = {
      {Answer(400, R"({"error":"invalid_grant","error_description":"Invalid JWT Signature."})"),
       "the token endpoint answered 400: invalid_grant: Invalid JWT Signature."},
      {Answer(403, R"({"error":{"code":403,"message":"Project disabled"}})"),
       "the token endpoint answered 403: Project disabled"},
      {Answer(404, "<html>"), "the token endpoint answered 404"},
      {Answer(200, "<html>"), "the token endpoint answered 200 with something not JSON"},
      {Answer(200, "{}"), "the token endpoint answered 200 without an access_token"},
      {Answer(200, R"({"access_token":"a\r\nX: y","expires_in":3})"),
       "the token endpoint gave a token that no header can carry"},
      {Answer(200, R"({"access_token":"a","expires_in":"soon"})"),
       "the token endpoint gave a token with an expires_in that is no number"},
  };
  for (const auto& [answer, message] : kCases) {
    const auto made = AskForToken(*Always(answer), {}, "the token endpoint");
    ASSERT_FALSE(made.ok());
    EXPECT_EQ(made.status().code(), Code::kSourceFailed);
    EXPECT_EQ(made.status().message(), message);
  }
}

TEST(GcsToken, AnEndpointOutOfOrderIsAskedOnceMore) {
  for (const long status : {500L, 503L, 429L}) {
    int calls = 0;
    const FakeHttp http([&](const HttpCall&) -> Result<HttpAnswer> {
      return ++calls == 1 ? Answer(status, "") : Answer(200, kTokenReply);
    });
    EXPECT_TRUE(AskForToken(http, {}, "x").ok()) << status;
  }
  const auto down = Always(Answer(500, ""));
  EXPECT_FALSE(AskForToken(*down, {}, "x").ok());
  EXPECT_EQ(down->calls().size(), 2U);
  const auto refused = Always(Answer(400, ""));
  EXPECT_FALSE(AskForToken(*refused, {}, "x").ok());
  EXPECT_EQ(refused->calls().size(), 1U) << "a refusal is final";
  const FakeHttp slow(
      [](const HttpCall&) -> Result<HttpAnswer> { return Status(Code::kSourceTimeout, "slow"); });
  EXPECT_EQ(AskForToken(slow, {}, "x").status().code(), Code::kSourceTimeout);
  EXPECT_EQ(slow.calls().size(), 1U);
}

TEST(GcsToken, ForeignTextIsMadeFitForMessages) {
  EXPECT_EQ(ShortReason("  a\n\tb  c "), "a b c");
  EXPECT_EQ(ShortReason(""), "");
  EXPECT_EQ(ShortReason("sa@x.iam.gserviceaccount.com does not have storage.objects.get access"),
            "(account) does not have storage.objects.get access");
  EXPECT_EQ(ShortReason("a\x01\xC3\xA9"), "a???");
  EXPECT_EQ(ShortReason(std::string(1'000, 'x')), std::string(160, 'x') + "...");
}

}  // namespace
}  // namespace photovec::fetch
