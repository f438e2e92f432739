// SPDX-License-Identifier: MIT
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>

#include "api/access.h"
#include "api/access_keys.h"
#include "api/access_quota.h"
#include "api/origin.h"
#include "api/request_id.h"
#include "base/log.h"

namespace photovec::api {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

const TimePoint kStart{seconds(1'000)};

std::string HashOf(std::string_view key) { return *HashApiKey(key); }

TEST(ApiKeys, ALineHasIdScopesHashAndPerhapsQuotas) {
  const auto keys =
      ParseApiKeys("# people\n\nweb:embed:" + HashOf("a") + "\r\n  ops.1 : embed,admin : " + HashOf("b") +
                   " : requests=5/s,bytes=1MiB  \n");
  ASSERT_TRUE(keys.ok()) << keys.status().ToString();
  ASSERT_EQ(keys->size(), 2U);
  EXPECT_EQ(keys->at(0).id, "web");
  EXPECT_TRUE(keys->at(0).scopes.embed);
  EXPECT_FALSE(keys->at(0).scopes.admin);
  EXPECT_FALSE(keys->at(0).quota.has_value());
  EXPECT_EQ(keys->at(1).id, "ops.1");
  EXPECT_TRUE(keys->at(1).scopes.admin);
  ASSERT_TRUE(keys->at(1).quota.has_value());
  EXPECT_EQ(keys->at(1).quota->bytes_in_flight, 1U << 20);
}

TEST(ApiKeys, GarbageIsNamedByItsLineAndNeverQuotedWhereAKeyMayStand) {
  const std::string hash = HashOf("a");
  const std::pair<std::string, std::string> kBad[] = {
      {"", "there is no key"},
      {"# only a comment\n", "there is no key"},
      {"web", "line 1: a key needs a scope"},
      {"web:embed", "line 1: the third field of key \"web\" is no SHA-256 hash"},
      {"web:embed:pv_secretsecret", "line 1: the third field of key \"web\""},
      {"web:embed:" + hash.substr(1), "line 1: the third field"},
      {"web:embed:" + hash.substr(1) + "g", "line 1: the third field"},
      {"w b:embed:" + hash, "line 1: a key's id has 1 to 64"},
      {":embed:" + hash, "line 1: a key's id"},
      {std::string(65, 'a') + ":embed:" + hash, "line 1: a key's id"},
      {"web:write:" + hash, "line 1: \"write\" is no scope"},
      {"web:embed:" + hash + ":images=5", "line 1: \"images=5\" is no quota"},
      {"web:embed:" + hash + "\nweb:embed:" + HashOf("b"), "line 2: there is another key of the id \"web\""},
      {"web:embed:" + hash + "\n\nxyz:embed:" + hash, "line 3: key \"xyz\" has the hash of another"},
      {std::string("web:embed:") + '\0', "line 1: the third field"},
  };
  for (const auto& [text, message] : kBad) {
    const auto keys = ParseApiKeys(text);
    ASSERT_FALSE(keys.ok()) << text;
    EXPECT_EQ(keys.status().code(), Code::kInvalidRequest);
    EXPECT_THAT(keys.status().message(), AllOf(HasSubstr(message), Not(HasSubstr("secret"))));
  }
}

TEST(ApiKeys, ThereIsALimit) {
  std::string text;
  for (size_t i = 0; i <= kMaxApiKeys; ++i) {
    text += "k" + std::to_string(i) + ":embed:" + HashOf(std::to_string(i)) + "\n";
  }
  const auto keys = ParseApiKeys(text);
  ASSERT_FALSE(keys.ok());
  EXPECT_THAT(keys.status().message(), HasSubstr("line 1001: there are more than 1000 keys"));
}

TEST(ApiKeys, NewOnesAreLongDifferentAndHashAsSha256Does) {
  std::set<std::string> keys;
  for (int i = 0; i < 100; ++i) keys.insert(*MakeApiKey());
  EXPECT_EQ(keys.size(), 100U);
  for (const std::string& key : keys) EXPECT_THAT(key, testing::MatchesRegex("pv_[A-Za-z0-9_-]+"));
  EXPECT_EQ(keys.begin()->size(), 46U);
  EXPECT_EQ(HashOf("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

class KeyRingTest : public testing::Test {
 protected:
  KeyRingTest() {
    log::SetSink([this](std::string_view line) { log_ += line; });
    std::string name = testing::TempDir() + "keysXXXXXX";
    folder_ = mkdtemp(name.data());
    path_ = (folder_ / "keys").string();
  }
  ~KeyRingTest() override {
    log::SetSink({});
    std::filesystem::remove_all(folder_);
  }
  void Write(const std::string& text, mode_t mode = 0640) const {
    std::ofstream(path_) << text;
    chmod(path_.c_str(), mode);
  }
  std::string log_;
  std::filesystem::path folder_;
  std::string path_;
};

TEST_F(KeyRingTest, FindsWhatIsThereAndNothingElse) {
  Write("a:embed:" + HashOf("key-a") + "\nb:admin:" + HashOf("key-b") + "\n");
  const auto ring = KeyRing::Load(path_);
  ASSERT_TRUE(ring.ok()) << ring.status().ToString();
  EXPECT_EQ((*ring)->size(), 2U);
  ASSERT_NE((*ring)->Find("key-a"), nullptr);
  EXPECT_EQ((*ring)->Find("key-a")->id, "a");
  EXPECT_EQ((*ring)->Find("key-b")->id, "b");
  EXPECT_EQ((*ring)->Find("key-c"), nullptr);
  EXPECT_EQ((*ring)->Find(""), nullptr);
  EXPECT_EQ((*ring)->Find(HashOf("key-a")), nullptr) << "the hash is no key";
  EXPECT_EQ((*ring)->Find(std::string(100'000, 'x')), nullptr);
  EXPECT_EQ(log_, "");
}

TEST_F(KeyRingTest, AReloadTakesAllOrNothingAndKeepsWhatWasUsed) {
  Write("a:embed:" + HashOf("old") + "\n");
  const auto ring = KeyRing::Load(path_);
  ASSERT_TRUE(ring.ok());
  const auto use = (*ring)->Find("old")->use;
  Write("a:embed:" + HashOf("new") + "\nb:embed:broken\n");
  const Status broken = (*ring)->Reload();
  EXPECT_THAT(broken.message(), AllOf(HasSubstr(path_), HasSubstr("line 2")));
  EXPECT_NE((*ring)->Find("old"), nullptr);
  EXPECT_EQ((*ring)->Find("new"), nullptr);
  Write("a:embed,admin:" + HashOf("new") + "\n");
  EXPECT_TRUE((*ring)->Reload().ok());
  EXPECT_EQ((*ring)->Find("old"), nullptr);
  ASSERT_NE((*ring)->Find("new"), nullptr);
  EXPECT_EQ((*ring)->Find("new")->use, use) << "a new file is no new quota";
  std::filesystem::remove(path_);
  EXPECT_FALSE((*ring)->Reload().ok());
  EXPECT_NE((*ring)->Find("new"), nullptr);
}

TEST_F(KeyRingTest, AFileThatEverybodyMayReadIsWarnedOf) {
  Write("a:embed:" + HashOf("key-a") + "\n", 0644);
  EXPECT_TRUE(KeyRing::Load(path_).ok());
  EXPECT_THAT(log_, AllOf(HasSubstr("warn"), HasSubstr(path_), HasSubstr("chmod o=")));
}

TEST(Quota, IsReadFromText) {
  const auto quota = ParseQuota("requests=50/s,images=6000/min,bytes=64MiB");
  ASSERT_TRUE(quota.ok());
  EXPECT_EQ(quota->requests.count, 50);
  EXPECT_EQ(quota->requests.seconds, 1);
  EXPECT_EQ(quota->images.count, 6'000);
  EXPECT_EQ(quota->images.seconds, 60);
  EXPECT_EQ(quota->bytes_in_flight, 64U << 20);
  EXPECT_TRUE(ParseQuota("").ok());
  EXPECT_EQ(ParseQuota("requests=0.5/h")->requests.seconds, 3'600);
  for (const char* bad : {"requests", "requests=5", "requests=/s", "requests=0/s", "requests=-1/s",
                          "requests=nan/s", "requests=1e300/s", "requests=5/day", "requests=5x/s", "bytes=0",
                          "bytes=5/s", "foo=1/s", "images=1/s;bytes=1", "=1/s"}) {
    EXPECT_FALSE(ParseQuota(bad).ok()) << bad;
  }
}

TEST(QuotaUse, RequestsComeInABurstThenAtTheirRate) {
  const Quota quota = *ParseQuota("requests=3/s");
  QuotaUse use;
  uint64_t held = 0;
  for (int i = 0; i < 3; ++i) EXPECT_FALSE(use.Begin(quota, 0, kStart, &held)) << i;
  const auto refused = use.Begin(quota, 0, kStart, &held);
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->what, "requests");
  EXPECT_EQ(refused->retry_after_s, 1);
  EXPECT_TRUE(use.Begin(quota, 0, kStart + milliseconds(333), &held));
  EXPECT_FALSE(use.Begin(quota, 0, kStart + milliseconds(334), &held));
  EXPECT_TRUE(use.Begin(quota, 0, kStart + milliseconds(334), &held))
      << "a refusal uses nothing, a success does";
  for (int i = 0; i < 3; ++i) EXPECT_FALSE(use.Begin(quota, 0, kStart + seconds(100), &held)) << i;
  EXPECT_TRUE(use.Begin(quota, 0, kStart + seconds(100), &held)) << "a rest saves up one burst, not more";
}

TEST(QuotaUse, LessThanOneInATimeIsStillSome) {
  const Quota quota = *ParseQuota("requests=0.5/s");
  QuotaUse use;
  uint64_t held = 0;
  EXPECT_FALSE(use.Begin(quota, 0, kStart, &held));
  EXPECT_EQ(use.Begin(quota, 0, kStart, &held)->retry_after_s, 2);
  EXPECT_FALSE(use.Begin(quota, 0, kStart + seconds(2), &held));
}

TEST(QuotaUse, WhoeverRetriesWhenToldGetsIn) {
  for (const char* text : {"requests=7/min", "images=60/min", "images=0.1/s"}) {
    const Quota quota = *ParseQuota(text);
    QuotaUse use;
    uint64_t held = 0;
    TimePoint now = kStart;
    for (int i = 0; i < 50; ++i) {
      if (const auto refused = use.Begin(quota, 0, now, &held)) {
        now += seconds(refused->retry_after_s);
        EXPECT_FALSE(use.Begin(quota, 0, now, &held)) << text << " " << i;
      }
      use.PayImages(quota, 100, now);
    }
  }
}

TEST(QuotaUse, ImagesBecomeADebtThatLaterRequestsWaitFor) {
  const Quota quota = *ParseQuota("images=60/min");
  QuotaUse use;
  uint64_t held = 0;
  EXPECT_FALSE(use.Begin(quota, 0, kStart, &held));
  use.PayImages(quota, 180, kStart);
  const auto refused = use.Begin(quota, 0, kStart, &held);
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->what, "images");
  EXPECT_EQ(refused->retry_after_s, 121);
  EXPECT_TRUE(use.Begin(quota, 0, kStart + seconds(120), &held));
  EXPECT_FALSE(use.Begin(quota, 0, kStart + seconds(121), &held));
}

TEST(QuotaUse, BytesAreHeldUntilTheyAreGivenBack) {
  const Quota quota = *ParseQuota("bytes=100");
  const auto use = std::make_shared<QuotaUse>();
  uint64_t first = 0;
  uint64_t other = 0;
  EXPECT_TRUE(use->Begin(quota, 101, kStart, &first)->never);
  EXPECT_FALSE(use->Begin(quota, 60, kStart, &first));
  {
    const QuotaHold hold(use, first);
    EXPECT_FALSE(use->Begin(quota, 101, kStart, &other)->what.empty());
    EXPECT_EQ(use->Begin(quota, 41, kStart, &other)->what, "bytes in flight");
    EXPECT_FALSE(use->Begin(quota, 41, kStart, &other)->never);
    EXPECT_TRUE(use->Begin(quota, std::nullopt, kStart, &other)) << "of unknown length: alone or not at all";
    EXPECT_FALSE(use->Begin(quota, 40, kStart, &other));
    EXPECT_EQ(other, 40U);
    use->Release(other);
  }
  EXPECT_FALSE(use->Begin(quota, std::nullopt, kStart, &first));
  EXPECT_EQ(first, 100U);
  EXPECT_TRUE(use->Begin(quota, 1, kStart, &other));
}

TEST(FailureLog, OneLineForAnAddressAndTenSeconds) {
  FailureLog log;
  EXPECT_EQ(log.Note("a", kStart), 1U);
  EXPECT_EQ(log.Note("b", kStart), 1U);
  for (int i = 0; i < 99; ++i) EXPECT_FALSE(log.Note("a", kStart + seconds(1)));
  EXPECT_EQ(log.Note("a", kStart + seconds(10)), 100U);
}

TEST(FailureLog, ManyAddressesCostNoMoreMemory) {
  FailureLog log;
  for (size_t i = 0; i < FailureLog::kMostAddresses; ++i) EXPECT_TRUE(log.Note(std::to_string(i), kStart));
  EXPECT_FALSE(log.Note("one more", kStart));
  EXPECT_TRUE(log.Note("one more", kStart + seconds(10))) << "the old ones made room";
}

net::RequestHead Head(const std::string& method, const std::string& origin, const std::string& site = "") {
  net::RequestHead head;
  head.method = method;
  head.origin = origin;
  head.fetch_site = site;
  head.host = "photos.example:8080";
  return head;
}

TEST(Origins, OnlyTheServersOwnPagesAndThoseAllowedGetIn) {
  const OriginRules none;
  const OriginRules some({"https://app.example"});
  EXPECT_TRUE(none.Judge(Head("POST", "")).ok()) << "programs send none";
  EXPECT_TRUE(none.Judge(Head("POST", "http://photos.example:8080")).ok());
  EXPECT_TRUE(none.Judge(Head("POST", "https://PHOTOS.example:8080")).ok()) << "TLS may end at a proxy";
  for (const char* foreign :
       {"null", "http://evil.example", "http://photos.example", "http://photos.example:80801",
        "http://xphotos.example:8080", "photos.example:8080", "file://", "https://app.example"}) {
    EXPECT_EQ(none.Judge(Head("POST", foreign)).code(), Code::kForbidden) << foreign;
    EXPECT_EQ(none.Judge(Head("GET", foreign)).code(), Code::kForbidden) << foreign;
  }
  EXPECT_TRUE(some.Judge(Head("POST", "https://app.example")).ok());
  EXPECT_FALSE(some.Judge(Head("POST", "http://app.example")).ok());
  EXPECT_FALSE(none.Judge(Head("POST", "", "cross-site")).ok());
  EXPECT_FALSE(none.Judge(Head("POST", "", "same-site")).ok());
  EXPECT_TRUE(none.Judge(Head("POST", "", "same-origin")).ok());
  EXPECT_TRUE(none.Judge(Head("POST", "", "none")).ok());
  EXPECT_TRUE(none.Judge(Head("GET", "", "cross-site")).ok()) << "a link to the dashboard";
  net::RequestHead plain = Head("POST", "http://photos.example");
  plain.host = "photos.example:80";
  EXPECT_TRUE(none.Judge(plain).ok());
  plain.host = "";
  plain.origin = "http://";
  EXPECT_FALSE(none.Judge(plain).ok());
}

TEST(Origins, HeadersAreForThoseAllowedAlone) {
  net::Response response;
  OriginRules().AddHeaders(Head("GET", "https://app.example"), response);
  EXPECT_TRUE(response.headers.empty()) << "off by default";
  const OriginRules some({"https://app.example"});
  some.AddHeaders(Head("GET", "https://evil.example"), response);
  ASSERT_EQ(response.headers.size(), 1U);
  EXPECT_EQ(response.headers[0].first, "Vary");
  some.AddHeaders(Head("GET", "https://app.example"), response);
  EXPECT_THAT(response.headers,
              testing::Contains(testing::Pair("Access-Control-Allow-Origin", "https://app.example")));
  EXPECT_TRUE(some.IsPreflight(Head("OPTIONS", "https://app.example")));
  EXPECT_FALSE(some.IsPreflight(Head("OPTIONS", "https://evil.example")));
  EXPECT_FALSE(some.IsPreflight(Head("GET", "https://app.example")));
}

TEST(Origins, WhatIsNoneIsRefusedAtTheStart) {
  EXPECT_TRUE(OriginRules::Check("https://app.example:8443").ok());
  for (const char* bad :
       {"*", "app.example", "https://", "https://a/", "https://*.a", "ftp://a", "null", "https://a b"}) {
    EXPECT_THAT(OriginRules::Check(bad).message(), HasSubstr("--cors-origin")) << bad;
  }
}

TEST(RequestIds, SaneOnesAreKeptOthersAreMade) {
  EXPECT_EQ(RequestIdOf("abc.D-9_"), "abc.D-9_");
  EXPECT_EQ(RequestIdOf(std::string(128, 'a')), std::string(128, 'a'));
  std::set<std::string> made;
  for (const std::string& bad : {std::string(), std::string(129, 'a'), std::string("a b"),
                                 std::string("a\"b"), std::string("a\r\nb"), std::string("\xC3\xA9")}) {
    const std::string id = RequestIdOf(bad);
    EXPECT_THAT(id, testing::MatchesRegex("[0-9a-f]+-[0-9]+"));
    EXPECT_TRUE(made.insert(id).second);
  }
}

TEST(Traceparents, OnlyWellFormedOnesCount) {
  const std::string good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  EXPECT_EQ(CheckedTraceparent(good), good);
  for (const std::string& bad :
       std::initializer_list<std::string>{"", good + "-x", "ff" + good.substr(2), good.substr(0, 54),
                                          "00-00000000000000000000000000000000-b7ad6b7169203331-01",
                                          "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
                                          "00-0AF7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
                                          "00-0af7651916cd43dd8448eb211c80319c_b7ad6b7169203331-01"}) {
    EXPECT_EQ(CheckedTraceparent(bad), "") << bad;
  }
}

}  // namespace
}  // namespace photovec::api
