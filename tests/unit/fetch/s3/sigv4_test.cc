// SPDX-License-Identifier: MIT
#include "fetch/s3/sigv4.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <string_view>

namespace photovec::fetch {
namespace {

using Headers = std::vector<std::pair<std::string, std::string>>;

std::string SignatureOf(std::string_view authorization) {
  const size_t at = authorization.find("Signature=");
  return at == std::string_view::npos ? "" : std::string(authorization.substr(at + 10));
}

struct Vector {
  const char* name;
  const char* method;
  const char* path;
  const char* query;
  Headers headers;  // besides host and x-amz-date
  const char* signature;
};

// From AWS's "aws-sig-v4-test-suite".
TEST(SigV4, TheVectorsOfAws) {
  const Vector kVectors[] = {
      {"get-vanilla", "GET", "/", "", {}, "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
      {"post-vanilla",
       "POST",
       "/",
       "",
       {},
       "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"},
      {"get-utf8",
       "GET",
       "/%E1%88%B4",
       "",
       {},
       "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85"},
      {"get-space",
       "GET",
       "/example%20space/",
       "",
       {},
       "652487583200325589f1fba4c7e578f72c47cb61beeca81406b39ddec1366741"},
      {"get-vanilla-empty-query-key",
       "GET",
       "/",
       "Param1=value1",
       {},
       "a67d582fa61cc504c4bae71f336f98b97f1ea3c7a6bfe1b6e45aec72011b9aeb"},
      {"get-vanilla-query-order-key-case",
       "GET",
       "/",
       "Param2=value2&Param1=value1",
       {},
       "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"},
      {"get-vanilla-query-unreserved",
       "GET",
       "/",
       "-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz="
       "-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
       {},
       "9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197"},
      {"get-header-key-duplicate",
       "GET",
       "/",
       "",
       {{"My-Header1", "value2"}, {"My-Header1", "value2"}, {"My-Header1", "value1"}},
       "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea"},
      {"get-header-value-trim",
       "GET",
       "/",
       "",
       {{"My-Header1", " value1"}, {"My-Header2", " \"a   b   c\""}},
       "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736"},
  };
  for (const Vector& vector : kVectors) {
    SigV4Request request;
    request.method = vector.method;
    request.path = vector.path;
    request.query = vector.query;
    request.headers = {{"Host", "example.amazonaws.com"}, {"X-Amz-Date", "20150830T123600Z"}};
    request.headers.insert(request.headers.end(), vector.headers.begin(), vector.headers.end());
    request.region = "us-east-1";
    request.service = "service";
    request.date = "20150830T123600Z";
    const std::string got =
        SigV4Authorization(request, {"AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", ""});
    EXPECT_EQ(SignatureOf(got), vector.signature) << vector.name;
    EXPECT_TRUE(
        got.starts_with("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
                        "SignedHeaders=host;"))
        << got;
  }
}

// docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html, "Example: GET Object".
TEST(SigV4, TheExampleOfS3) {
  SigV4Request request;
  request.path = "/test.txt";
  request.headers = {{"Host", "examplebucket.s3.amazonaws.com"},
                     {"Range", "bytes=0-9"},
                     {"x-amz-content-sha256", std::string(kEmptySha256)},
                     {"x-amz-date", "20130524T000000Z"}};
  request.region = "us-east-1";
  request.date = "20130524T000000Z";
  EXPECT_EQ(
      SigV4Authorization(request, {"AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", ""}),
      "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, "
      "SignedHeaders=host;range;x-amz-content-sha256;x-amz-date, "
      "Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
}

TEST(SigV4, EveryPartCounts) {
  SigV4Request request;
  request.path = "/a";
  request.headers = {{"host", "h"}, {"x-amz-date", "20130524T000000Z"}};
  request.region = "us-east-1";
  request.date = "20130524T000000Z";
  const AwsKeys keys{"id", "secret", ""};
  const std::string before = SignatureOf(SigV4Authorization(request, keys));
  EXPECT_EQ(before.size(), 64u);
  const auto changed = [&](auto change) {
    SigV4Request other = request;
    change(other);
    return SignatureOf(SigV4Authorization(other, keys)) != before;
  };
  EXPECT_TRUE(changed([](SigV4Request& r) { r.method = "HEAD"; }));
  EXPECT_TRUE(changed([](SigV4Request& r) { r.path = "/a/"; }));
  EXPECT_TRUE(changed([](SigV4Request& r) { r.query = "x"; }));
  EXPECT_TRUE(changed([](SigV4Request& r) { r.headers[0].second = "i"; }));
  EXPECT_TRUE(changed([](SigV4Request& r) { r.payload_sha256 = "UNSIGNED-PAYLOAD"; }));
  EXPECT_TRUE(changed([](SigV4Request& r) { r.region = "us-east-2"; }));
  EXPECT_TRUE(changed([](SigV4Request& r) { r.service = "s4"; }));
  EXPECT_TRUE(changed([](SigV4Request& r) { r.date = "20130525T000000Z"; }));
  EXPECT_NE(SignatureOf(SigV4Authorization(request, {"id", "other", ""})), before);
}

TEST(SigV4, Dates) {
  using std::chrono::seconds;
  const auto at = [](long s) { return std::chrono::system_clock::time_point(seconds(s)); };
  EXPECT_EQ(SigV4Date(at(0)), "19700101T000000Z");
  EXPECT_EQ(SigV4Date(at(1'440'938'160)), "20150830T123600Z");
  EXPECT_EQ(SigV4Date(at(1'709'251'199)), "20240229T235959Z");
  EXPECT_EQ(SigV4Date(at(1'709'251'199) + std::chrono::milliseconds(999)), "20240229T235959Z");
}

}  // namespace
}  // namespace photovec::fetch
