// SPDX-License-Identifier: MIT
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "fetch/engine.h"
#include "fetch/http_source.h"
#include "unit/fetch/fetch_probe.h"
#include "unit/fetch/origin_server.h"

namespace photovec::fetch {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

/// A store at an endpoint that the operator chose.
class StoreObject final : public SourceObject {
 public:
  explicit StoreObject(std::string url) : url_(std::move(url)) {}
  const std::string& url() const override { return url_; }
  const std::string& group() const override { return group_; }
  void Sign(std::function<void(Headers)> done) override {
    done(std::vector<std::string>{"Authorization: secret"});
  }
  Refusal OnRefused(const Reply& reply) override { return RefusalByStatus(reply, "the store"); }
  void RenewCredentials() override {}
  std::string Version(const Reply& /*reply*/) const override { return ""; }
  Status Verify(const Reply& /*reply*/, std::span<const uint8_t> /*body*/) const override {
    return Status::Ok();
  }

 private:
  const std::string url_;
  const std::string group_ = "store";
};

class Store final : public Source {
 public:
  explicit Store(std::string base) : base_(std::move(base)) {}
  std::string_view name() const override { return "store"; }
  Trust trust() const override { return Trust::kOperator; }
  Result<std::unique_ptr<SourceObject>> Open(std::string_view reference) const override {
    return std::unique_ptr<SourceObject>(std::make_unique<StoreObject>(base_ + std::string(reference)));
  }

 private:
  const std::string base_;
};

TEST(EngineTrust, AStoresOpenConnectionIsNotForClients) {
  OriginServer origin;
  std::vector<std::string> heads;
  origin.On("/object", [&](Connection& c, const std::string& head) {
    heads.push_back(head);
    c.Reply("200 OK", "", "cat");
  });
  FetchOptions options;
  auto engine = Engine::Create(options, UrlPolicy::Create({"*:*"}, {}).value(), nullptr).value();
  engine->AddSource(std::make_unique<Store>(origin.Url("")));
  engine->AddSource(std::make_unique<HttpSource>(engine->policy()));
  EXPECT_EQ(FetchNow(*engine->Get("store"), "/object"), "ok:cat");
  EXPECT_THAT(FetchNow(*engine->Get("http"), origin.Url("/object")), StartsWith("source_not_allowed: "));
  EXPECT_EQ(FetchNow(*engine->Get("store"), "/object"), "ok:cat");
  ASSERT_EQ(heads.size(), 2U);
  EXPECT_THAT(heads[1], HasSubstr("Authorization: secret"));
}

TEST(EngineTrust, StoresAreNotFollowedElsewhere) {
  OriginServer origin;
  const Trap trap("127.0.0.1");
  origin.On("/moved", [&](Connection& c, const std::string&) {
    c.Reply("302 Found", "Location: http://127.0.0.1:" + std::to_string(trap.port()) + "/\r\n", "");
  });
  auto engine = Engine::Create(FetchOptions{}, UrlPolicy::Create({}, {}).value(), nullptr).value();
  engine->AddSource(std::make_unique<Store>(origin.Url("")));
  EXPECT_THAT(FetchNow(*engine->Get("store"), "/moved"), HasSubstr("the store answered 302"));
  EXPECT_FALSE(trap.Sprung());
}

}  // namespace
}  // namespace photovec::fetch
