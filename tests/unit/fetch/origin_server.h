// SPDX-License-Identifier: MIT
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

namespace photovec::fetch {

/// Opens a listening TCP socket on a free port; sets the port.
inline int Listen(const char* address, int* port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in in{};
  in.sin_family = AF_INET;
  inet_pton(AF_INET, address, &in.sin_addr);
  socklen_t size = sizeof in;
  if (bind(fd, reinterpret_cast<sockaddr*>(&in), size) != 0 || listen(fd, 64) != 0 ||
      getsockname(fd, reinterpret_cast<sockaddr*>(&in), &size) != 0) {
    std::abort();
  }
  *port = ntohs(in.sin_port);
  return fd;
}

/// Listens and never answers: tells whether anybody tried to connect (the kernel completes the handshake).
class Trap {
 public:
  explicit Trap(const char* address) : fd_(Listen(address, &port_)) {}
  ~Trap() { close(fd_); }
  int port() const { return port_; }
  bool Sprung() const {
    pollfd waiting{fd_, POLLIN, 0};
    return poll(&waiting, 1, 0) > 0;
  }

 private:
  int port_ = 0;
  int fd_;
};

/// One client of an OriginServer. Used by the thread of its handler.
class Connection {
 public:
  explicit Connection(int fd) : fd_(fd) {}
  /// False when the client is gone.
  bool Send(std::string_view text) const {
    while (!text.empty()) {
      const ssize_t sent = send(fd_, text.data(), text.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      text.remove_prefix(static_cast<size_t>(sent));
    }
    return true;
  }
  bool Reply(const std::string& status, const std::string& headers, const std::string& body) const {
    return Send("HTTP/1.1 " + status + "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" +
                headers + "\r\n" + body);
  }
  /// Says nothing more until the client closes, or the server is destroyed.
  void Stall() const {
    char byte = 0;
    while (recv(fd_, &byte, 1, 0) > 0) {
    }
  }
  /// Closing then sends RST, not FIN.
  void ResetOnClose() const {
    const linger now{1, 0};
    setsockopt(fd_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
  }
  /// The next request head, up to its empty line; empty when the client is gone.
  std::string ReadHead() const {
    std::string head;
    char byte = 0;
    while (!head.ends_with("\r\n\r\n")) {
      if (recv(fd_, &byte, 1, 0) <= 0) return {};
      head += byte;
    }
    return head;
  }

 private:
  int fd_;
};

/// A small HTTP origin whose answers tests write byte by byte. One thread per connection. Handlers run until
/// they return; a connection is closed after the handler of a path that was added with OnOnce.
class OriginServer {
 public:
  using Handler = std::function<void(Connection&, const std::string& head)>;

  explicit OriginServer(const char* address = "127.0.0.1") : address_(address) {
    listener_ = Listen(address, &port_);
    acceptor_ = std::thread([this] { Accept(); });
  }
  ~OriginServer() {
    shutdown(listener_, SHUT_RDWR);
    acceptor_.join();
    {
      std::scoped_lock lock(mutex_);
      for (const int fd : open_) shutdown(fd, SHUT_RDWR);
    }
    for (std::thread& thread : threads_) thread.join();
    close(listener_);
  }
  OriginServer(const OriginServer&) = delete;
  OriginServer& operator=(const OriginServer&) = delete;

  /// Set all handlers before the first request. The connection stays open.
  void On(const std::string& path, Handler handler) { handlers_[path] = {std::move(handler), false}; }
  /// As On, and the connection is closed when the handler returns.
  void OnOnce(const std::string& path, Handler handler) { handlers_[path] = {std::move(handler), true}; }

  int port() const { return port_; }
  std::string Url(const std::string& path) const {
    return "http://" + address_ + ":" + std::to_string(port_) + path;
  }
  size_t connections() {
    std::scoped_lock lock(mutex_);
    return accepted_;
  }

 private:
  void Accept() {
    while (true) {
      const int fd = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      if (fd < 0) return;
      std::scoped_lock lock(mutex_);
      ++accepted_;
      open_.push_back(fd);
      threads_.emplace_back([this, fd] {
        Serve(fd);
        std::scoped_lock done(mutex_);
        open_.remove(fd);
        close(fd);
      });
    }
  }
  void Serve(int fd) {
    Connection connection(fd);
    while (true) {
      const std::string head = connection.ReadHead();
      if (head.empty()) return;
      std::string path = head.substr(head.find(' ') + 1);
      path = path.substr(0, path.find_first_of(" ?"));
      const auto handler = handlers_.find(path);
      if (handler == handlers_.end()) {
        if (!connection.Reply("404 Not Found", "", "nothing here")) return;
        continue;
      }
      handler->second.first(connection, head);
      if (handler->second.second) return;
    }
  }

  const std::string address_;
  int port_ = 0;
  int listener_ = -1;
  std::map<std::string, std::pair<Handler, bool>> handlers_;
  std::thread acceptor_;
  std::mutex mutex_;
  std::list<int> open_;
  std::list<std::thread> threads_;
  size_t accepted_ = 0;
};

}  // namespace photovec::fetch
