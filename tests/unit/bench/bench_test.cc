// SPDX-License-Identifier: MIT
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "bench/work_tap.h"
#include "net/client.h"

namespace photovec::bench {
namespace {

using std::chrono::milliseconds;
using ::testing::HasSubstr;

pipeline::RequestResult Encoded(TimePoint begin, TimePoint end, int images) {
  pipeline::RequestResult result;
  for (int i = 0; i < images; ++i) {
    pipeline::ItemResult item;
    item.times.MarkAt(Border::kEncodeStart, begin);
    item.times.MarkAt(Border::kEncodeEnd, end);
    result.items.push_back(std::move(item));
  }
  return result;
}

// Two streams whose batches of 32 take 100 ms each and are out of step: 640 images/s whatever the window.
TEST(WorkTap, CountsPartsOfBatchesAtTheBorders) {
  WorkTap tap;
  const TimePoint zero = Clock::now();
  for (int batch = 0; batch < 20; ++batch) {
    const TimePoint even = zero + milliseconds(100 * batch);
    tap.Record(Encoded(even, even + milliseconds(100), 32));
    const TimePoint odd = zero + milliseconds(100 * batch + 37);
    tap.Record(Encoded(odd, odd + milliseconds(100), 32));
  }
  for (const int offset : {200, 213, 250, 299}) {
    const TimePoint begin = zero + milliseconds(offset);
    EXPECT_NEAR(tap.ImagesBetween(begin, begin + milliseconds(1000)), 640, 0.01) << offset;
  }
  EXPECT_EQ(tap.requests(), 40);
  tap.Clear();
  EXPECT_EQ(tap.ImagesBetween(zero, zero + milliseconds(1000)), 0);
}

TEST(WorkTap, FailuresAreCountedAndGiveNoWork) {
  WorkTap tap;
  pipeline::RequestResult result;
  result.items.resize(1);
  result.items[0].status = {Code::kImageCorrupt, "cut"};
  tap.Record(result);
  EXPECT_EQ(tap.failed(), 1);
  EXPECT_EQ(tap.ImagesBetween(TimePoint{}, TimePoint::max()), 0);
}

// Answers one connection with fixed bytes, in pieces, and keeps what it was sent.
class OneShotServer {
 public:
  explicit OneShotServer(std::vector<std::string> pieces) : fd_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(bind(fd_, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    EXPECT_EQ(listen(fd_, 1), 0);
    socklen_t size = sizeof(address);
    getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size);
    port = ntohs(address.sin_port);
    thread_ = std::thread([this, pieces = std::move(pieces)] {
      const int client = accept(fd_, nullptr, nullptr);
      char buffer[4096];
      while (received.find("boundary--\r\n") == std::string::npos) {
        const ssize_t got = recv(client, buffer, sizeof(buffer), 0);
        if (got <= 0) break;
        received.append(buffer, static_cast<size_t>(got));
      }
      for (const std::string& piece : pieces) send(client, piece.data(), piece.size(), MSG_NOSIGNAL);
      close(client);
    });
  }
  ~OneShotServer() {
    Join();
    close(fd_);
  }
  void Join() {
    if (thread_.joinable()) thread_.join();
  }
  uint16_t port = 0;
  std::string received;

 private:
  const int fd_;
  std::thread thread_;
};

TEST(HttpClient, SendsMultipartAndReadsSplitReplies) {
  OneShotServer server({"HTTP/1.1 200 OK\r\nContent-Le", "ngth: 8\r\n\r\nabc", "defgh"});
  auto client = net::HttpClient::Connect(server.port);
  ASSERT_TRUE(client.ok()) << client.status().ToString();
  const std::vector<Bytes> photos = {Bytes::Own(std::string("first")), Bytes::Own(std::string("second"))};
  const auto reply = (*client)->Upload(photos);
  server.Join();
  ASSERT_TRUE(reply.ok()) << reply.status().ToString();
  EXPECT_EQ(*reply, "abcdefgh");
  const size_t head = server.received.find("\r\n\r\n") + 4;
  EXPECT_THAT(server.received,
              HasSubstr("Content-Length: " + std::to_string(server.received.size() - head) + "\r\n"));
  EXPECT_THAT(server.received, HasSubstr("\r\n\r\nfirst\r\n--"));
  EXPECT_THAT(server.received, HasSubstr("\r\n\r\nsecond\r\n--"));
}

TEST(HttpClient, ErrorsAreQuoted) {
  OneShotServer server({"HTTP/1.1 429 Too Many Requests\r\nContent-Length: 4\r\n\r\nbusy"});
  auto client = net::HttpClient::Connect(server.port);
  ASSERT_TRUE(client.ok());
  const auto reply = (*client)->Upload(std::vector<Bytes>{Bytes::Own(std::string("x"))});
  ASSERT_FALSE(reply.ok());
  EXPECT_THAT(reply.status().message(), HasSubstr("429 Too Many Requests: busy"));
}

}  // namespace
}  // namespace photovec::bench
