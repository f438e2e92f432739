// SPDX-License-Identifier: MIT
// The server as a server: framing, limits, timeouts, keep-alive, disconnects, drain.
#include "net/server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "unit/api/server_fixture.h"

namespace photovec::api {
namespace {

using testing::HasSubstr;

TEST_F(ServerTest, StartupErrorsSayWhatToDo) {
  Launch();
  const auto start = [&](const net::ServerOptions& options) {
    return net::Server(*api_, pipeline_->budget(), *registry_, options).Start();
  };
  net::ServerOptions options;
  options.port = port();
  const Status in_use = start(options);
  EXPECT_EQ(in_use.code(), Code::kUnavailable);
  EXPECT_THAT(in_use.message(), HasSubstr("choose another with --port"));
  options.host = "example.org";
  EXPECT_THAT(start(options).message(), HasSubstr("is not an IP address"));
  options.host = "203.0.113.7";
  EXPECT_THAT(start(options).message(), HasSubstr("must be an address of this machine"));
}

TEST_F(ServerTest, RoutesMethodsAndHead) {
  Launch();
  test::TestReply reply = Ask(test::Get("/nope"));
  EXPECT_EQ(reply.status, 404);
  EXPECT_THAT(reply.body, HasSubstr("POST /embed"));
  reply = Ask(test::Get("/v1/nope"));
  EXPECT_THAT(reply.body, HasSubstr("\"type\":\"invalid_request_error\""));
  reply = Ask(test::Get("/embed"));
  EXPECT_EQ(reply.status, 405);
  EXPECT_EQ(reply.Header("allow"), "POST");
  EXPECT_EQ(Ask("DELETE /healthz HTTP/1.1\r\nHost: t\r\n\r\n").Header("allow"), "GET, HEAD");
  test::TestClient client(port());
  client.Send("HEAD /healthz HTTP/1.1\r\nHost: t\r\n\r\n");
  reply = client.Read(true);
  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(reply.Header("content-length"), "16");
  EXPECT_EQ(client.Ask(test::Get("http://elsewhere/healthz?x=1")).body, "{\"status\":\"ok\"}\n");
  EXPECT_THAT(Ask(test::Get("/")).body, HasSubstr("<title>photovec"));
  EXPECT_THAT(Ask(test::Get("/metrics")).body, HasSubstr("photovec_http_requests_total{"));
  EXPECT_THAT(Ask(test::Get("/stats")).body, HasSubstr("\"photovec_http_connections\""));
  EXPECT_EQ(Ask(test::Get("/health/info")).status, 200);
  EXPECT_EQ(Requests("unknown", 404), 2);
}

TEST_F(ServerTest, RequestsThatCannotBeFramedAreRefusedAndEndTheConnection) {
  Launch();
  const struct {
    std::string request;
    int status;
  } kCases[] = {
      {"POST /embed HTTP/1.1\r\nHost: t\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
       400},
      {"POST /embed HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
       400},
      {"POST /embed HTTP/1.1\r\nHost: t\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc", 400},
      {"POST /embed HTTP/1.1\r\nHost: t\r\nContent-Length: 3, 3\r\n\r\nabc", 400},
      {"POST /embed HTTP/1.1\r\nHost: t\r\nContent-Length: -3\r\n\r\nabc", 400},
      {"POST /embed HTTP/1.1\r\nHost: t\r\nContent-Length: 99999999999999999999\r\n\r\nabc", 400},
      {"POST /embed HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501},
      {"POST /embed HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: identity\r\n\r\n", 501},
      {"POST /embed HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
       400},
      {"POST /embed HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
      {"GET /healthz HTTP/1.1\r\n\r\n", 400},
      {"GET /healthz HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400},
      {"GET /healthz HTTP/1.1\nHost: t\n\n", 400},
      {"GET /healthz HTTP/1.1\r\nHost: t\nX: y\r\n\r\n", 400},
      {"GET /healthz HTTP/1.1\r\nHost : t\r\n\r\n", 400},
      {std::string("GET /healthz HTTP/1.1\r\nHost: a\0b\r\n\r\n", 37), 400},
      {std::string("GET /he\0althz HTTP/1.1\r\nHost: t\r\n\r\n", 35), 400},
      {"GET /healthz HTTP/2.0\r\nHost: t\r\n\r\n", 400},
      {"GET healthz HTTP/1.1\r\nHost: t\r\n\r\n", 400},
      {"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 a TLS hello \r\n\r\n", 400},
      {test::Get("/healthz", "X: " + std::string(20'000, 'a') + "\r\n"), 431},
      {"GET /" + std::string(64 * 1024, 'a') + " HTTP/1.1\r\nHost: t\r\n\r\n", 431},
  };
  for (const auto& test : kCases) {
    test::TestClient client(port());
    const test::TestReply reply = client.Ask(test.request);
    EXPECT_EQ(reply.status, test.status) << test.request.substr(0, 100) << reply.body;
    EXPECT_EQ(reply.Header("connection"), "close") << test.request.substr(0, 100);
    client.ShutdownSend();
    EXPECT_TRUE(client.Closed()) << test.request.substr(0, 100);
  }
  std::string many;
  for (int i = 0; i < 101; ++i) many += "X: y\r\n";
  EXPECT_EQ(Ask(test::Get("/healthz", many)).status, 431);
  EXPECT_EQ(Ask("\r\n\r\n" + test::Get("/healthz")).status, 200)
      << "empty lines before a request are allowed";
}

TEST_F(ServerTest, HttpOneDotZeroClosesUnlessAskedNotTo) {
  Launch();
  test::TestClient client(port());
  test::TestReply reply = client.Ask("GET /healthz HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  EXPECT_EQ(reply.Header("connection"), "keep-alive");
  reply = client.Ask("GET /healthz HTTP/1.0\r\n\r\n");
  EXPECT_EQ(reply.Header("connection"), "close");
  EXPECT_TRUE(client.Closed());
}

TEST_F(ServerTest, PipelinedRequestsAreAnsweredInOrder) {
  Launch();
  std::string all;
  for (int i = 0; i < 50; ++i) {
    all += test::Post("/embed", "image " + std::to_string(i));
    all += test::PostChunked("/embed", "chunked " + std::to_string(i), 3);
    all += test::Get("/healthz");
  }
  test::TestClient client(port());
  std::thread sender([&] { client.Send(all); });
  for (int i = 0; i < 50; ++i) {
    EXPECT_EQ(client.Read().status, 200) << i;
    EXPECT_EQ(client.Read().status, 200) << i;
    EXPECT_EQ(client.Read().body, "{\"status\":\"ok\"}\n") << i;
  }
  sender.join();
}

TEST_F(ServerTest, BodiesOverTheLimitAreRefusedBeforeTheyAreRead) {
  net::ServerOptions options;
  options.max_body_bytes = 100'000;
  Launch(options);
  const std::string large(100'001, 'x');
  test::TestReply reply = Ask(test::Post("/embed", large));
  EXPECT_EQ(reply.status, 413);
  EXPECT_THAT(reply.body, HasSubstr("body_too_large"));
  EXPECT_EQ(reply.Header("connection"), "close");
  EXPECT_EQ(Ask(test::PostChunked("/embed", large, 5000)).status, 413);
  EXPECT_EQ(Ask(test::PostChunked("/embed", large, 200'000)).status, 413);
  EXPECT_THAT(Ask(test::Post("/v1/embeddings", large)).body, HasSubstr("invalid_request_error"));
  EXPECT_EQ(Ask(test::Post("/embed", large.substr(1))).status, 200);
  EXPECT_EQ(Ask(test::PostChunked("/embed", large.substr(1), 7777)).status, 200);
  test::TestClient waits(port());
  reply =
      waits.Ask("POST /embed HTTP/1.1\r\nHost: t\r\nContent-Length: 100001\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_EQ(reply.status, 413) << "and no 100 Continue before";
  test::TestClient goes(port());
  reply = goes.Ask("POST /embed HTTP/1.1\r\nHost: t\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_EQ(reply.status, 100);
  EXPECT_EQ(goes.Ask("image").status, 200);
  EXPECT_TRUE(BudgetIsGivenBack());
}

TEST_F(ServerTest, BrokenChunksAreRefused) {
  Launch();
  const std::string head = "POST /embed HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n";
  EXPECT_EQ(Ask(head + "zz\r\nabc\r\n0\r\n\r\n").status, 400);
  EXPECT_EQ(Ask(head + "3\r\nabcX0\r\n\r\n").status, 400);
  EXPECT_EQ(Ask(head + "3;" + std::string(70'000, 'x') + "\r\nabc\r\n0\r\n\r\n").status, 400);
  EXPECT_EQ(Ask(head + "fffffffffffffffff\r\nabc").status, 400);
  EXPECT_THAT(Ask(test::PostChunked("/embed", std::string(70'000, 'x'), 1)).body,
              HasSubstr("more than 65536 chunks"));
}

TEST_F(ServerTest, FullBudgetIsAnsweredWithRetryAfterAndFreedByAnswers) {
  Launch({}, 2'000'000);
  test::TestClient holder(port());
  holder.Send(test::Post("/embed", "HOLD" + std::string(799'996, 'x')));
  ASSERT_TRUE(pipeline_->WaitForHeld(1));
  test::TestReply reply = Ask(test::Post("/embed", std::string(600'000, 'y')));
  EXPECT_EQ(reply.status, 429);
  EXPECT_EQ(reply.Header("retry-after"), "1");
  EXPECT_EQ(reply.Header("connection"), "close");
  EXPECT_EQ(Ask(test::Post("/embed", std::string(50'000, 'y'))).status, 200);
  EXPECT_EQ(Ask(test::Get("/healthz")).status, 200);
  EXPECT_EQ(Ask(test::Post("/embed", std::string(1'000'001, 'y'))).status, 413) << "will never fit";
  test::TestClient waits(port());
  waits.Send(test::PostChunked("/embed", std::string(600'000, 'y'), 60'000));
  EXPECT_EQ(Ask(test::Get("/healthz")).status, 200) << "meanwhile";
  pipeline_->ReleaseHeld();
  EXPECT_EQ(holder.Read().status, 200);
  EXPECT_EQ(waits.Read().status, 200) << "half here, it waited for room";
  EXPECT_EQ(Ask(test::Post("/embed", std::string(600'000, 'y'))).status, 200);
  EXPECT_TRUE(BudgetIsGivenBack());
}

TEST_F(ServerTest, HeadsAloneReserveNothing) {
  Launch();
  std::vector<std::unique_ptr<test::TestClient>> silent;
  for (int i = 0; i < 32; ++i) {
    silent.push_back(std::make_unique<test::TestClient>(port()));
    silent.back()->Send("POST /embed HTTP/1.1\r\nHost: t\r\nContent-Length: 67108864\r\n\r\n");
  }
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(Ask(test::Post("/embed", std::string(1'000'000, 'y'))).status, 200);
  }
  EXPECT_LT(pipeline_->budget().used(), 4U << 20);
}

TEST_F(ServerTest, JsonBombsAreRefusedWhileTheyArrive) {
  Launch();
  const auto repeat = [](std::string_view text, size_t times) {
    std::string out;
    for (size_t i = 0; i < times; ++i) out += text;
    return out;
  };
  std::string keys;
  for (int i = 0; i < 300; ++i) keys += "\"k" + std::to_string(i) + "\":0,";
  for (const auto& [bomb, message] : std::vector<std::pair<std::string, std::string_view>>{
           {"{\"images\":[" + repeat("0,", 40'000), "more than 32256 values"},
           {"{\"images\":[" + repeat("[],", 40'000), "more than 32256 values"},
           {"{\"images\":[" + repeat("\"\",", 40'000), "more than 32256 values"},
           {"{" + keys, "more than 256 keys"},
           {"{\"" + std::string(2000, 'k'), "a key of more than 1024 bytes"},
           {repeat("[", 100), "nested more than 32 levels deep"},
           {"{\"a\":1,\"a\":2,", "occurs twice"}}) {
    for (const std::string path : {"/embed", "/v1/embeddings", "/clip/embedding"}) {
      // The rest is announced and never comes: the answer must not wait for it.
      const test::TestReply reply =
          Ask("POST " + path + " HTTP/1.1\r\nHost: t\r\nContent-Type: application/json\r\nContent-Length: " +
              std::to_string(bomb.size() + 50'000'000) + "\r\n\r\n" + bomb);
      EXPECT_EQ(reply.status, 400) << path;
      EXPECT_THAT(reply.body, HasSubstr(message)) << path;
    }
  }
  EXPECT_TRUE(BudgetIsGivenBack());
}

TEST_F(ServerTest, RequestsOfManyNamesPayForTheirItemsAndReplies) {
  Launch({}, 4 << 20);
  std::string names = "{\"images\":[\"n0.jpg\"";
  for (int i = 1; i < 1000; ++i) names += ",\"n" + std::to_string(i) + ".jpg\"";
  EXPECT_EQ(Ask(test::Post("/embed", names + "]}", "Content-Type: application/json\r\n")).status, 200);
  pipeline_->set_dim(1024);
  const test::TestReply reply = Ask(test::Post("/embed", names + "]}", "Content-Type: application/json\r\n"));
  EXPECT_EQ(reply.status, 413) << "17 MB of results and reply can never be held";
  EXPECT_THAT(reply.body, HasSubstr("raise --memory-budget"));
  EXPECT_TRUE(BudgetIsGivenBack());
}

TEST_F(ServerTest, SlowRequestsTimeOut) {
  net::ServerOptions options;
  options.header_timeout_ms = 100;
  options.body_timeout_ms = 100;
  options.idle_timeout_ms = 300;
  Launch(options);
  test::TestClient silent(port());
  EXPECT_TRUE(silent.Closed()) << "nothing sent: closed without a word";
  test::TestClient slow_head(port());
  EXPECT_EQ(slow_head.Ask("GET /healthz HTTP/1.1\r\nHo").status, 408);
  test::TestClient slow_body(port());
  test::TestReply reply = slow_body.Ask("POST /embed HTTP/1.1\r\nHost: t\r\nContent-Length: 10\r\n\r\nabc");
  EXPECT_EQ(reply.status, 408);
  EXPECT_THAT(reply.body, HasSubstr("request_timeout"));
  test::TestClient stops(port());  // what came fast buys no long silence
  stops.Send("POST /embed HTTP/1.1\r\nHost: t\r\nContent-Length: 2000000\r\n\r\n" +
             std::string(1'000'000, 'x'));
  EXPECT_EQ(stops.Read().status, 408);
  test::TestClient slow_chunks(port());
  EXPECT_EQ(
      slow_chunks.Ask("POST /embed HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab").status,
      408);
  test::TestClient slow_part(port());
  const std::string part = "--XX\r\nContent-Disposition: form-data; name=a; filename=a\r\n\r\nabc";
  EXPECT_EQ(slow_part
                .Ask("POST /embed HTTP/1.1\r\nHost: t\r\nContent-Length: 1000\r\n" +
                     std::string(test::kMultipartType) + "\r\n" + part)
                .status,
            408);
  test::TestClient idle(port());
  EXPECT_EQ(idle.Ask(test::Get("/healthz")).status, 200);
  EXPECT_TRUE(idle.Closed());
  EXPECT_TRUE(WaitForNoConnections());
  EXPECT_TRUE(BudgetIsGivenBack());
}

TEST_F(ServerTest, AReaderThatStopsIsLetGo) {
  net::ServerOptions options;
  options.body_timeout_ms = 100;
  Launch(options);
  pipeline_->set_dim(1 << 16);
  test::TestClient client(port(), 64 * 1024);
  client.Send(test::Post("/embed", test::Multipart(std::vector<std::string>(100, "x")),
                         std::string(test::kMultipartType) + "Accept: application/octet-stream\r\n"));
  EXPECT_TRUE(pipeline_->WaitForImages(100));
  EXPECT_TRUE(WaitForNoConnections()) << "26 MB of reply that nobody reads";
}

TEST_F(ServerTest, AClientThatLeavesCancelsItsRequest) {
  Launch();
  {
    test::TestClient client(port());
    client.Send(test::Post("/embed", "HOLD"));
    ASSERT_TRUE(pipeline_->WaitForImages(1));
  }
  EXPECT_TRUE(pipeline_->WaitForCancelled(1));
  {
    test::TestClient client(port());  // in the middle of an upload
    client.Send("POST /embed HTTP/1.1\r\nHost: t\r\nContent-Length: 5000\r\n" +
                std::string(test::kMultipartType) + "\r\n" + test::Multipart({"one", "two"}).substr(0, 140));
    ASSERT_TRUE(pipeline_->WaitForImages(2));
  }
  EXPECT_TRUE(pipeline_->WaitForCancelled(2));
  EXPECT_TRUE(WaitForNoConnections());
  EXPECT_EQ(Requests("embed", 499), 2);
  EXPECT_TRUE(BudgetIsGivenBack());
  EXPECT_EQ(Ask(test::Post("/embed", "next")).status, 200);
}

TEST_F(ServerTest, BytesReadWhileWaitingBelongToTheNextRequest) {
  Launch();
  test::TestClient client(port());
  client.Send(test::Post("/embed", "HOLD") + test::Get("/healthz") +
              test::Post("/embed", std::string(200'000, 'x')));
  ASSERT_TRUE(pipeline_->WaitForHeld(1));
  pipeline_->ReleaseHeld();
  EXPECT_THAT(client.Read().body, HasSubstr("\"embedding\""));
  EXPECT_EQ(client.Read().body, "{\"status\":\"ok\"}\n");
  EXPECT_THAT(client.Read().body, HasSubstr("\"embedding\""));
}

TEST_F(ServerTest, DrainFinishesWhatIsInFlight) {
  Launch();
  test::TestClient idle(port());
  EXPECT_EQ(idle.Ask(test::Get("/readyz")).status, 200);
  test::TestClient busy(port());
  busy.Send(test::Post("/embed", "HOLD"));
  ASSERT_TRUE(pipeline_->WaitForHeld(1));
  server_->BeginDrain();
  EXPECT_TRUE(idle.Closed());
  std::thread stopper([&] { server_->Stop(Deadline::After(std::chrono::seconds(20))); });
  pipeline_->ReleaseHeld();
  const test::TestReply reply = busy.Read();
  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(reply.Header("connection"), "close");
  stopper.join();
  EXPECT_EQ(server_->connections(), 0U);
  EXPECT_EQ(test::TestClient(port()).Ask(test::Get("/healthz")).status, 0) << "nobody listens any more";
}

TEST_F(ServerTest, TheDrainDeadlineCancels) {
  Launch();
  test::TestClient busy(port());
  busy.Send(test::Post("/embed", "HOLD"));
  ASSERT_TRUE(pipeline_->WaitForImages(1));
  server_->Stop(Deadline(Clock::now()));
  EXPECT_TRUE(pipeline_->WaitForCancelled(1));
  EXPECT_EQ(busy.Read().status, 0);
}

TEST_F(ServerTest, Readiness) {
  Launch();
  api_->SetReady(false);
  test::TestReply reply = Ask(test::Get("/readyz"));
  EXPECT_EQ(reply.status, 503);
  EXPECT_THAT(reply.body, HasSubstr("warming_up"));
  EXPECT_EQ(Ask(test::Get("/health/info")).status, 503);
  EXPECT_EQ(Ask(test::Get("/healthz")).status, 200);
  api_->SetReady(true);
  EXPECT_EQ(Ask(test::Get("/readyz")).status, 200);
  pipeline_->set_device_failed(true);
  EXPECT_THAT(Ask(test::Get("/readyz")).body, HasSubstr("device_failed"));
}

TEST_F(ServerTest, TooManyConnectionsAreTold) {
  net::ServerOptions options;
  options.max_connections = 2;
  Launch(options);
  test::TestClient one(port());
  test::TestClient two(port());
  one.Send(test::Post("/embed", "HOLD"));
  two.Send(test::Post("/embed", "HOLD"));
  ASSERT_TRUE(pipeline_->WaitForHeld(2));
  test::TestClient three(port());
  EXPECT_EQ(three.Read().status, 503);
  pipeline_->ReleaseHeld();
  EXPECT_EQ(one.Read().status, 200);
  EXPECT_EQ(Ask(test::Get("/healthz")).status, 200) << "one that waits makes room";
}

}  // namespace
}  // namespace photovec::api
