// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace photovec::experiment {

struct RawReply {
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
class RawClient {
 public:
  explicit RawClient(uint16_t port);
  ~RawClient();
  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;

  void Send(std::string_view bytes);
  /// \param head_only the reply to HEAD: no body follows.
  RawReply Read(bool head_only = false);
  RawReply Get(std::string_view target, std::string_view headers = {});
  RawReply Head(std::string_view target, std::string_view headers = {});
  /// When the first byte of the last reply came, CLOCK_MONOTONIC.
  int64_t first_byte_us() const { return first_byte_us_; }
  /// True when the server closes without sending more.
  bool Closed();

 private:
  bool Fill();
  int fd_ = -1;
  int64_t first_byte_us_ = 0;
  std::string buffer_;
};

/// CLOCK_MONOTONIC, as the code under test uses it.
int64_t NowUs();

}  // namespace photovec::experiment
