// SPDX-License-Identifier: MIT
#pragma once

#include <string>

namespace photovec::net {

/// Who is at the other end of a connection, and by which door it came in. Known before its first request.
struct Peer {
  std::string address;        ///< "192.0.2.1", "2001:db8::1", or "unix" for a local socket: no port
  bool admin = false;         ///< by the admin listener: health and metrics, no photos
  std::string identity = {};  ///< whom its verified TLS certificate names; empty without one
};

}  // namespace photovec::net
