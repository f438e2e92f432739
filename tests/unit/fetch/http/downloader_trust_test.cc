// SPDX-License-Identifier: MIT
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "fetch/http/downloader.h"
#include "fetch/http/http_source.h"
#include "unit/fetch/fetch_probe.h"
#include "unit/fetch/http/fake_store.h"
#include "unit/fetch/origin_server.h"

namespace photovec::fetch {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

TEST(DownloaderTrust, AStoresOpenConnectionIsNotForClients) {
  OriginServer origin;
  std::vector<std::string> heads;
  origin.On("/object", [&](Connection& c, const std::string& head) {
    heads.push_back(head);
    c.Reply("200 OK", "", "cat");
  });
  FakeStoreState store{origin.Url("")};
  FetchOptions options;
  auto downloader = Downloader::Create(options, UrlPolicy::Create({"*:*"}, {}).value(), nullptr).value();
  downloader->AddSource(std::make_unique<FakeStore>(store));
  downloader->AddSource(std::make_unique<HttpSource>(downloader->policy()));
  EXPECT_EQ(FetchNow(*downloader->FetcherOf("store"), "/object"), "ok:cat");
  EXPECT_THAT(FetchNow(*downloader->FetcherOf("http"), origin.Url("/object")),
              StartsWith("source_not_allowed: "));
  EXPECT_EQ(FetchNow(*downloader->FetcherOf("store"), "/object"), "ok:cat");
  ASSERT_EQ(heads.size(), 2U);
  EXPECT_THAT(heads[1], HasSubstr("Authorization: secret-1"));
}

TEST(DownloaderTrust, StoresAreNotFollowedElsewhere) {
  OriginServer origin;
  const Trap trap("127.0.0.1");
  origin.On("/moved", [&](Connection& c, const std::string&) {
    c.Reply("302 Found", "Location: http://127.0.0.1:" + std::to_string(trap.port()) + "/\r\n", "");
  });
  FakeStoreState store{origin.Url("")};
  auto downloader = Downloader::Create(FetchOptions{}, UrlPolicy::Create({}, {}).value(), nullptr).value();
  downloader->AddSource(std::make_unique<FakeStore>(store));
  EXPECT_THAT(FetchNow(*downloader->FetcherOf("store"), "/moved"), HasSubstr("the store answered 302"));
  EXPECT_FALSE(trap.Sprung());
}

}  // namespace
}  // namespace photovec::fetch
