// SPDX-License-Identifier: MIT
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "fetch/http/downloader.h"
#include "fetch/http/http_source.h"
#include "unit/fetch/fake_store.h"
#include "unit/fetch/fetch_probe.h"
#include "unit/fetch/origin_server.h"

namespace photovec::fetch {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

TEST(EngineTrust, AStoresOpenConnectionIsNotForClients) {
  OriginServer origin;
  std::vector<std::string> heads;
  origin.On("/object", [&](Connection& c, const std::string& head) {
    heads.push_back(head);
    c.Reply("200 OK", "", "cat");
  });
  FakeStoreState store{origin.Url("")};
  FetchOptions options;
  auto engine = Engine::Create(options, UrlPolicy::Create({"*:*"}, {}).value(), nullptr).value();
  engine->AddSource(std::make_unique<FakeStore>(store));
  engine->AddSource(std::make_unique<HttpSource>(engine->policy()));
  EXPECT_EQ(FetchNow(*engine->Get("store"), "/object"), "ok:cat");
  EXPECT_THAT(FetchNow(*engine->Get("http"), origin.Url("/object")), StartsWith("source_not_allowed: "));
  EXPECT_EQ(FetchNow(*engine->Get("store"), "/object"), "ok:cat");
  ASSERT_EQ(heads.size(), 2U);
  EXPECT_THAT(heads[1], HasSubstr("Authorization: secret-1"));
}

TEST(EngineTrust, StoresAreNotFollowedElsewhere) {
  OriginServer origin;
  const Trap trap("127.0.0.1");
  origin.On("/moved", [&](Connection& c, const std::string&) {
    c.Reply("302 Found", "Location: http://127.0.0.1:" + std::to_string(trap.port()) + "/\r\n", "");
  });
  FakeStoreState store{origin.Url("")};
  auto engine = Engine::Create(FetchOptions{}, UrlPolicy::Create({}, {}).value(), nullptr).value();
  engine->AddSource(std::make_unique<FakeStore>(store));
  EXPECT_THAT(FetchNow(*engine->Get("store"), "/moved"), HasSubstr("the store answered 302"));
  EXPECT_FALSE(trap.Sprung());
}

}  // namespace
}  // namespace photovec::fetch
