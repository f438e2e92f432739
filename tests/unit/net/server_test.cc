// SPDX-License-Identifier: MIT
// The transport alone, under a handler that knows no photos. What it does under the protocols:
// tests/unit/api/server_test.cc.
#include "net/server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "net/address_group.h"
#include "net/listen_socket.h"
#include "testing/net_fixture.h"
#include "testing/test_client.h"

namespace photovec::net {
namespace {

using ::testing::HasSubstr;

class NetServerTest : public test::NetFixture {};

/// With little memory.
class NetMemoryTest : public test::NetFixture {
 protected:
  NetMemoryTest() : NetFixture(1 << 20) {}
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
  handler_.WaitForBodies(1);
  const test::TestReply refused = Ask(test::Get("/a"));
  EXPECT_EQ(refused.status, 503);
  EXPECT_THAT(refused.body, HasSubstr("refused: too many connections"));
  EXPECT_EQ(only.Ask("cde").body, "abcde");
}

TEST_F(NetServerTest, WhoseBodyDoesNotComeMakesRoomForOthers) {
  ServerOptions options;
  options.max_connections = 1;
  Launch(options);
  test::TestClient silent(server_->port());
  silent.Send("POST /b HTTP/1.1\r\nHost: t\r\nContent-Length: 5\r\n\r\nab");
  handler_.WaitForBodies(1);
  const Deadline patience = Deadline::After(std::chrono::seconds(20));
  int status = 503;
  while (status == 503 && !patience.Expired()) status = Ask(test::Get("/a")).status;
  EXPECT_EQ(status, 200);
  EXPECT_EQ(silent.Read().status, 0) << "closed";
}

TEST_F(NetServerTest, ARefusedBodyThatCameSlowlyHoldsNoPlaceAfterwards) {
  ServerOptions options;
  options.max_connections = 1;
  Launch(options);
  auto held = budget_.TryReserve(16 << 20);
  test::TestClient slow(server_->port());
  slow.Send("POST /b HTTP/1.1\r\nHost: t\r\nContent-Length: 5\r\n\r\nab");
  EXPECT_EQ(slow.Read().status, 429);
  held.reset();
  // The rule is about time: silence of two seconds.
  std::this_thread::sleep_for(std::chrono::milliseconds(2'300));
  slow.Send("cde");
  EXPECT_EQ(Ask(test::Get("/newcomer")).status, 200);
}

TEST_F(NetServerTest, BodiesArePaidForOutOfTheBudget) {
  Launch();
  EXPECT_EQ(Ask(test::Post("/b", std::string(17 << 20, 'x'))).status, 413);
  const auto held = budget_.TryReserve(16 << 20);
  EXPECT_EQ(Ask(test::Post("/b", "x")).status, 429);
}

std::string Head(size_t length) {
  return "POST /b HTTP/1.1\r\nHost: t\r\nContent-Length: " + std::to_string(length) + "\r\n\r\n";
}

TEST_F(NetMemoryTest, BodiesThatWaitForEachOthersMemoryEndAndTheOldestGoesOn) {
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

TEST_F(NetMemoryTest, ABodyThatWaitsForRoomGoesOnWhenThereIsSome) {
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

std::string TempSocket(const std::string& name) { return ::testing::TempDir() + "net_test_" + name; }

/// One request over a Unix socket, "" when nobody listens.
std::string AskUnix(const std::string& path, const std::string& request) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path.c_str(), sizeof(address.sun_path) - 1);
  const FileDescriptor fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) return "";
  EXPECT_EQ(send(fd.get(), request.data(), request.size(), MSG_NOSIGNAL),
            static_cast<ssize_t>(request.size()));
  std::string reply;
  char chunk[4096];
  for (ssize_t got = 0; (got = recv(fd.get(), chunk, sizeof(chunk), 0)) > 0;)
    reply.append(chunk, static_cast<size_t>(got));
  return reply;
}

TEST_F(NetServerTest, TheAdminListenerHasALoopOfItsOwn) {
  ServerOptions options;
  options.admin.port = 0;
  options.io_threads = 1;
  Launch(options);
  test::TestClient admin(server_->admin_port());
  EXPECT_EQ(admin.Ask(test::Get("/who")).body, "127.0.0.1 admin ");
  EXPECT_EQ(Ask(test::Get("/who")).body, "127.0.0.1 ");
  test::TestClient hangs(server_->port());
  hangs.Send(test::Get("/hang"));
  while (server_->LoopsTurn(std::chrono::milliseconds(300))) std::this_thread::yield();
  EXPECT_EQ(admin.Ask(test::Get("/slow")).body, "/slow") << "with a worker of its own";
  handler_.Release();
  EXPECT_EQ(hangs.Read().body, "/hang");
  while (!server_->LoopsTurn(std::chrono::milliseconds(300))) std::this_thread::yield();
}

TEST_F(NetServerTest, UnixSocketsReplaceStaleFilesAndLeaveNone) {
  ServerOptions options;
  options.unix_socket = TempSocket("main");
  options.unix_mode = 0600;
  options.admin.unix_socket = TempSocket("admin");
  options.tcp = false;
  {
    auto stale = ListenSocket::Unix(options.unix_socket, 0600);
    ASSERT_TRUE(stale.ok()) << stale.status().ToString();
    server_ = std::make_unique<Server>(handler_, budget_, *registry_, options);
    EXPECT_EQ(server_->Start().code(), Code::kUnavailable) << "somebody listens";
    ASSERT_EQ(rename(options.unix_socket.c_str(), TempSocket("moved").c_str()), 0);
  }
  ASSERT_EQ(rename(TempSocket("moved").c_str(), options.unix_socket.c_str()), 0);
  Launch(options);
  struct stat info {};
  ASSERT_EQ(stat(options.unix_socket.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777U, 0600U);
  const std::string who = test::Get("/who", "Connection: close\r\n");
  EXPECT_THAT(AskUnix(options.unix_socket, who), HasSubstr("\r\n\r\nunix "));
  EXPECT_THAT(AskUnix(options.admin.unix_socket, who), HasSubstr("\r\n\r\nunix admin "));
  EXPECT_EQ(server_->port(), 0);
  server_->Stop(Deadline());
  EXPECT_NE(stat(options.unix_socket.c_str(), &info), 0);
  EXPECT_NE(stat(options.admin.unix_socket.c_str(), &info), 0);
}

TEST_F(NetServerTest, AUnixSocketsFileOfASuccessorStays) {
  const std::string path = TempSocket("successor");
  auto first = ListenSocket::Unix(path, 0600);
  ASSERT_TRUE(first.ok());
  ASSERT_EQ(unlink(path.c_str()), 0);
  auto second = ListenSocket::Unix(path, 0600);
  ASSERT_TRUE(second.ok());
  first->Close();
  struct stat info {};
  EXPECT_EQ(stat(path.c_str(), &info), 0);
  const std::string file = TempSocket("file");
  std::ofstream(file) << "precious";
  EXPECT_EQ(ListenSocket::Unix(file, 0600).status().code(), Code::kInvalidRequest);
  EXPECT_EQ(stat(file.c_str(), &info), 0);
}

TEST_F(NetServerTest, ALameDuckServesEverybodyOnce) {
  Launch();
  test::TestClient kept(server_->port());
  EXPECT_EQ(kept.Ask(test::Get("/draining")).body, "no");
  server_->BeginLameDuck();
  const test::TestReply last = kept.Ask(test::Get("/draining"));
  EXPECT_EQ(last.body, "yes");
  EXPECT_EQ(last.Header("connection"), "close");
  EXPECT_EQ(Ask(test::Get("/a")).body, "/a");
  server_->Stop(Deadline());
  EXPECT_EQ(test::TestClient(server_->port()).Ask(test::Get("/a")).status, 0);
}

TEST_F(NetServerTest, ADrainLetsInWhoIsOnTheWay) {
  Launch();
  test::TestClient kept(server_->port());
  EXPECT_EQ(kept.Ask(test::Get("/a")).status, 200);
  test::TestClient silent(server_->port());
  server_->BeginDrain();
  EXPECT_EQ(silent.Ask(test::Get("/b")).body, "/b") << "its connection was there";
  EXPECT_EQ(kept.Ask(test::Get("/c")).body, "/c") << "it could not know yet";
  server_->Stop(Deadline());
}

TEST_F(NetServerTest, HostsAreJudgedByListener) {
  Launch();
  const std::string evil = "GET /a HTTP/1.1\r\nHost: evil.example\r\n\r\n";
  const test::TestReply refused = Ask(evil);
  EXPECT_EQ(refused.status, 421);
  EXPECT_THAT(refused.body, HasSubstr("--allow-server-host"));
  EXPECT_EQ(Ask("GET /a HTTP/1.1\r\nHost: localhost:1\r\n\r\n").status, 200);
  EXPECT_EQ(Ask("GET http://evil.example/a HTTP/1.1\r\nHost: localhost\r\n\r\n").status, 421);
  ServerOptions open;
  open.host = "0.0.0.0";
  Launch(open);
  EXPECT_EQ(Ask(evil).status, 200);
  EXPECT_TRUE(server_->exposure().outside && server_->exposure().outside_without_tls);
  open.server_names = {"photos.example"};
  Launch(open);
  EXPECT_EQ(Ask(evil).status, 421);
}

TEST_F(NetServerTest, ACrowdOfSilentConnectionsCostsNobodyElse) {
  ServerOptions options;
  options.max_connections = 20;
  Launch(options);
  test::TestClient kept(server_->port());
  EXPECT_EQ(kept.Ask(test::Get("/a")).status, 200);
  std::vector<FileDescriptor> crowd;
  for (int i = 0; i < 100; ++i) {
    crowd.push_back(test::ConnectTo(server_->port()));
    if (i % 10 == 0) {
      EXPECT_EQ(Ask(test::Get("/b")).status, 200);
    }
  }
  EXPECT_EQ(kept.Ask(test::Get("/a")).status, 200);
  EXPECT_EQ(handler_.refused, 0);
}

}  // namespace
}  // namespace photovec::net
