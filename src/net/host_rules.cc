// SPDX-License-Identifier: MIT
#include "net/host_rules.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "net/http_text.h"
#include "net/media_type.h"

namespace photovec::net {
namespace {

bool IsHexDigit(char c) { return IsDigit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }

bool IsPort(std::string_view text) {  // may be empty: "host:" is allowed
  if (text.empty()) return true;
  unsigned port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  return error == std::errc() && end == text.data() + text.size() && IsDigit(text.front()) && port <= 65'535;
}

bool IsIpv6(std::string_view text) {
  in6_addr address{};
  return inet_pton(AF_INET6, std::string(text).c_str(), &address) == 1;
}

bool IsIpv4(std::string_view text) {
  in_addr address{};
  return inet_pton(AF_INET, std::string(text).c_str(), &address) == 1;
}

bool IsName(std::string_view text) {
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '%') {
      if (i + 2 >= text.size() || !IsHexDigit(text[i + 1]) || !IsHexDigit(text[i + 2])) return false;
      i += 2;
    } else if (!IsAlphanumeric(c) && std::string_view("-._~!$&'()*+,;=").find(c) == std::string_view::npos) {
      return false;
    }
  }
  return !text.empty();
}

/// Where the port, or nothing, begins.
size_t HostEnd(std::string_view text) {
  if (!text.starts_with('[')) return std::min(text.find(':'), text.size());
  const size_t bracket = text.find(']');
  return bracket == std::string_view::npos ? 0 : bracket + 1;
}

}  // namespace

bool IsHostPort(std::string_view text) {
  const size_t end = HostEnd(text);
  const std::string_view host = text.substr(0, end);
  const std::string_view rest = text.substr(end);
  if (!rest.empty() && (rest[0] != ':' || !IsPort(rest.substr(1)))) return false;
  if (host.starts_with('[')) return IsIpv6(host.substr(1, host.size() - 2));
  return IsName(host);
}

HostRules::HostRules(std::vector<std::string> names) : any_(false), names_(std::move(names)) {
  for (std::string& name : names_) {
    name = LowerAscii(name);
    if (name == "*") any_ = true;
  }
}

Status HostRules::Check(std::string_view host_port) const {
  if (any_) return Status::Ok();
  std::string host = LowerAscii(host_port.substr(0, HostEnd(host_port)));
  if (host.ends_with('.')) host.pop_back();
  if (host.starts_with('[') || IsIpv4(host) || host.find('.') == std::string::npos) return Status::Ok();
  if (host.ends_with(".localhost")) return Status::Ok();
  for (const std::string_view name : names_) {
    if (host == name) return Status::Ok();
    if (name.starts_with("*.") && host.size() > name.size() - 1 && host.ends_with(name.substr(1)))
      return Status::Ok();
  }
  return {Code::kInvalidRequest, "this server is not called \"" + host.substr(0, 253) +
                                     "\": whoever runs it can allow the name with --allow-server-host"};
}

}  // namespace photovec::net
