// SPDX-License-Identifier: MIT
#pragma once

#include <curl/urlapi.h>

#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace photovec::fetch {

/// An http(s) URL, parsed by the very parser that the transfer uses, so that what is checked is what is
/// fetched. Move-only.
class HttpUrl {
 public:
  /// What a client wrote, as browsers read it: without blanks and line ends around it, without tabs and line
  /// ends in it; a blank in it is %20. Source: WHATWG URL, "basic URL parser".
  static std::string Cleaned(std::string_view text);
  /// Errors: kInvalidRequest (malformed; credentials; a host with characters that names do not have),
  /// kSourceNotAllowed (another scheme). Messages name nothing.
  static Result<HttpUrl> Parse(const std::string& text);

  CURLU* handle() const { return handle_.get(); }  ///< owned here; give it to CURLOPT_CURLU
  bool https() const { return https_; }
  const std::string& host() const {
    return host_;
  }  ///< "example.com", "127.0.0.1" (from any spelling), "[::1]"
  int port() const { return port_; }
  /// "https://example.com:443": the key of caps per host, and what logs show.
  std::string Origin() const;

 private:
  struct Free {
    void operator()(CURLU* handle) const { curl_url_cleanup(handle); }
  };
  std::unique_ptr<CURLU, Free> handle_;
  bool https_ = false;
  std::string host_;
  int port_ = 0;
};

}  // namespace photovec::fetch
