// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace photovec::net {

/// A bare HTTP/1.1 client for one keep-alive connection to this machine: as cheap as a client can be, so that
/// a benchmark measures the server. Blocking; one thread.
class HttpClient {
 public:
  /// Errors: kUnavailable with the reason (all of this class's errors, unless said otherwise).
  static Result<std::unique_ptr<HttpClient>> Connect(uint16_t port);
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  /// POST /embed as multipart/form-data, one part a photo, asking for application/octet-stream. The photos'
  /// bytes are sent from where they lie. Returns the reply's body.
  /// Errors: kInternal quoting a reply that is not 200.
  Result<std::string> Upload(std::span<const Bytes> photos);

 private:
  explicit HttpClient(int fd) : fd_(fd) {}
  Status SendAll(std::vector<std::string>& texts, std::span<const Bytes> photos) const;
  Result<std::string> ReadReply();
  Status Fill();

  const int fd_;
  std::string input_;
};

}  // namespace photovec::net
