// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

struct sockaddr;

namespace photovec::fetch {

/// An IPv4 or IPv6 address, network byte order. IPv4 uses the first 4 bytes.
struct IpAddress {
  bool v6 = false;
  std::array<uint8_t, 16> bytes{};

  /// Strict forms only ("127.0.0.1", "::1"); what a URL may write instead is for the resolver to make sense
  /// of.
  static std::optional<IpAddress> Parse(std::string_view text);
  /// nullopt for a family other than AF_INET and AF_INET6.
  static std::optional<IpAddress> FromSockaddr(const sockaddr* address);
  std::string ToString() const;
  bool operator==(const IpAddress&) const = default;
};

/// A network, "10.0.0.0/8". An address without a length is that address alone.
struct Cidr {
  IpAddress base;
  int prefix_bits = 0;

  /// Errors: kInvalidRequest quoting the text.
  static Result<Cidr> Parse(std::string_view text);
  /// False for an address of the other family.
  bool Contains(const IpAddress& address) const;
};

/// True for addresses of the public internet, one host each. False for everything that the IANA
/// special-purpose registries (RFC 6890 and its updates) list, multicast, Azure's platform address
/// 168.63.129.16, and every IPv6 form that carries an IPv4 address inside (IPv4-compatible, 6to4, both NAT64
/// prefixes, Teredo, ISATAP), since a translator on the way could turn it into a private one. IPv4-mapped
/// addresses are judged as the IPv4 address.
bool IsGlobalUnicast(const IpAddress& address);

/// Who may be fetched from over http(s): a list of host patterns, judged before anything is resolved, and a
/// rule for addresses, judged on the very address that is about to be connected to. Immutable; thread-safe.
class UrlPolicy {
 public:
  /// \param allow_hosts, allow_cidrs as FetchOptions describes them.
  /// Errors: kInvalidRequest naming the pattern that is malformed.
  static Result<UrlPolicy> Create(const std::vector<std::string>& allow_hosts,
                                  const std::vector<std::string>& allow_cidrs);

  /// \param host as the URL parser gives it: a name in ASCII, "127.0.0.1" or "[::1]". Case does not matter.
  bool HostAllowed(std::string_view host, int port) const;

  /// Global unicast, or in a reopened network. An IPv6 address with an IPv4 address inside needs both: a
  /// reopened network for itself, and the inner address allowed.
  bool AddressAllowed(const IpAddress& address) const;

 private:
  struct HostPattern {
    bool any_host = false;
    bool subdomains = false;  ///< `name` is the domain; only names below it match
    std::string name;         ///< lower case, no trailing dot
    bool any_port = false;
    int port = 0;  ///< 0: 80 and 443
  };
  static Result<HostPattern> ParsePattern(std::string_view text);
  bool Reopened(const IpAddress& address) const;

  std::vector<HostPattern> hosts_;
  std::vector<Cidr> cidrs_;
};

}  // namespace photovec::fetch
