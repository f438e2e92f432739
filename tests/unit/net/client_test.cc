// SPDX-License-Identifier: MIT
#include "net/client.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <functional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "net/multipart.h"

namespace photovec::net {
namespace {

using ::testing::HasSubstr;

/// Takes connections one after the other; each gets one of the scripts, a list of texts sent once a request's
/// head is here.
class ScriptedServer {
 public:
  using Script = std::vector<std::string>;

  explicit ScriptedServer(std::vector<Script> scripts) : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    EXPECT_EQ(bind(fd_, reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(listen(fd_, 8), 0);
    EXPECT_EQ(getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size), 0);
    port = ntohs(address.sin_port);
    thread_ = std::thread([this, scripts = std::move(scripts)] {
      for (const Script& script : scripts) Serve(script);
    });
  }
  ~ScriptedServer() {
    shutdown(fd_, SHUT_RDWR);  // ends an accept that nobody came for
    Join();
    close(fd_);
  }
  void Join() {
    if (thread_.joinable()) thread_.join();
  }
  uint16_t port = 0;
  std::string received;  ///< of all connections; after Join()

 private:
  void Serve(const Script& script) {
    const int peer = accept(fd_, nullptr, nullptr);
    if (peer < 0) return;
    char chunk[4096];
    ssize_t got = 0;
    std::string request;
    while (!request.ends_with("\r\n\r\n") && (got = recv(peer, chunk, sizeof(chunk), 0)) > 0) {
      request.append(chunk, static_cast<size_t>(got));
    }
    received += request;
    for (const std::string& text : script) (void)send(peer, text.data(), text.size(), MSG_NOSIGNAL);
    if (script.empty()) (void)recv(peer, chunk, sizeof(chunk), 0);  // silent until the client gives up
    close(peer);
  }
  const int fd_;
  std::thread thread_;
};

TEST(Client, ReadsARepliesHeadAndBodyHoweverTheyAreCut) {
  ScriptedServer server({{"HTTP/1.1 200 OK\r\nX-Two:  b \r\nContent-Le", "ngth: 8\r\n\r\nabc", "defgh"}});
  Client client(server.port);
  const auto reply = client.Get("/stats");
  ASSERT_TRUE(reply.ok()) << reply.status().ToString();
  EXPECT_EQ(reply->status, 200);
  EXPECT_EQ(reply->body, "abcdefgh");
  EXPECT_EQ(reply->Header("x-two"), "b");
  EXPECT_EQ(reply->Header("x-three"), "");
  server.Join();
  EXPECT_THAT(server.received, HasSubstr("GET /stats HTTP/1.1\r\n"));
}

TEST(Client, AnyStatusIsAReplyAndAFailureSaysWhy) {
  ScriptedServer server(
      {{"HTTP/1.1 429 Too Many Requests\r\nContent-Length: 4\r\nConnection: close\r\n\r\nbusy"},
       {"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nabc"},
       {"nonsense\r\n\r\n"}});
  Client client(server.port);
  const auto busy = client.Get("/");
  ASSERT_TRUE(busy.ok()) << busy.status().ToString();
  EXPECT_EQ(busy->status, 429);
  EXPECT_EQ(busy->body, "busy");
  EXPECT_THAT(client.Get("/").status().message(), HasSubstr("ended within the reply"));
  EXPECT_THAT(client.Get("/").status().message(), HasSubstr("not HTTP/1.1"));
}

TEST(Client, PatienceEnds) {
  ScriptedServer server(std::vector<ScriptedServer::Script>(1));
  Client client(server.port, std::chrono::milliseconds(20));
  EXPECT_THAT(client.Get("/").status().message(), HasSubstr("no reply within 20 ms"));
}

TEST(Client, ARefusedConnectionIsNamed) {
  uint16_t port = 0;
  { port = ScriptedServer(std::vector<ScriptedServer::Script>()).port; }
  EXPECT_THAT(Client(port).Get("/").status().message(), HasSubstr("cannot connect to port"));
}

// What the writer makes, the parser reads.
TEST(MultipartForm, IsReadAsItWasWritten) {
  class Sink final : public PartSink {
   public:
    Status OnPartBegin(const PartHead& head) override {
      EXPECT_TRUE(head.has_filename);
      files.emplace_back();
      return Status::Ok();
    }
    Status OnPartData(std::string_view data) override {
      files.back() += data;
      return Status::Ok();
    }
    Status OnPartEnd() override { return Status::Ok(); }
    std::vector<std::string> files;
  } sink;
  std::vector<std::string_view> pieces;
  AppendFilePart(pieces, "first");
  AppendFilePart(pieces, "sec\r\n--ond");
  AppendFormEnd(pieces);
  const auto boundary = MultipartParser::BoundaryOf(kFormType);
  ASSERT_TRUE(boundary.ok());
  MultipartParser parser(*boundary, sink);
  for (const std::string_view piece : pieces) ASSERT_TRUE(parser.Feed(piece).ok());
  ASSERT_TRUE(parser.Finish().ok());
  EXPECT_EQ(sink.files, (std::vector<std::string>{"first", "sec\r\n--ond"}));
}

}  // namespace
}  // namespace photovec::net
