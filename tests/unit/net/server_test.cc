// SPDX-License-Identifier: MIT
// The transport alone, under a handler that knows no photos. What it does under the protocols:
// tests/unit/api/server_test.cc.
#include "net/server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>

#include "base/memory_budget.h"
#include "metrics/registry.h"
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
  std::atomic<int> refused{0};
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
  const test::TestReply refused = Ask(test::Get("/a"));
  EXPECT_EQ(refused.status, 503);
  EXPECT_THAT(refused.body, HasSubstr("refused: too many connections"));
}

TEST_F(NetServerTest, BodiesArePaidForOutOfTheBudget) {
  Launch();
  EXPECT_EQ(Ask(test::Post("/b", std::string(2 << 20, 'x'))).status, 413);
  const auto held = budget_.TryReserve(1 << 20);
  EXPECT_EQ(Ask(test::Post("/b", "x")).status, 429);
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
