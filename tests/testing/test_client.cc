// SPDX-License-Identifier: MIT
#include "testing/test_client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <array>

#include "base/clock.h"
#include "net/media_type.h"

namespace photovec::test {

TestClient::TestClient(uint16_t port, int receive_buffer_bytes) : fd_(socket(AF_INET, SOCK_STREAM, 0)) {
  const timeval patience{20, 0};
  setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
  setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
  const int one = 1;
  setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
  if (receive_buffer_bytes > 0) {
    setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &receive_buffer_bytes, sizeof(receive_buffer_bytes));
  }
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    close(fd_);
    fd_ = -1;
  }
}

TestClient::~TestClient() {
  if (fd_ >= 0) close(fd_);
}

bool TestClient::Send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(n));
  }
  return true;
}

bool TestClient::FillBuffer() {
  std::array<char, 65536> room;
  const ssize_t n = recv(fd_, room.data(), room.size(), 0);
  if (n <= 0) return false;
  if (buffer_.empty()) first_byte_us_ = NowMicros();
  buffer_.append(room.data(), static_cast<size_t>(n));
  return true;
}

TestReply TestClient::Read(bool head_request) {
  TestReply reply;
  size_t end = 0;
  while ((end = buffer_.find("\r\n\r\n")) == std::string::npos) {
    if (!FillBuffer()) return reply;
  }
  const std::string head = buffer_.substr(0, end + 2);
  buffer_.erase(0, end + 4);
  for (size_t at = head.find("\r\n") + 2; at < head.size();) {
    const size_t line_end = head.find("\r\n", at);
    const size_t colon = head.find(':', at);
    reply.headers[net::LowerAscii(std::string_view(head).substr(at, colon - at))] =
        net::TrimBlanks(std::string_view(head).substr(colon + 1, line_end - colon - 1));
    at = line_end + 2;
  }
  const std::string length = reply.Header("content-length");
  const size_t size = length.empty() || head_request ? 0 : std::stoul(length);
  while (buffer_.size() < size) {
    if (!FillBuffer()) return {};
  }
  reply.status = std::stoi(head.substr(9, 3));
  reply.body = buffer_.substr(0, size);
  buffer_.erase(0, size);
  return reply;
}

TestReply TestClient::Ask(std::string_view bytes) {
  Send(bytes);  // a refused request may close before all is sent: the reply tells
  return Read();
}

TestReply TestClient::Get(std::string_view path, std::string_view headers) {
  return Ask(test::Get(path, headers));
}

TestReply TestClient::Head(std::string_view path, std::string_view headers) {
  Send("HEAD " + std::string(path) + " HTTP/1.1\r\nHost: t\r\n" + std::string(headers) + "\r\n");
  return Read(true);
}

bool TestClient::Closed() {
  std::array<char, 1> byte;
  return buffer_.empty() && recv(fd_, byte.data(), byte.size(), 0) == 0;
}

void TestClient::ShutdownSend() { shutdown(fd_, SHUT_WR); }

std::string Get(std::string_view path, std::string_view headers) {
  return "GET " + std::string(path) + " HTTP/1.1\r\nHost: t\r\n" + std::string(headers) + "\r\n";
}

std::string Post(std::string_view path, std::string_view body, std::string_view headers) {
  return "POST " + std::string(path) +
         " HTTP/1.1\r\nHost: t\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" +
         std::string(headers) + "\r\n" + std::string(body);
}

std::string PostChunked(std::string_view path, std::string_view body, size_t chunk,
                        std::string_view headers) {
  std::string out = "POST " + std::string(path) + " HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n" +
                    std::string(headers) + "\r\n";
  constexpr std::string_view kHex = "0123456789abcdef";
  while (!body.empty()) {
    const std::string_view piece = body.substr(0, chunk);
    body.remove_prefix(piece.size());
    std::string size;
    for (size_t n = piece.size(); n != 0; n /= 16) size.insert(size.begin(), kHex[n % 16]);
    out += size + "\r\n" + std::string(piece) + "\r\n";
  }
  return out + "0\r\n\r\n";
}

std::string Multipart(const std::vector<std::string>& images) {
  std::string body;
  for (const std::string& image : images) {
    body += "--XX\r\nContent-Disposition: form-data; name=image; filename=a.jpg\r\n\r\n" + image + "\r\n";
  }
  return body + "--XX--\r\n";
}

}  // namespace photovec::test
