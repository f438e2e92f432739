// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "net/request_head.h"
#include "net/response.h"

namespace photovec::api {

/// Which web pages may use the server from a visitor's browser. By default only those that it serves itself.
/// Thread-safe.
class OriginRules {
 public:
  OriginRules() = default;
  /// \param allowed "https://photos.example.com", as browsers send them.
  explicit OriginRules(std::vector<std::string> allowed) : allowed_(std::move(allowed)) {}
  /// Errors: kInvalidRequest for what is no origin. "*" is none: it would let every page on the web in.
  static Status Check(std::string_view origin);

  /// Whether the request may do work. A browser tells where a page is from in Origin or Sec-Fetch-Site; a
  /// page
  /// of elsewhere may read nothing and send nothing but harmless navigation. Errors: kForbidden.
  Status Judge(const net::RequestHead& head) const;
  /// A preflight of a page that is allowed: it asks before it sends.
  bool IsPreflight(const net::RequestHead& head) const;
  /// Adds what lets a page that is allowed read the reply; nothing for others.
  void AddHeaders(const net::RequestHead& head, net::Response& response) const;

 private:
  bool Allows(std::string_view origin) const;
  std::vector<std::string> allowed_;
};

/// Whether a browser sent it, on behalf of some page.
bool FromBrowser(const net::RequestHead& head);

/// The reply to a preflight, to which AddHeaders adds the rest.
net::Response PreflightReply(std::string_view allowed_methods);

}  // namespace photovec::api
