// SPDX-License-Identifier: MIT
#include "fetch/s3/source.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <future>
#include <string>
#include <vector>

#include "aws_files.h"
#include "fake_http.h"
#include "fetch/s3/endpoint.h"
#include "fetch/s3/reply.h"
#include "source_probe.h"

namespace photovec::fetch {
namespace {

using std::chrono::system_clock;

const std::map<std::string, std::string> kKeys = {{"AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE"},
                                                  {"AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG"}};

std::shared_ptr<FakeHttp> Nobody() {
  return std::make_shared<FakeHttp>(
      [](const HttpCall&) -> Result<HttpAnswer> { return Status(Code::kSourceFailed, "no connection"); });
}

Result<std::unique_ptr<Source>> Make(const S3Options& options,
                                     const std::map<std::string, std::string>& variables,
                                     std::shared_ptr<const HttpCaller> http = Nobody()) {
  return MakeS3Source(options, std::move(http), OnlyVariables(variables),
                      [] { return system_clock::time_point(std::chrono::seconds(1'440'938'160)); });
}

std::unique_ptr<Source> Good(const S3Options& options,
                             const std::map<std::string, std::string>& variables = kKeys,
                             std::shared_ptr<const HttpCaller> http = Nobody()) {
  auto source = Make(options, variables, std::move(http));
  EXPECT_TRUE(source.ok()) << source.status().ToString();
  return source.ok() ? std::move(*source) : nullptr;
}

std::string UrlOf(const Source& source, const std::string& reference) {
  const auto object = source.Open(reference);
  return object.ok() ? (*object)->url() : object.status().ToString();
}

std::string HeaderOf(const SourceObject::Headers& headers, const std::string& name) {
  if (!headers.ok()) return headers.status().ToString();
  for (const std::string& header : *headers) {
    if (header.starts_with(name + ": ")) return header.substr(name.size() + 2);
  }
  return "(none)";
}

std::string Xml(const std::string& code, const std::string& more = "") {
  return "<?xml version=\"1.0\"?>\n<Error><Code>" + code +
         "</Code><Message>User: arn:aws:iam::123456789012:user/me</Message>" + more + "</Error>";
}

TEST(S3Source, KeysGoOverTheWireAsTheyAre) {
  const auto source = Good({.allowed_buckets = {"photos"}});
  EXPECT_EQ(source->name(), "s3");
  EXPECT_EQ(source->trust(), Trust::kOperator);
  const std::pair<const char*, const char*> kCases[] = {
      {"s3://photos/cat.jpg", "cat.jpg"},
      {"S3://photos/cat.jpg", "cat.jpg"},
      {"s3://photos/a/b/c~-._.jpg", "a/b/c~-._.jpg"},
      {"s3://photos/date=2024-01/my cat+dog&2.jpg", "date%3D2024-01/my%20cat%2Bdog%262.jpg"},
      {"s3://photos/what?.jpg#3", "what%3F.jpg%233"},
      {"s3://photos/100%25.jpg", "100%2525.jpg"},
      {"s3://photos/a%", "a%25"},
      {"s3://photos//lead", "/lead"},
      {"s3://photos/a//b/", "a//b/"},
      {"s3://photos/a/../b/./c", "a/../b/./c"},
      {"s3://photos/!$'()*,:;@[]", "%21%24%27%28%29%2A%2C%3A%3B%40%5B%5D"},
      {"s3://photos/\xEC\x82\xAC\xEC\xA7\x84.jpg", "%EC%82%AC%EC%A7%84.jpg"},
      {"s3://photos/\xF0\x9F\x98\xBA", "%F0%9F%98%BA"},
      {"s3://photos/tab\there", "tab%09here"},
  };
  for (const auto& [reference, path] : kCases) {
    const auto object = source->Open(reference);
    ASSERT_TRUE(object.ok()) << reference << ": " << object.status().ToString();
    EXPECT_EQ((*object)->url(), std::string("https://photos.s3.us-east-1.amazonaws.com/") + path);
    EXPECT_EQ((*object)->group(), "s3://photos");
  }
}

TEST(S3Source, MalformedReferences) {
  const auto source = Good({.allowed_buckets = {"*"}});
  for (const std::string& reference :
       {std::string("s3:photos/x"), std::string("s3:/photos/x"), std::string("s3://photos"),
        std::string("s3://photos/"), std::string("s3:///x"), std::string("s3://ab/x"),
        std::string("s3://Photos/x"), std::string("s3://pho_tos/x"), std::string("s3://photos-/x"),
        std::string("s3://pho..tos/x"), std::string("s3://pho.-tos/x"), std::string("s3://192.168.1.1/x"),
        std::string("s3://photos:80/x"), std::string("s3://a@photos/x"),
        "s3://" + std::string(64, 'b') + "/x", "s3://photos/" + std::string(1'025, 'x'),
        std::string("s3://photos/\xFF"), std::string("s3://photos/a\nb"), std::string("bare")}) {
    const auto object = source->Open(reference);
    ASSERT_FALSE(object.ok()) << reference;
    EXPECT_EQ(object.status().code(), Code::kInvalidRequest) << reference;
  }
  EXPECT_TRUE(source->Open("s3://photos/" + std::string(1'024, 'x')).ok());
  EXPECT_TRUE(source->Open("s3://1.2.3/x").ok());
}

TEST(S3Source, OnlyAllowedBuckets) {
  EXPECT_EQ(Make({}, kKeys).status().code(), Code::kInvalidRequest) << "off";
  const auto source = Good({.allowed_buckets = {"photos"}, .default_bucket = "standard"});
  EXPECT_EQ(source->Open("s3://secret/x").status().code(), Code::kSourceNotAllowed);
  EXPECT_EQ(source->Open("s3://photos2/x").status().code(), Code::kSourceNotAllowed);
  EXPECT_TRUE(source->Open("s3://photos/x").ok());
  EXPECT_TRUE(source->Open("s3://standard/x").ok());
  EXPECT_EQ(UrlOf(*source, "cats/1.jpg"), "https://standard.s3.us-east-1.amazonaws.com/cats/1.jpg");
  EXPECT_TRUE(Good({.allowed_buckets = {"*"}})->Open("s3://anything/x").ok());
  for (const S3Options& wrong : {S3Options{.allowed_buckets = {"Bad"}}, S3Options{.default_bucket = "Bad"},
                                 S3Options{.allowed_buckets = {""}}}) {
    EXPECT_EQ(Make(wrong, kKeys).status().code(), Code::kInvalidRequest);
  }
}

TEST(S3Source, Endpoints) {
  using Addressing = S3Options::Addressing;
  struct Case {
    S3Options options;
    std::map<std::string, std::string> variables;
    const char* url;
  };
  const std::vector<Case> cases = {
      {{}, {}, "https://b-1.s3.us-east-1.amazonaws.com/k"},
      {{.region = "eu-west-1"}, {{"AWS_REGION", "x"}}, "https://b-1.s3.eu-west-1.amazonaws.com/k"},
      {{},
       {{"AWS_REGION", "eu-west-2"}, {"AWS_DEFAULT_REGION", "x"}},
       "https://b-1.s3.eu-west-2.amazonaws.com/k"},
      {{}, {{"AWS_DEFAULT_REGION", "cn-north-1"}}, "https://b-1.s3.cn-north-1.amazonaws.com.cn/k"},
      {{.addressing = Addressing::kPath}, {}, "https://s3.us-east-1.amazonaws.com/b-1/k"},
      {{.endpoint = "http://127.0.0.1:9000"}, {}, "http://127.0.0.1:9000/b-1/k"},
      {{.endpoint = "https://minio.lan:443//"}, {}, "https://minio.lan/b-1/k"},
      {{.endpoint = "http://[::1]:80/base/"}, {}, "http://[::1]/base/b-1/k"},
      {{.endpoint = "https://minio.lan", .addressing = Addressing::kVirtual}, {}, "https://b-1.minio.lan/k"},
      {{}, {{"AWS_ENDPOINT_URL_S3", "http://one"}, {"AWS_ENDPOINT_URL", "http://two"}}, "http://one/b-1/k"},
      {{}, {{"AWS_ENDPOINT_URL", "http://two"}}, "http://two/b-1/k"},
      {{},
       {{"AWS_ENDPOINT_URL", "http://two"}, {"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true"}},
       "https://b-1.s3.us-east-1.amazonaws.com/k"},
      {{.endpoint = "http://three"}, {{"AWS_ENDPOINT_URL_S3", "http://one"}}, "http://three/b-1/k"},
  };
  for (Case c : cases) {
    c.options.allowed_buckets = {"*"};
    c.variables.insert(kKeys.begin(), kKeys.end());
    EXPECT_EQ(UrlOf(*Good(c.options, c.variables), "s3://b-1/k"), c.url);
  }
  const auto dots = Good({.allowed_buckets = {"*"}});
  EXPECT_EQ(UrlOf(*dots, "s3://my.photos/k"), "https://s3.us-east-1.amazonaws.com/my.photos/k");
  for (const char* endpoint :
       {"minio:9000", "ftp://minio", "http://", "http://a?b", "http://u:p@minio", "http://a b"}) {
    const auto source = Make({.allowed_buckets = {"*"}, .endpoint = endpoint}, kKeys);
    EXPECT_EQ(source.status().code(), Code::kInvalidRequest) << endpoint;
  }
  for (const char* region : {"eu-west-1.evil.example", "EU", "-a", "a/b"}) {
    EXPECT_EQ(Make({.allowed_buckets = {"*"}, .region = region}, kKeys).status().code(),
              Code::kInvalidRequest);
  }
}

TEST(S3Source, ProfilesGiveRegionEndpointAndKeys) {
  const TestFolder folder;
  folder.Write(".aws/credentials", "[dev]\naws_access_key_id=DEV\naws_secret_access_key=s\n");
  folder.Write(".aws/config", "[profile dev]\nregion=auto\nendpoint_url=https://r2.example\n");
  const auto source = Good({.allowed_buckets = {"*"}}, {{"HOME", folder.path("")}, {"AWS_PROFILE", "dev"}});
  const auto object = source->Open("s3://photos/k");
  EXPECT_EQ((*object)->url(), "https://r2.example/photos/k");
  EXPECT_TRUE(HeaderOf(Sign(**object), "Authorization")
                  .starts_with("AWS4-HMAC-SHA256 Credential=DEV/20150830/auto/s3/aws4_request"));
}

TEST(S3Source, HeadersOfARequest) {
  auto variables = kKeys;
  const auto permanent = Good({.allowed_buckets = {"*"}}, variables);
  auto object = permanent->Open("s3://photos/a=b.jpg");
  ASSERT_TRUE(object.ok());
  auto headers = Sign(**object);
  EXPECT_EQ(HeaderOf(headers, "x-amz-checksum-mode"), "ENABLED");
  EXPECT_EQ(HeaderOf(headers, "x-amz-date"), "20150830T123600Z");
  EXPECT_EQ(HeaderOf(headers, "x-amz-content-sha256"), kEmptySha256);
  EXPECT_EQ(HeaderOf(headers, "x-amz-security-token"), "(none)");
  EXPECT_TRUE(
      HeaderOf(headers, "Authorization")
          .starts_with("AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20150830/us-east-1/s3/aws4_request, "
                       "SignedHeaders=host;x-amz-checksum-mode;x-amz-content-sha256;x-amz-date, Signature="));

  variables["AWS_SESSION_TOKEN"] = "to==ken";
  const auto temporary = Good({.allowed_buckets = {"*"}}, variables);
  object = temporary->Open("s3://photos/a=b.jpg");
  headers = Sign(**object);
  EXPECT_EQ(HeaderOf(headers, "x-amz-security-token"), "to==ken");
  EXPECT_NE(HeaderOf(headers, "Authorization").find("x-amz-date;x-amz-security-token,"), std::string::npos);

  const auto anonymous = Good({.allowed_buckets = {"*"}, .auth = S3Options::Auth::kAnonymous}, variables);
  object = anonymous->Open("s3://photos/a=b.jpg");
  headers = Sign(**object);
  ASSERT_TRUE(headers.ok());
  EXPECT_EQ(*headers, (std::vector<std::string>{"x-amz-checksum-mode: ENABLED"}));
}

TEST(S3Source, AnotherRegionIsLearntOnce) {
  const auto source = Good({.allowed_buckets = {"*"}});
  auto object = source->Open("s3://photos/k");
  Refusal refusal =
      (*object)->OnRefused(FakeReply(301, Xml("PermanentRedirect"), {{"x-amz-bucket-region", "eu-west-3"}}));
  EXPECT_TRUE(refusal.renew_credentials);
  EXPECT_EQ(refusal.status.code(), Code::kSourceFailed);
  (*object)->RenewCredentials();
  EXPECT_EQ((*object)->url(), "https://photos.s3.eu-west-3.amazonaws.com/k");
  EXPECT_NE(HeaderOf(Sign(**object), "Authorization").find("/20150830/eu-west-3/s3/"), std::string::npos);
  EXPECT_EQ(UrlOf(*source, "s3://photos/other"), "https://photos.s3.eu-west-3.amazonaws.com/other");
  EXPECT_EQ(UrlOf(*source, "s3://elsewhere/k"), "https://elsewhere.s3.us-east-1.amazonaws.com/k");
  // Not for ever, and not without a change.
  refusal =
      (*object)->OnRefused(FakeReply(301, Xml("PermanentRedirect"), {{"x-amz-bucket-region", "us-east-2"}}));
  EXPECT_FALSE(refusal.renew_credentials);
  EXPECT_EQ((*object)->url(), "https://photos.s3.eu-west-3.amazonaws.com/k");

  // By the body alone, as custom endpoints have it: the URL stays, the signature changes.
  const auto minio = Good({.allowed_buckets = {"*"}, .endpoint = "http://minio:9000"});
  object = minio->Open("s3://photos/k");
  refusal = (*object)->OnRefused(
      FakeReply(400, Xml("AuthorizationHeaderMalformed", "<Region>ap-south-1</Region>")));
  EXPECT_TRUE(refusal.renew_credentials);
  EXPECT_EQ((*object)->url(), "http://minio:9000/photos/k");
  EXPECT_NE(HeaderOf(Sign(**object), "Authorization").find("/ap-south-1/s3/"), std::string::npos);
}

TEST(S3Source, RegionsThatAreNoneAreNotBelieved) {
  for (const FakeReply& reply :
       {FakeReply(301, "", {{"x-amz-bucket-region", "evil.example/"}}),
        FakeReply(400, Xml("X", "<Region></Region>")),
        FakeReply(403, Xml("AccessDenied"), {{"x-amz-bucket-region", "eu-west-1"}}), FakeReply(301, "")}) {
    EXPECT_EQ(RegionOfReply(reply), std::nullopt);
  }
  const auto source = Good({.allowed_buckets = {"*"}});
  auto object = source->Open("s3://photos/k");
  const Refusal refusal = (*object)->OnRefused(FakeReply(301, Xml("PermanentRedirect")));
  EXPECT_FALSE(refusal.renew_credentials || refusal.retry);
  EXPECT_NE(refusal.status.message().find("--s3-region"), std::string::npos);
}

TEST(S3Source, WornOutKeysAreRenewed) {
  auto count = std::make_shared<int>(0);
  const auto http = std::make_shared<FakeHttp>([count](const HttpCall&) {
    return Answer(200, R"({"AccessKeyId":"K)" + std::to_string(++*count) +
                           R"(","SecretAccessKey":"s","Token":"t","Expiration":"2015-08-30T13:36:00Z"})");
  });
  const auto source =
      Good({.allowed_buckets = {"*"}}, {{"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/x"}}, http);
  EXPECT_TRUE(http->calls().empty()) << "nobody needed keys yet";
  auto object = source->Open("s3://photos/k");
  EXPECT_NE(HeaderOf(Sign(**object), "Authorization").find("Credential=K1/"), std::string::npos);
  EXPECT_NE(HeaderOf(Sign(**object), "Authorization").find("Credential=K1/"), std::string::npos);
  const Refusal refusal = (*object)->OnRefused(FakeReply(400, Xml("ExpiredToken")));
  EXPECT_TRUE(refusal.renew_credentials);
  (*object)->RenewCredentials();
  EXPECT_NE(HeaderOf(Sign(**object), "Authorization").find("Credential=K2/"), std::string::npos);
}

TEST(S3Source, KeysThatCannotBeHadAreTheSourcesFailure) {
  const auto source = Good({.allowed_buckets = {"*"}}, {{"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/x"}});
  auto object = source->Open("s3://photos/k");
  const auto headers = Sign(**object);
  ASSERT_FALSE(headers.ok());
  EXPECT_EQ(headers.status().code(), Code::kSourceFailed);
  EXPECT_NE(headers.status().message().find("could not sign in"), std::string::npos);
}

TEST(S3Reply, Refusals) {
  struct Case {
    long status;
    std::string body;
    Code code;
    bool retry;
    bool renew;
    const char* says;
  };
  const Case kCases[] = {
      {404, Xml("NoSuchKey"), Code::kNotFound, false, false, "no such object"},
      {404, Xml("NoSuchBucket"), Code::kNotFound, false, false, "bucket does not exist"},
      {404, "", Code::kNotFound, false, false, "no such object, or no such bucket"},
      {403, Xml("AccessDenied"), Code::kSourceFailed, false, false, "denied access: AccessDenied"},
      {403, "", Code::kSourceFailed, false, false, "403"},
      {403, Xml("SignatureDoesNotMatch"), Code::kSourceFailed, false, false, "secret access key"},
      {403, Xml("InvalidAccessKeyId"), Code::kSourceFailed, false, true, "InvalidAccessKeyId"},
      {400, Xml("ExpiredToken"), Code::kSourceFailed, false, true, "ExpiredToken"},
      {400, Xml("InvalidToken"), Code::kSourceFailed, false, true, "InvalidToken"},
      {400, Xml("TokenRefreshRequired"), Code::kSourceFailed, false, true, "TokenRefreshRequired"},
      {403, Xml("RequestTimeTooSkewed"), Code::kSourceFailed, false, false, "clock"},
      {403, Xml("InvalidObjectState"), Code::kSourceFailed, false, false, "archived"},
      {412, Xml("PreconditionFailed"), Code::kSourceChanged, false, false, "replaced"},
      {400, Xml("RequestTimeout"), Code::kSourceFailed, true, false, "RequestTimeout"},
      {503, Xml("SlowDown"), Code::kSourceFailed, true, false, "SlowDown"},
      {500, Xml("InternalError"), Code::kSourceFailed, true, false, "InternalError"},
      {503, "", Code::kSourceFailed, true, false, "503"},
      {429, "", Code::kSourceFailed, true, false, "429"},
      {400, Xml("Odd\n<Code"), Code::kSourceFailed, false, false, "400: Odd??Code"},
      {405, Xml("MethodNotAllowed"), Code::kSourceFailed, false, false, "405: MethodNotAllowed"},
  };
  for (const Case& c : kCases) {
    const Refusal refusal =
        JudgeS3Refusal(FakeReply(c.status, c.body), {.signed_in = true, .renewable = true});
    const std::string text = std::to_string(c.status) + " " + c.body + " -> " + refusal.status.ToString();
    EXPECT_EQ(refusal.status.code(), c.code) << text;
    EXPECT_EQ(refusal.retry, c.retry) << text;
    EXPECT_EQ(refusal.renew_credentials, c.renew) << text;
    EXPECT_NE(refusal.status.message().find(c.says), std::string::npos) << text;
    EXPECT_EQ(refusal.status.message().find("123456789012"), std::string::npos) << text;
    EXPECT_FALSE(JudgeS3Refusal(FakeReply(c.status, c.body), {.signed_in = true, .renewable = false})
                     .renew_credentials);
  }
  const Refusal anonymous = JudgeS3Refusal(FakeReply(403, Xml("AccessDenied")), {.signed_in = false});
  EXPECT_NE(anonymous.status.message().find("--s3-auth"), std::string::npos);
}

TEST(S3Reply, Versions) {
  EXPECT_EQ(S3Version(FakeReply(200, "", {{"etag", "\"a\""}})), "\"a\"");
  EXPECT_EQ(S3Version(FakeReply(200, "")), "");
  EXPECT_NE(S3Version(FakeReply(200, "", {{"etag", "\"a\""}, {"x-amz-version-id", "1"}})),
            S3Version(FakeReply(200, "", {{"etag", "\"a\""}, {"x-amz-version-id", "2"}})));
}

/// "123456789" has these, by the CRC catalogue and Python's hashlib.
TEST(S3Reply, ChecksumsAreCompared) {
  const std::string text = "123456789";
  const std::span<const uint8_t> body(reinterpret_cast<const uint8_t*>(text.data()), text.size());
  const std::span<const uint8_t> cut = body.first(8);
  const std::pair<const char*, const char*> kKnown[] = {
      {"x-amz-checksum-crc32", "y/Q5Jg=="},
      {"x-amz-checksum-crc32c", "4waSgw=="},
      {"x-amz-checksum-crc64nvme", "rosUhgp5mIg="},
      {"x-amz-checksum-sha1", "98O8HYCOBHMq32eZZczDTKeuNEE="},
      {"x-amz-checksum-sha256", "FeKw08M4keuw8e9gnsQZQgwg4yDOlMZfvIwzEkSOsiU="},
  };
  for (const auto& [header, value] : kKnown) {
    const FakeReply reply(200, "", {{header, value}, {"x-amz-checksum-type", "FULL_OBJECT"}});
    EXPECT_TRUE(VerifyS3Body(reply, body).ok()) << header;
    EXPECT_EQ(VerifyS3Body(reply, cut).code(), Code::kChecksumMismatch) << header;
    EXPECT_EQ(VerifyS3Body(FakeReply(200, "", {{header, "AAAA"}}), body).code(), Code::kChecksumMismatch)
        << header;
    EXPECT_EQ(VerifyS3Body(FakeReply(200, "", {{header, "!"}}), body).code(), Code::kChecksumMismatch)
        << header;
    // Those of multipart uploads are of the parts' checksums.
    EXPECT_TRUE(VerifyS3Body(FakeReply(200, "", {{header, std::string(value) + "-2"}}), cut).ok()) << header;
    EXPECT_TRUE(
        VerifyS3Body(FakeReply(200, "", {{header, value}, {"x-amz-checksum-type", "COMPOSITE"}}), cut).ok());
  }
  EXPECT_TRUE(
      VerifyS3Body(FakeReply(200, "", {{"etag", "\"00000000000000000000000000000000\""}}), body).ok());
  // A composite one does not hide another.
  EXPECT_FALSE(
      VerifyS3Body(FakeReply(200, "", {{kKnown[1].first, "4waSgw==-2"}, {kKnown[0].first, "AAAAAA=="}}), body)
          .ok());
}

}  // namespace
}  // namespace photovec::fetch
