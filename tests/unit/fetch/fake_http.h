// SPDX-License-Identifier: MIT
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "fetch/http/http_call.h"
#include "fetch/source.h"

namespace photovec::fetch {

/// Answers as the test says and remembers what was asked.
class FakeHttp final : public HttpCaller {
 public:
  using Handler = std::function<Result<HttpAnswer>(const HttpCall&)>;
  explicit FakeHttp(Handler handler) : handler_(std::move(handler)) {}

  Result<HttpAnswer> Call(const HttpCall& call) const override {
    {
      std::scoped_lock lock(mutex_);
      calls_.push_back(call);
    }
    return handler_(call);
  }
  std::vector<HttpCall> calls() const {
    std::scoped_lock lock(mutex_);
    return calls_;
  }

 private:
  const Handler handler_;
  mutable std::mutex mutex_;
  mutable std::vector<HttpCall> calls_;
};

/// There is no connection to anybody.
inline std::shared_ptr<FakeHttp> Nobody() {
  return std::make_shared<FakeHttp>(
      [](const HttpCall&) -> Result<HttpAnswer> { return Status(Code::kSourceFailed, "no connection"); });
}

inline HttpAnswer Answer(long status, std::string body, std::map<std::string, std::string> headers = {}) {
  return {.status = status, .headers = std::move(headers), .body = std::move(body)};
}

/// Header names in lower case.
class FakeReply final : public Reply {
 public:
  FakeReply(long status, std::string body, std::map<std::string, std::string> headers = {})
      : status_(status), body_(std::move(body)), headers_(std::move(headers)) {}
  long status() const override { return status_; }
  std::optional<std::string> Header(std::string_view name) const override {
    const auto found = headers_.find(std::string(name));
    return found == headers_.end() ? std::nullopt : std::optional(found->second);
  }
  std::string_view error_body() const override { return body_; }

 private:
  long status_;
  std::string body_;
  std::map<std::string, std::string> headers_;
};

}  // namespace photovec::fetch
