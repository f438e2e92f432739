// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace photovec::net {

/// Whether `text` is host[:port] as RFC 3986 writes it: a name, an IPv4 address or an IPv6 address in
/// brackets, and a port up to 65535. Neither user names nor an empty host.
bool IsHostPort(std::string_view text);

/// Which names a client may use for this server in Host. A page of a stranger whose name resolves to our
/// address (DNS rebinding) makes a visitor's browser send the stranger's name: it must not be served where
/// "only this machine can come in" is all the protection. Addresses, "localhost" and names of one label are
/// always taken: no stranger can own one of those in public DNS. Immutable, thread-safe.
class HostRules {
 public:
  /// Any name is taken.
  HostRules() = default;
  /// \param names "photos.example.com", "*.example.com" (any depth below), "*": any. In any case; ports do not matter.
  explicit HostRules(std::vector<std::string> names);

  /// Errors: kInvalidRequest naming the host and the flag that would allow it.
  Status Check(std::string_view host_port) const;

 private:
  bool any_ = true;
  std::vector<std::string> names_;  // in lower case
};

}  // namespace photovec::net
