// SPDX-License-Identifier: MIT
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <atomic>
#include <memory>
#include <stdexcept>
#include <string>

#include "base/files.h"
#include "base/memory_budget.h"
#include "metrics/registry.h"
#include "net/server.h"
#include "testing/test_client.h"

namespace photovec::test {

/// Answers with the request's path and body. "/slow" on the worker pool, "/who" with the peer, "/draining"
/// with what the server says of itself; "/hang" holds up its event loop until Release(). Counts what never
/// became a request.
class EchoHandler final : public net::Handler {
 public:
  net::Task<net::Response> Handle(net::ServerRequest& request) override {
    net::Response response;
    response.content_type = "text/plain";
    const std::string& path = request.head.path;
    if (request.head.has_body()) {
      bodies.fetch_add(1);
      bodies.notify_all();
      const Status admitted = request.body.Admit("client");
      if (!admitted.ok()) co_return Error("body", admitted);
      Result<net::OwnedBody> body = co_await request.body.ReadAll();
      if (!body.ok()) co_return Error("body", body.status());
      response.body = body->text();
      co_return response;
    }
    const size_t bytes = path == "/slow" ? net::kInlineBytes + 1 : 0;
    const auto work = [&] { response.body = path; };
    const Status worked = co_await request.RunSized(bytes, work);
    if (!worked.ok()) co_return Error("work", worked);
    if (path == "/throws") {
      const auto fail = [] { throw std::runtime_error("on purpose"); };
      const Status failed = co_await request.RunSized(net::kInlineBytes + 1, fail);
      co_return Error("work", failed);
    }
    const net::Peer& peer = request.io.peer();
    if (path == "/who") response.body = peer.address + (peer.admin ? " admin " : " ") + peer.identity;
    if (path == "/draining") response.body = request.draining ? "yes" : "no";
    if (path == "/hang") released_.wait(false);
    co_return response;
  }
  net::Response Refuse(std::string_view label, const net::HttpError& error) override {
    ++refused;
    net::Response response;
    response.status = error.http_status != 0 ? error.http_status : HttpStatus(error.status.code());
    response.body = std::string(label) + ": " + error.status.message();
    return response;
  }
  /// Blocks until so many requests with a body have begun.
  void WaitForBodies(int count) {
    for (int seen = bodies; seen < count; seen = bodies) bodies.wait(seen);
  }
  void Release() {
    released_ = true;
    released_.notify_all();
  }
  std::atomic<int> refused{0};
  std::atomic<int> bodies{0};

 private:
  net::Response Error(std::string_view label, const Status& status) {
    return Refuse(label, net::HttpError{status});
  }

  std::atomic<bool> released_{false};
};

/// A server of the transport alone.
class NetFixture : public ::testing::Test {
 protected:
  explicit NetFixture(uint64_t budget_bytes = 16 << 20) : budget_(budget_bytes) {}
  void Launch(net::ServerOptions options = {}) {
    options.port = 0;
    server_ = std::make_unique<net::Server>(handler_, budget_, *registry_, options);
    const Status started = server_->Start();
    ASSERT_TRUE(started.ok()) << started.ToString();
  }
  TestReply Ask(std::string_view request) { return TestClient(server_->port()).Ask(request); }

  EchoHandler handler_;
  MemoryBudget budget_;
  std::unique_ptr<metrics::Registry> registry_ = metrics::Registry::Create();
  std::unique_ptr<net::Server> server_;
};

/// A connected socket; invalid when nobody listens. A reply that takes longer than 20 s is an error.
inline FileDescriptor ConnectTo(uint16_t port) {
  FileDescriptor fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const timeval patience{20, 0};
  setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) return {};
  return fd;
}

}  // namespace photovec::test
