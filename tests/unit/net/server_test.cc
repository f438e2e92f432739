// SPDX-License-Identifier: MIT
// The transport alone, under a handler that knows no photos. What it does under the protocols:
// tests/unit/api/server_test.cc.
#include "net/server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <thread>

#include "base/memory_budget.h"
#include "metrics/registry.h"
#include "net/address_group.h"
#include "testing/test_client.h"

namespace photovec::net {
namespace {

using ::testing::HasSubstr;

/// Answers with the request's path and body; "/slow" on the worker pool; counts what never became a request.
class EchoHandler final : public Handler {
 public:
  Task<Response> Handle(ServerRequest& request) override {
    Response response;
    response.content_type = "text/plain";
    if (request.head.has_body()) {
      bodies.fetch_add(1);
      bodies.notify_all();
      const Status admitted = request.body.Admit("client");
      if (!admitted.ok()) co_return Refuse("body", HttpError{admitted});
      Result<OwnedBody> body = co_await request.body.ReadAll();
      if (!body.ok()) co_return Refuse("body", HttpError{body.status()});
      response.body = body->text();
      co_return response;
    }
    const size_t bytes = request.head.path == "/slow" ? kInlineBytes + 1 : 0;
    const auto work = [&] { response.body = request.head.path; };
    const Status worked = co_await request.RunSized(bytes, work);
    if (!worked.ok()) co_return Refuse("work", HttpError{worked});
    if (request.head.path == "/throws") {
      const auto fail = [] { throw std::runtime_error("on purpose"); };
      const Status failed = co_await request.RunSized(kInlineBytes + 1, fail);
      co_return Refuse("work", HttpError{failed});
    }
    co_return response;
  }
  Response Refuse(std::string_view label, const HttpError& error) override {
    ++refused;
    Response response;
    response.status = error.http_status != 0 ? error.http_status : HttpStatus(error.status.code());
    response.body = std::string(label) + ": " + error.status.message();
    return response;
  }
  /// Blocks until so many requests with a body have begun.
  bool WaitForBodies(int count) {
    for (int seen = bodies; seen < count; seen = bodies) bodies.wait(seen);
    return true;
  }
  std::atomic<int> refused{0};
  std::atomic<int> bodies{0};
};

class NetServerTest : public ::testing::Test {
 protected:
  void Launch(ServerOptions options = {}) {
    options.port = 0;
    server_ = std::make_unique<Server>(handler_, budget_, *registry_, options);
    const Status started = server_->Start();
    ASSERT_TRUE(started.ok()) << started.ToString();
  }
  test::TestReply Ask(std::string_view request) { return test::TestClient(server_->port()).Ask(request); }

  EchoHandler handler_;
  MemoryBudget budget_{1 << 20};
  std::unique_ptr<metrics::Registry> registry_ = metrics::Registry::Create();
  std::unique_ptr<Server> server_;
};

TEST_F(NetServerTest, ServesItsHandlerOnTheLoopAndOnTheWorkerPool) {
  Launch();
  EXPECT_EQ(Ask(test::Get("/a")).body, "/a");
  EXPECT_EQ(Ask(test::Get("/slow")).body, "/slow");
  EXPECT_EQ(Ask(test::Post("/b", "the body")).body, "the body");
  const test::TestReply thrown = Ask(test::Get("/throws"));
  EXPECT_EQ(thrown.status, 500);
  EXPECT_THAT(thrown.body, HasSubstr("on purpose"));
  EXPECT_EQ(handler_.refused, 1);
}

TEST_F(NetServerTest, WhatIsNoRequestIsTheHandlersToWord) {
  ServerOptions options;
  options.max_connections = 1;
  Launch(options);
  EXPECT_THAT(Ask("GARBAGE\r\n\r\n").body, HasSubstr("malformed: "));
  test::TestClient only(server_->port());
  EXPECT_EQ(only.Ask(test::Get("/kept")).status, 200);
  only.Send("POST /b HTTP/1.1\r\nHost: t\r\nContent-Length: 5\r\n\r\nab");
  ASSERT_TRUE(handler_.WaitForBodies(1));
  const test::TestReply refused = Ask(test::Get("/a"));
  EXPECT_EQ(refused.status, 503);
  EXPECT_THAT(refused.body, HasSubstr("refused: too many connections"));
  EXPECT_EQ(only.Ask("cde").body, "abcde");
}

TEST_F(NetServerTest, BodiesArePaidForOutOfTheBudget) {
  Launch();
  EXPECT_EQ(Ask(test::Post("/b", std::string(2 << 20, 'x'))).status, 413);
  const auto held = budget_.TryReserve(1 << 20);
  EXPECT_EQ(Ask(test::Post("/b", "x")).status, 429);
}

std::string Head(size_t length) {
  return "POST /b HTTP/1.1\r\nHost: t\r\nContent-Length: " + std::to_string(length) + "\r\n\r\n";
}

TEST_F(NetServerTest, BodiesThatWaitForEachOthersMemoryEndAndTheOldestGoesOn) {
  Launch();
  const auto wait_for_used = [&](uint64_t bytes) {
    for (int i = 0; i < 10'000 && budget_.used() < bytes; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return budget_.used() >= bytes;
  };
  // One after the other, while there is room for each; together they are more than their client's half.
  test::TestClient older(server_->port());
  older.Send(Head(400'000));
  ASSERT_TRUE(wait_for_used(kRequestBytes));
  test::TestClient younger(server_->port());
  younger.Send(Head(400'000));
  ASSERT_TRUE(wait_for_used(2 * kRequestBytes));
  older.Send(std::string(250'000, 'a'));
  ASSERT_TRUE(wait_for_used(250'000 + 2 * kRequestBytes));
  younger.Send(std::string(150'000, 'b'));
  ASSERT_TRUE(wait_for_used(370'000 + 2 * kRequestBytes));
  older.Send(std::string(150'000, 'a'));
  EXPECT_EQ(Ask(test::Post("/b", "newcomer")).status, 429) << "those that are half here come first";
  EXPECT_EQ(younger.Read().status, 429);
  EXPECT_EQ(older.Read().status, 200);
}

TEST_F(NetServerTest, ABodyThatWaitsForRoomGoesOnWhenThereIsSome) {
  Launch();
  test::TestClient client(server_->port());
  client.Send(Head(400'000) + std::string(100'000, 'a'));
  for (int i = 0; i < 10'000 && budget_.used() < 100'000; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  auto others = budget_.TryReserve(700'000);
  ASSERT_TRUE(others.has_value());
  client.Send(std::string(300'000, 'a'));
  EXPECT_EQ(Ask(test::Get("/meanwhile")).status, 200);
  others.reset();
  const test::TestReply reply = client.Read();
  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(reply.body.size(), 400'000U);
}

TEST(AddressGroup, AnIpV6ClientIsItsNetwork) {
  EXPECT_EQ(AddressGroup("10.1.2.3"), "10.1.2.3");
  EXPECT_EQ(AddressGroup("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::/64");
  EXPECT_EQ(AddressGroup("2001:db8:1:2::9"), "2001:db8:1:2::/64");
  EXPECT_EQ(AddressGroup("::ffff:10.1.2.3"), "::ffff:10.1.2.3") << "an IPv4 address in disguise";
  EXPECT_EQ(AddressGroup("key:7"), "key:7");
}

TEST_F(NetServerTest, DrainAnswersWhatIsInFlightAndTakesNothingNew) {
  Launch();
  test::TestClient client(server_->port());
  EXPECT_EQ(client.Ask(test::Get("/a")).status, 200);
  server_->Stop(Deadline());
  EXPECT_TRUE(client.Closed());
  EXPECT_EQ(server_->connections(), 0U);
  EXPECT_EQ(budget_.used(), 0U);
}

}  // namespace
}  // namespace photovec::net
