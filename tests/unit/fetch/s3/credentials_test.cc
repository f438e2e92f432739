// SPDX-License-Identifier: MIT
#include "fetch/s3/credentials.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <vector>

#include "fetch/s3/temporary.h"
#include "unit/fetch/fake_http.h"
#include "unit/fetch/s3/aws_files.h"
#include "unit/fetch/source_probe.h"

namespace photovec::fetch {
namespace {

using std::chrono::seconds;
using std::chrono::system_clock;

const system_clock::time_point kNow = std::chrono::sys_days(std::chrono::year(2026) / 11 / 27);
constexpr const char* kInAnHour = "2026-11-27T01:00:00Z";

std::string KeysJson(const std::string& more = "") {
  return R"({"Code":"Success","AccessKeyId":"ASIA1","SecretAccessKey":"se/cret+","Token":"to==ken","Expiration":")" +
         std::string(kInAnHour) + "\"" + more + "}";
}

Result<AwsCredentials> Find(const std::map<std::string, std::string>& variables,
                            std::shared_ptr<FakeHttp> http) {
  AwsSearch search{.environment = OnlyVariables(variables),
                   .files = {},
                   .profile = {},
                   .region = "eu-west-1",
                   .http = std::move(http),
                   .now = [] { return kNow; }};
  search.files = FindAwsFiles(search.environment);
  ASSIGN_OR_RETURN(search.profile, LoadAwsProfile(search.files));
  return FindAwsCredentials(search);
}

/// The keys lived for about an hour from now, and are the ones of KeysJson().
void ExpectTemporary(const Result<Refreshing<AwsKeys>::Made>& made) {
  ASSERT_TRUE(made.ok()) << made.status().ToString();
  EXPECT_EQ(made->value->access_key_id, "ASIA1");
  EXPECT_EQ(made->value->secret_access_key, "se/cret+");
  EXPECT_EQ(made->value->session_token, "to==ken");
  const auto left = made->expires - Clock::now();
  EXPECT_LE(left, seconds(3'600));
  EXPECT_GT(left, seconds(3'000));
}

TEST(AwsCredentials, TheEnvironmentGoesFirst) {
  const TestFolder folder;
  folder.Write(".aws/credentials", "[default]\naws_access_key_id=FILE\naws_secret_access_key=s\n");
  auto found = Find({{"AWS_ACCESS_KEY_ID", "AKIA"},
                     {"AWS_SECRET_ACCESS_KEY", "secret"},
                     {"AWS_SESSION_TOKEN", "token"},
                     {"AWS_WEB_IDENTITY_TOKEN_FILE", "/x"},
                     {"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/y"},
                     {"HOME", folder.path("")}},
                    Nobody());
  ASSERT_TRUE(found.ok()) << found.status().ToString();
  EXPECT_FALSE(found->renewable);
  EXPECT_EQ(found->who.find("secret"), std::string::npos);
  const auto made = found->make();
  ASSERT_TRUE(made.ok());
  EXPECT_EQ(made->value->access_key_id, "AKIA");
  EXPECT_EQ(made->value->secret_access_key, "secret");
  EXPECT_EQ(made->value->session_token, "token");
  EXPECT_EQ(made->expires, TimePoint::max());
}

TEST(AwsCredentials, HalfOfTheEnvironmentIsAnError) {
  for (const std::map<std::string, std::string>& variables :
       {std::map<std::string, std::string>{{"AWS_ACCESS_KEY_ID", "AKIA"}},
        {{"AWS_ACCESS_KEY_ID", "AKIA"}, {"AWS_SECRET_ACCESS_KEY", "hidden\nX-Header: 1"}},
        {{"AWS_ACCESS_KEY_ID", "AK IA"}, {"AWS_SECRET_ACCESS_KEY", "hidden"}},
        {{"AWS_WEB_IDENTITY_TOKEN_FILE", "/hidden"}}}) {
    const auto found = Find(variables, Nobody());
    ASSERT_FALSE(found.ok());
    EXPECT_EQ(found.status().code(), Code::kInvalidRequest);
    EXPECT_NE(found.status().message().find("AWS_"), std::string::npos);
    EXPECT_EQ(found.status().message().find("hidden"), std::string::npos) << found.status().message();
  }
}

TEST(AwsCredentials, FilesAreReadAgainWhenTheirKeysAreRefused) {
  const TestFolder folder;
  folder.Write(".aws/credentials", "[default]\naws_access_key_id=A1\naws_secret_access_key=s1\n");
  auto found = Find({{"HOME", folder.path("")}}, Nobody());
  ASSERT_TRUE(found.ok()) << found.status().ToString();
  EXPECT_TRUE(found->renewable);
  EXPECT_EQ(found->make()->value->access_key_id, "A1");
  folder.Write(".aws/credentials",
               "[default]\naws_access_key_id=A2\naws_secret_access_key=s2\naws_session_token=t2\n");
  auto made = found->make();
  ASSERT_TRUE(made.ok());
  EXPECT_EQ(made->value->access_key_id, "A2");
  EXPECT_EQ(made->value->session_token, "t2");
  folder.Write(".aws/credentials", "[default]\naws_access_key_id=A2\n");
  made = found->make();
  ASSERT_FALSE(made.ok());
  EXPECT_EQ(made.status().code(), Code::kSourceFailed);
  EXPECT_EQ(Find({{"HOME", folder.path("")}}, Nobody()).status().code(), Code::kInvalidRequest);
}

TEST(AwsCredentials, WhatIsNotBuiltSaysSo) {
  const TestFolder folder;
  for (const char* setting :
       {"credential_process = /bin/tell", "sso_session = team", "sso_start_url = https://x.example",
        "role_arn = arn:aws:iam::1:role/r\nsource_profile = default"}) {
    folder.Write(".aws/config", "[default]\n" + std::string(setting) + "\n");
    const auto found = Find({{"HOME", folder.path("")}}, Nobody());
    ASSERT_FALSE(found.ok()) << setting;
    EXPECT_EQ(found.status().code(), Code::kNotImplemented);
  }
}

TEST(AwsCredentials, WebIdentity) {
  const TestFolder folder;
  const std::string token = folder.Write("token", "ey+J.a/b\n");
  const auto http = std::make_shared<FakeHttp>([](const HttpCall&) -> Result<HttpAnswer> {
    return Answer(200,
                  "<AssumeRoleWithWebIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">"
                  "<AssumeRoleWithWebIdentityResult><Credentials><SessionToken>to==ken</SessionToken>"
                  "<SecretAccessKey>se/cret+</SecretAccessKey><Expiration>2026-11-27T01:00:00Z</Expiration>"
                  "<AccessKeyId>ASIA1</AccessKeyId></Credentials></AssumeRoleWithWebIdentityResult>"
                  "</AssumeRoleWithWebIdentityResponse>");
  });
  auto found =
      Find({{"AWS_WEB_IDENTITY_TOKEN_FILE", token}, {"AWS_ROLE_ARN", "arn:aws:iam::1:role/r"}}, http);
  ASSERT_TRUE(found.ok()) << found.status().ToString();
  EXPECT_TRUE(http->calls().empty());
  ExpectTemporary(found->make());
  folder.Write("token", "second");
  ExpectTemporary(found->make());
  const auto calls = http->calls();
  ASSERT_EQ(calls.size(), 2u);
  EXPECT_EQ(calls[0].method, "POST");
  EXPECT_EQ(calls[0].url, "https://sts.eu-west-1.amazonaws.com/");
  EXPECT_EQ(calls[0].body,
            "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fr&"
            "RoleSessionName=photovec&WebIdentityToken=ey%2BJ.a%2Fb");
  EXPECT_TRUE(calls[1].body.ends_with("&WebIdentityToken=second"));
  std::filesystem::remove(token);
  const auto made = found->make();
  ASSERT_FALSE(made.ok());
  EXPECT_EQ(made.status().code(), Code::kSourceFailed);
  EXPECT_EQ(made.status().message().find(token), std::string::npos) << "clients see it";

  // In a profile, with other endpoints.
  folder.Write("token", "third");
  folder.Write(".aws/config",
               "[default]\nrole_arn=arn:r\nweb_identity_token_file=" + token + "\nrole_session_name=me\n");
  found = Find({{"HOME", folder.path("")}, {"AWS_ENDPOINT_URL_STS", "http://127.0.0.1:99/"}}, http);
  ASSERT_TRUE(found.ok()) << found.status().ToString();
  ExpectTemporary(found->make());
  EXPECT_EQ(http->calls().back().url, "http://127.0.0.1:99/");
  EXPECT_NE(http->calls().back().body.find("RoleSessionName=me&WebIdentityToken=third"), std::string::npos);
}

TEST(AwsCredentials, WhatStsRefuses) {
  const TestFolder folder;
  const std::string token = folder.Write("token", "hidden-token");
  const std::map<std::string, std::string> variables = {{"AWS_WEB_IDENTITY_TOKEN_FILE", token},
                                                        {"AWS_ROLE_ARN", "arn:r"}};
  struct Case {
    long status;
    const char* body;
    const char* says;
  };
  const Case kCases[] = {
      {400,
       "<ErrorResponse><Error><Code>ExpiredTokenException</Code><Message>hidden-token</Message></Error></"
       "ErrorResponse>",
       "answered 400: ExpiredTokenException"},
      {403, "not xml", "answered 403"},
      {200, "<a/>", "the access key id is missing"},
      {200, "<AccessKeyId>A</AccessKeyId><SecretAccessKey>hidden</SecretAccessKey>", "time of their end"},
      {200,
       "<AccessKeyId>A</AccessKeyId><SecretAccessKey>hidden</SecretAccessKey><SessionToken>a&#10;b</"
       "SessionToken>"
       "<Expiration>2026-11-27T01:00:00Z</Expiration>",
       "the session token has"},
  };
  for (const Case& c : kCases) {
    const auto http = std::make_shared<FakeHttp>([&c](const HttpCall&) { return Answer(c.status, c.body); });
    auto found = Find(variables, http);
    ASSERT_TRUE(found.ok());
    const auto made = found->make();
    ASSERT_FALSE(made.ok()) << c.body;
    EXPECT_EQ(made.status().code(), Code::kSourceFailed);
    EXPECT_NE(made.status().message().find(c.says), std::string::npos) << made.status().message();
    EXPECT_EQ(made.status().message().find("hidden"), std::string::npos) << made.status().message();
    EXPECT_EQ(http->calls().size(), 1u) << "no second try of what will not change";
  }
}

TEST(AwsCredentials, Containers) {
  const TestFolder folder;
  const auto http = std::make_shared<FakeHttp>([](const HttpCall&) { return Answer(200, KeysJson()); });
  auto found = Find({{"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/v2/credentials/x?id=1"},
                     {"AWS_CONTAINER_AUTHORIZATION_TOKEN", "Basic abc"}},
                    http);
  ASSERT_TRUE(found.ok()) << found.status().ToString();
  ExpectTemporary(found->make());
  EXPECT_EQ(http->calls()[0].url, "http://169.254.170.2/v2/credentials/x?id=1");
  EXPECT_EQ(http->calls()[0].headers,
            (std::vector<std::string>{"Accept: application/json", "Authorization: Basic abc"}));

  const std::string token = folder.Write("token", "first\n");
  found = Find({{"AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://169.254.170.23/v1/credentials"},
                {"AWS_CONTAINER_AUTHORIZATION_TOKEN", "unused"},
                {"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", token}},
               http);
  ASSERT_TRUE(found.ok()) << found.status().ToString();
  ExpectTemporary(found->make());
  EXPECT_EQ(http->calls().back().headers.back(), "Authorization: first");
  folder.Write("token", "second");
  ExpectTemporary(found->make());
  EXPECT_EQ(http->calls().back().headers.back(), "Authorization: second");
  folder.Write("token", "a\nX-Evil: b");
  EXPECT_EQ(found->make().status().code(), Code::kSourceFailed);
}

TEST(AwsCredentials, ContainersAreAskedWhereKeysDoNotLeak) {
  for (const char* url :
       {"https://keys.example/x", "http://localhost:1/x", "http://127.0.0.1/x", "http://127.8.8.8/",
        "http://[::1]:8/x", "http://169.254.170.2/x", "http://169.254.170.23/x", "http://[fd00:ec2::23]/x"}) {
    EXPECT_TRUE(CheckContainerUrl(url).ok()) << url;
  }
  for (const char* url :
       {"http://keys.example/x", "http://10.0.0.1/x", "http://169.254.169.254/x", "ftp://127.0.0.1/",
        "http://localhost.evil.example/", "http://127.0.0.1@evil.example/", "x", ""}) {
    EXPECT_EQ(CheckContainerUrl(url).code(), Code::kInvalidRequest) << url;
  }
  EXPECT_FALSE(Find({{"AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://keys.example/x"}}, Nobody()).ok());
  EXPECT_FALSE(Find({{"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "@evil.example/"}}, Nobody()).ok());
}

/// IMDSv2 with one role. `fail` may answer instead.
std::shared_ptr<FakeHttp> Machine(std::function<std::optional<HttpAnswer>(const HttpCall&)> fail = {}) {
  return std::make_shared<FakeHttp>([fail](const HttpCall& call) -> Result<HttpAnswer> {
    if (fail) {
      if (auto answer = fail(call)) return *answer;
    }
    const std::string base = "http://169.254.169.254/latest/";
    if (call.method == "PUT" && call.url == base + "api/token") {
      return call.headers.at(0) == "X-aws-ec2-metadata-token-ttl-seconds: 300" ? Answer(200, "session==")
                                                                               : Answer(400, "");
    }
    if (call.headers.at(0) != "X-aws-ec2-metadata-token: session==") return Answer(401, "");
    const std::string folder = base + "meta-data/iam/security-credentials/";
    if (call.url == folder) return Answer(200, "my-role\n");
    if (call.url == folder + "my-role") return Answer(200, KeysJson(R"(,"Type":"AWS-HMAC")"));
    return Answer(404, "");
  });
}

TEST(AwsCredentials, TheMachinesRole) {
  const auto http = Machine();
  auto found = Find({}, http);
  ASSERT_TRUE(found.ok()) << found.status().ToString();
  ExpectTemporary(found->make());
  EXPECT_EQ(http->calls().size(), 4u);

  const auto message = [](std::shared_ptr<FakeHttp> machine) {
    auto credentials = Find({}, std::move(machine));
    return credentials.ok() ? credentials->make().status().message() : "not found";
  };
  EXPECT_NE(message(Machine([](const HttpCall& call) -> std::optional<HttpAnswer> {
              if (call.url.ends_with("credentials/")) return Answer(404, "");
              return std::nullopt;
            })).find("no instance profile"),
            std::string::npos);
  EXPECT_NE(message(Machine([](const HttpCall& call) -> std::optional<HttpAnswer> {
              if (call.url.ends_with("my-role"))
                return Answer(200, R"({"Code":"AssumeRoleUnauthorizedAccess"})");
              return std::nullopt;
            })).find("has no keys: AssumeRoleUnauthorizedAccess"),
            std::string::npos);
}

TEST(AwsCredentials, NobodyAnswers) {
  auto http = Nobody();
  auto found = Find({}, http);
  ASSERT_FALSE(found.ok());
  EXPECT_EQ(found.status().code(), Code::kInvalidRequest);
  EXPECT_NE(found.status().message().find("--s3-auth anonymous"), std::string::npos);
  EXPECT_EQ(http->calls().size(), 3u);

  http = Nobody();
  found = Find({{"AWS_EC2_METADATA_DISABLED", "True"}}, http);
  ASSERT_FALSE(found.ok());
  EXPECT_TRUE(http->calls().empty());

  http = Nobody();
  EXPECT_FALSE(Find({{"AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:1338/"}}, http).ok());
  EXPECT_EQ(http->calls().at(0).url, "http://127.0.0.1:1338/latest/api/token");
  http = Nobody();
  EXPECT_FALSE(Find({{"AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", "IPv6"}}, http).ok());
  EXPECT_EQ(http->calls().at(0).url, "http://[fd00:ec2::254]/latest/api/token");
}

TEST(AwsCredentials, AnEndpointOutOfOrderIsAskedTwice) {
  auto count = std::make_shared<int>(0);
  const auto http = std::make_shared<FakeHttp>(
      [count](const HttpCall&) { return ++*count % 2 == 1 ? Answer(503, "") : Answer(200, KeysJson()); });
  auto found = Find({{"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/x"}}, http);
  ASSERT_TRUE(found.ok());
  ExpectTemporary(found->make());
  EXPECT_EQ(http->calls().size(), 2u);
}

}  // namespace
}  // namespace photovec::fetch
