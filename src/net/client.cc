// SPDX-License-Identifier: MIT
#include "net/client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <string_view>

namespace photovec::net {
namespace {

constexpr std::string_view kBoundary = "photovec-bench-boundary";

Status Failed(const std::string& what) {
  return {Code::kUnavailable, "HTTP client: cannot " + what + ": " + std::strerror(errno)};
}

// The value of Content-Length in a block of header lines; -1 when there is none.
int64_t ContentLength(std::string head) {
  for (char& c : head) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  constexpr std::string_view kName = "\r\ncontent-length:";
  size_t begin = head.find(kName);
  if (begin == std::string::npos) return -1;
  begin = head.find_first_not_of(' ', begin + kName.size());
  if (begin == std::string::npos) return -1;
  int64_t value = -1;
  std::from_chars(head.data() + begin, head.data() + head.size(), value);
  return value;
}

}  // namespace

Result<std::unique_ptr<HttpClient>> HttpClient::Connect(uint16_t port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return Failed("make a socket");
  std::unique_ptr<HttpClient> client(new HttpClient(fd));
  const int one = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    return Failed("connect to port " + std::to_string(port));
  }
  return client;
}

HttpClient::~HttpClient() { close(fd_); }

Result<std::string> HttpClient::Upload(std::span<const Bytes> photos) {
  // texts[0] is the request's head, texts[1 + i] stands before photo i, the last after all.
  std::vector<std::string> texts(photos.size() + 2);
  size_t body = 0;
  for (size_t i = 0; i < photos.size(); ++i) {
    texts[1 + i] = (i == 0 ? "--" : "\r\n--") + std::string(kBoundary) +
                   "\r\nContent-Disposition: form-data; name=\"images\"; filename=\"" + std::to_string(i) +
                   ".jpg\"\r\nContent-Type: image/jpeg\r\n\r\n";
    body += texts[1 + i].size() + photos[i].size();
  }
  texts.back() = "\r\n--" + std::string(kBoundary) + "--\r\n";
  body += texts.back().size();
  texts[0] =
      "POST /embed HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: application/octet-stream\r\n"
      "Content-Type: multipart/form-data; boundary=" +
      std::string(kBoundary) + "\r\nContent-Length: " + std::to_string(body) + "\r\n\r\n";
  RETURN_IF_ERROR(SendAll(texts, photos));
  return ReadReply();
}

Status HttpClient::SendAll(std::vector<std::string>& texts, std::span<const Bytes> photos) const {
  std::vector<iovec> pieces;
  const auto add = [&](const void* data, size_t size) { pieces.push_back({const_cast<void*>(data), size}); };
  add(texts[0].data(), texts[0].size());
  for (size_t i = 0; i < photos.size(); ++i) {
    add(texts[1 + i].data(), texts[1 + i].size());
    add(photos[i].view().data(), photos[i].size());
  }
  add(texts.back().data(), texts.back().size());
  size_t first = 0;
  while (first < pieces.size()) {
    msghdr message{};
    message.msg_iov = &pieces[first];
    message.msg_iovlen = std::min<size_t>(pieces.size() - first, 512);
    const ssize_t sent = sendmsg(fd_, &message, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) return Failed("send");
    auto left = static_cast<size_t>(sent);
    while (first < pieces.size() && left >= pieces[first].iov_len) left -= pieces[first++].iov_len;
    if (left > 0) {
      pieces[first].iov_base = static_cast<char*>(pieces[first].iov_base) + left;
      pieces[first].iov_len -= left;
    }
  }
  return Status::Ok();
}

Status HttpClient::Fill() {
  std::array<char, 65536> buffer;
  ssize_t got = 0;
  do {
    got = recv(fd_, buffer.data(), buffer.size(), 0);
  } while (got < 0 && errno == EINTR);
  if (got < 0) return Failed("receive");
  if (got == 0) return {Code::kUnavailable, "HTTP client: the server closed the connection"};
  input_.append(buffer.data(), static_cast<size_t>(got));
  return Status::Ok();
}

Result<std::string> HttpClient::ReadReply() {
  size_t end = 0;
  while ((end = input_.find("\r\n\r\n")) == std::string::npos) RETURN_IF_ERROR(Fill());
  const std::string head = input_.substr(0, end + 2);
  const int64_t length = ContentLength(head);
  if (length < 0) return Status(Code::kInternal, "HTTP client: a reply without Content-Length");
  const size_t body = end + 4;
  const size_t whole = body + static_cast<size_t>(length);
  while (input_.size() < whole) RETURN_IF_ERROR(Fill());
  std::string reply = input_.substr(body, static_cast<size_t>(length));
  input_.erase(0, whole);
  if (head.rfind("HTTP/1.1 200", 0) != 0) {
    return Status(Code::kInternal,
                  "the server answered " + head.substr(0, head.find("\r\n")) + ": " + reply.substr(0, 500));
  }
  return reply;
}

}  // namespace photovec::net
