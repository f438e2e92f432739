// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace photovec::test {

struct TestReply {
  int status = 0;                              ///< 0: the connection ended instead
  std::map<std::string, std::string> headers;  ///< names in lower case
  std::string body;

  std::string Header(const std::string& name) const {
    const auto it = headers.find(name);
    return it == headers.end() ? "" : it->second;
  }
};

/// A blocking client that sends exactly the bytes it is given. A reply that takes longer than 20 s counts as
/// an ended connection.
class TestClient {
 public:
  /// \param receive_buffer_bytes how much the kernel takes for us; 0: its own choice.
  explicit TestClient(uint16_t port, int receive_buffer_bytes = 0);
  ~TestClient();
  TestClient(const TestClient&) = delete;
  TestClient& operator=(const TestClient&) = delete;

  /// False when the server has closed.
  bool Send(std::string_view bytes);
  /// Reads one reply (100 Continue is a reply of its own).
  /// \param head_request its body is not sent.
  TestReply Read(bool head_request = false);
  /// Send, then Read.
  TestReply Ask(std::string_view bytes);
  /// The same for GET and HEAD, with further header lines (each with its CRLF).
  TestReply Get(std::string_view path, std::string_view headers = {});
  TestReply Head(std::string_view path, std::string_view headers = {});
  /// When the first byte of the last reply came, MonotonicMicros().
  int64_t first_byte_us() const { return first_byte_us_; }
  /// True when the server closes within 20 s without sending more.
  bool Closed();
  void ShutdownSend();

 private:
  bool FillBuffer();
  int fd_ = -1;
  int64_t first_byte_us_ = 0;
  std::string buffer_;
};

/// "GET path HTTP/1.1" with Host and further header lines (each with its CRLF).
std::string Get(std::string_view path, std::string_view headers = {});
/// "POST path HTTP/1.1" with Host, Content-Length and further header lines.
std::string Post(std::string_view path, std::string_view body, std::string_view headers = {});
/// The same with Transfer-Encoding: chunked, cut into pieces of `chunk` bytes.
std::string PostChunked(std::string_view path, std::string_view body, size_t chunk,
                        std::string_view headers = {});
/// A multipart body of boundary XX, one file part per image.
std::string Multipart(const std::vector<std::string>& images);
inline constexpr std::string_view kMultipartType = "Content-Type: multipart/form-data; boundary=XX\r\n";
inline constexpr std::string_view kJsonType = "Content-Type: application/json\r\n";

}  // namespace photovec::test
