// SPDX-License-Identifier: MIT
#include "unit/experiment/raw_client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <chrono>

namespace photovec::experiment {

int64_t NowUs() {
  return std::chrono::duration_cast<std::chrono::microseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

RawClient::RawClient(uint16_t port) : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const timeval patience{20, 0};
  setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
  const int on = 1;
  setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  if (connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    close(fd_);
    fd_ = -1;
  }
}

RawClient::~RawClient() {
  if (fd_ >= 0) close(fd_);
}

void RawClient::Send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n <= 0) return;  // the missing reply will show
    bytes.remove_prefix(static_cast<size_t>(n));
  }
}

bool RawClient::Fill() {
  std::array<char, 65536> chunk{};
  const ssize_t n = recv(fd_, chunk.data(), chunk.size(), 0);
  if (n <= 0) return false;
  if (buffer_.empty()) first_byte_us_ = NowUs();
  buffer_.append(chunk.data(), static_cast<size_t>(n));
  return true;
}

RawReply RawClient::Read(bool head_only) {
  RawReply reply;
  size_t end = 0;
  while ((end = buffer_.find("\r\n\r\n")) == std::string::npos) {
    if (!Fill()) return reply;
  }
  const std::string head = buffer_.substr(0, end + 2);
  buffer_.erase(0, end + 4);
  std::from_chars(head.data() + std::min<size_t>(9, head.size()), head.data() + head.size(), reply.status);
  for (size_t at = head.find("\r\n") + 2; at < head.size();) {
    const size_t stop = head.find("\r\n", at);
    const size_t colon = head.find(": ", at);
    std::string name = head.substr(at, colon - at);
    std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::tolower(c); });
    reply.headers[name] = head.substr(colon + 2, stop - colon - 2);
    at = stop + 2;
  }
  size_t length = 0;
  const std::string text = reply.Header("content-length");
  std::from_chars(text.data(), text.data() + text.size(), length);
  if (head_only) return reply;
  while (buffer_.size() < length) {
    if (!Fill()) return {};
  }
  reply.body = buffer_.substr(0, length);
  buffer_.erase(0, length);
  return reply;
}

RawReply RawClient::Get(std::string_view target, std::string_view headers) {
  Send("GET " + std::string(target) + " HTTP/1.1\r\nHost: x\r\n" + std::string(headers) + "\r\n");
  return Read();
}

RawReply RawClient::Head(std::string_view target, std::string_view headers) {
  Send("HEAD " + std::string(target) + " HTTP/1.1\r\nHost: x\r\n" + std::string(headers) + "\r\n");
  return Read(true);
}

bool RawClient::Closed() { return buffer_.empty() && !Fill(); }

}  // namespace photovec::experiment
