// SPDX-License-Identifier: MIT
#include "unit/experiment/stub_server.h"

#include <algorithm>
#include <boost/asio.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <chrono>
#include <mutex>
#include <set>
#include <thread>
#include <utility>

#include "base/clock.h"

namespace photovec::experiment {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using asio::ip::tcp;
using ErrorCode = boost::system::error_code;

}  // namespace

std::string HttpReply(int status, std::string_view body, std::string_view headers) {
  return "HTTP/1.1 " + std::to_string(status) + " X\r\nContent-Length: " + std::to_string(body.size()) +
         "\r\n" + std::string(headers) + "\r\n" + std::string(body);
}

std::string VectorReply(int images, std::string_view headers) {
  return HttpReply(200, std::string(static_cast<size_t>(images) * 32, 'v'),
                   "Content-Type: application/octet-stream\r\n" + std::string(headers));
}

class StubServer::Impl {
 public:
  explicit Impl(Handler handler) : handler_(std::move(handler)), acceptor_(context_, {tcp::v4(), 0}) {
    port_ = acceptor_.local_endpoint().port();
    asio::co_spawn(context_, Accept(), asio::detached);
    thread_ = std::thread([this] { context_.run(); });
  }
  ~Impl() {
    context_.stop();
    thread_.join();
  }

  uint16_t port() const { return port_; }
  std::vector<StubRequest> requests() const {
    std::scoped_lock lock(mutex_);
    return requests_;
  }
  uint64_t connections() const {
    std::scoped_lock lock(mutex_);
    return connections_;
  }

 private:
  asio::awaitable<void> Accept() {
    for (;;) {
      ErrorCode error;
      tcp::socket socket = co_await acceptor_.async_accept(asio::redirect_error(asio::use_awaitable, error));
      if (error) co_return;
      {
        std::scoped_lock lock(mutex_);
        ++connections_;
      }
      asio::co_spawn(context_, Serve(std::move(socket)), asio::detached);
    }
  }

  asio::awaitable<void> Serve(tcp::socket socket) {
    socket.set_option(tcp::no_delay(true));
    sockets_.insert(&socket);
    boost::beast::flat_buffer buffer;
    bool keep = true;
    while (keep) {
      http::request_parser<http::string_body> parser;
      parser.body_limit(64 << 20);
      ErrorCode error;
      co_await http::async_read(socket, buffer, parser, asio::redirect_error(asio::use_awaitable, error));
      if (error) break;
      const StubReply reply = handler_(Take(parser.release()));
      if (reply.die) {
        acceptor_.close();
        for (tcp::socket* other : sockets_) other->close();
        break;
      }
      asio::steady_timer timer(context_);
      timer.expires_at(reply.never ? asio::steady_timer::time_point::max()
                                   : asio::steady_timer::time_point(std::chrono::microseconds(reply.at_us)));
      if (reply.never || reply.at_us > NowMicros()) {
        co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, error));
      }
      co_await asio::async_write(socket, asio::buffer(reply.bytes),
                                 asio::redirect_error(asio::use_awaitable, error));
      if (reply.reset) socket.set_option(asio::socket_base::linger(true, 0), error);
      keep = !reply.close && !reply.reset && !error;
    }
    sockets_.erase(&socket);
  }

  StubRequest Take(http::request<http::string_body> message) {
    const auto text = [](boost::beast::string_view view) { return std::string(view.data(), view.size()); };
    StubRequest request;
    request.target = text(message.target());
    request.content_type = text(message[http::field::content_type]);
    request.accept = text(message[http::field::accept]);
    request.body = std::move(message.body());
    request.received_us = NowMicros();
    std::scoped_lock lock(mutex_);
    request.n = requests_.size();
    requests_.push_back(request);
    return request;
  }

  const Handler handler_;
  uint16_t port_ = 0;
  mutable std::mutex mutex_;
  std::vector<StubRequest> requests_;
  uint64_t connections_ = 0;
  std::set<tcp::socket*> sockets_;  // on the loop's thread
  asio::io_context context_{1};
  tcp::acceptor acceptor_;
  std::thread thread_;
};

StubServer::StubServer(Handler handler) : impl_(std::make_unique<Impl>(std::move(handler))) {}
StubServer::~StubServer() = default;
uint16_t StubServer::port() const { return impl_->port(); }
std::vector<StubRequest> StubServer::requests() const { return impl_->requests(); }
uint64_t StubServer::connections() const { return impl_->connections(); }

}  // namespace photovec::experiment
