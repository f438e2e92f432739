// SPDX-License-Identifier: MIT
#include "fetch/http/url_policy.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <charconv>
#include <cstring>

#include "base/text/ascii.h"

namespace photovec::fetch {
namespace {

struct Special {
  IpAddress base;
  int prefix_bits;
};

constexpr Special V4(uint8_t a, uint8_t b, uint8_t c, uint8_t d, int bits) {
  return {{.v6 = false, .bytes = {a, b, c, d}}, bits};
}
constexpr Special V6(uint16_t a, uint16_t b, uint16_t c, int bits) {
  const auto high = [](uint16_t word) { return static_cast<uint8_t>(word >> 8); };
  const auto low = [](uint16_t word) { return static_cast<uint8_t>(word & 0xFF); };
  return {{.v6 = true, .bytes = {high(a), low(a), high(b), low(b), high(c), low(c)}}, bits};
}

// Source: IANA IPv4 special-purpose address registry, plus what clouds use for themselves.
constexpr std::array kSpecialV4 = {
    V4(0, 0, 0, 0, 8),         // "this network"
    V4(10, 0, 0, 0, 8),        // private
    V4(100, 64, 0, 0, 10),     // carrier NAT; Alibaba's metadata lives here
    V4(127, 0, 0, 0, 8),       // loopback
    V4(168, 63, 129, 16, 32),  // Azure's platform services
    V4(169, 254, 0, 0, 16),    // link local; cloud metadata
    V4(172, 16, 0, 0, 12),     // private
    V4(192, 0, 0, 0, 24),      // protocol assignments; Oracle's metadata
    V4(192, 0, 2, 0, 24),      // documentation
    V4(192, 88, 99, 0, 24),    // 6to4 relays
    V4(192, 168, 0, 0, 16),    // private
    V4(198, 18, 0, 0, 15),     // benchmarks
    V4(198, 51, 100, 0, 24),   // documentation
    V4(203, 0, 113, 0, 24),    // documentation
    V4(224, 0, 0, 0, 4),       // multicast
    V4(240, 0, 0, 0, 4),       // reserved, broadcast
};

// Global unicast IPv6 is 2000::/3 (RFC 4291 §2.4); these are the parts of it that are not. Everything outside
// (::, ::1, IPv4-compatible, NAT64 64:ff9b::/96 and 64:ff9b:1::/48, fc00::/7, fe80::/10, ff00::/8) is out
// already.
constexpr Special kGlobalV6 = V6(0x2000, 0, 0, 3);
constexpr std::array kSpecialV6 = {
    V6(0x2001, 0, 0, 23),      // protocol assignments: Teredo, ORCHID, benchmarks
    V6(0x2001, 0xdb8, 0, 32),  // documentation
    V6(0x2002, 0, 0, 16),      // 6to4
    V6(0x3fff, 0, 0, 20),      // documentation
};

constexpr Special kMapped = {{.v6 = true, .bytes = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}}, 96};
constexpr Special kCompatible = V6(0, 0, 0, 96);
constexpr Special kNat64 = V6(0x64, 0xff9b, 0, 96);
constexpr Special kLocalNat64 = V6(0x64, 0xff9b, 1, 48);
constexpr Special k6to4 = V6(0x2002, 0, 0, 16);
constexpr Special kTeredo = V6(0x2001, 0, 0, 32);

bool Within(const IpAddress& address, const IpAddress& base, int prefix_bits) {
  if (address.v6 != base.v6) return false;
  const auto whole = static_cast<size_t>(prefix_bits / 8);
  if (!std::equal(base.bytes.begin(), base.bytes.begin() + whole, address.bytes.begin())) return false;
  const int rest = prefix_bits % 8;
  if (rest == 0) return true;
  const int mask = 0xFF << (8 - rest);
  return ((address.bytes[whole] ^ base.bytes[whole]) & mask) == 0;
}
bool Within(const IpAddress& address, const Special& range) {
  return Within(address, range.base, range.prefix_bits);
}

IpAddress InnerV4(const IpAddress& address, size_t offset, uint8_t flip = 0) {
  IpAddress inner;
  for (size_t i = 0; i < 4; ++i) inner.bytes[i] = static_cast<uint8_t>(address.bytes[offset + i] ^ flip);
  return inner;
}

/// ISATAP interface identifiers are [00|02]00:5efe followed by the IPv4 address (RFC 5214 §6.1).
bool IsIsatap(const IpAddress& address) {
  const auto& b = address.bytes;
  return address.v6 && (b[8] & ~2) == 0 && b[9] == 0 && b[10] == 0x5e && b[11] == 0xfe;
}

/// IPv4 addresses that a translator or tunnel would read out of this one.
std::vector<IpAddress> InnerAddresses(const IpAddress& address) {
  if (Within(address, kCompatible) || Within(address, kNat64) || IsIsatap(address)) {
    return {InnerV4(address, 12)};
  }
  // RFC 6052 §2.2 allows several places behind a /48; byte 8 is skipped.
  if (Within(address, kLocalNat64)) {
    IpAddress split;
    split.bytes = {address.bytes[6], address.bytes[7], address.bytes[9], address.bytes[10]};
    return {split, InnerV4(address, 12)};
  }
  if (Within(address, k6to4)) return {InnerV4(address, 2)};
  // RFC 4380 §4: the server in clear, the client with all bits flipped.
  if (Within(address, kTeredo)) return {InnerV4(address, 4), InnerV4(address, 12, 0xFF)};
  return {};
}

IpAddress Unmapped(const IpAddress& address) {
  return Within(address, kMapped) ? InnerV4(address, 12) : address;
}

std::string LowerHost(std::string_view host) {
  if (host.ends_with('.')) host.remove_suffix(1);  // "example.com." is example.com
  return LowerAscii(host);
}

}  // namespace

std::optional<IpAddress> IpAddress::Parse(std::string_view text) {
  const std::string terminated(text);
  if (terminated.size() != std::strlen(terminated.c_str())) return std::nullopt;
  IpAddress address;
  address.v6 = text.find(':') != std::string_view::npos;
  if (inet_pton(address.v6 ? AF_INET6 : AF_INET, terminated.c_str(), address.bytes.data()) != 1) {
    return std::nullopt;
  }
  return address;
}

std::optional<IpAddress> IpAddress::FromSockaddr(const sockaddr* address) {
  IpAddress result;
  if (address->sa_family == AF_INET) {
    sockaddr_in in{};
    std::memcpy(&in, address, sizeof in);
    std::memcpy(result.bytes.data(), &in.sin_addr, 4);
    return result;
  }
  if (address->sa_family == AF_INET6) {
    sockaddr_in6 in{};
    std::memcpy(&in, address, sizeof in);
    result.v6 = true;
    std::memcpy(result.bytes.data(), &in.sin6_addr, 16);
    return result;
  }
  return std::nullopt;
}

std::string IpAddress::ToString() const {
  std::array<char, INET6_ADDRSTRLEN> text{};
  inet_ntop(v6 ? AF_INET6 : AF_INET, bytes.data(), text.data(), text.size());
  return text.data();
}

Result<Cidr> Cidr::Parse(std::string_view text) {
  const Status bad(Code::kInvalidRequest,
                   "'" + std::string(text) + "' is not a network; write 10.1.0.0/16 or fd00::/8");
  const size_t slash = text.find('/');
  const auto base = IpAddress::Parse(text.substr(0, slash));
  if (!base) return bad;
  const int longest = base->v6 ? 128 : 32;
  Cidr cidr{*base, longest};
  if (slash != std::string_view::npos) {
    const std::string_view bits = text.substr(slash + 1);
    const auto [end, error] = std::from_chars(bits.data(), bits.data() + bits.size(), cidr.prefix_bits);
    if (error != std::errc() || end != bits.data() + bits.size()) return bad;
    if (cidr.prefix_bits < 0 || cidr.prefix_bits > longest) return bad;
  }
  return cidr;
}

bool Cidr::Contains(const IpAddress& address) const { return Within(address, base, prefix_bits); }

bool IsGlobalUnicast(const IpAddress& given) {
  const IpAddress address = Unmapped(given);
  const auto in = [&](const Special& range) { return Within(address, range); };
  if (!address.v6) return std::none_of(kSpecialV4.begin(), kSpecialV4.end(), in);
  return in(kGlobalV6) && !IsIsatap(address) && std::none_of(kSpecialV6.begin(), kSpecialV6.end(), in);
}

Result<UrlPolicy::HostPattern> UrlPolicy::ParsePattern(std::string_view text) {
  const Status bad(Code::kInvalidRequest,
                   "'" + std::string(text) +
                       "' is not a host pattern; write images.example.com, *.example.com, host:9000, host:*, "
                       "[::1]:9000 or *");
  HostPattern pattern;
  const size_t bracket = text.starts_with('[') ? text.find(']') : 0;
  if (bracket == std::string_view::npos) return bad;
  const size_t colon = text.find(':', bracket);
  std::string_view host = text.substr(0, colon);
  if (colon != std::string_view::npos) {
    const std::string_view port = text.substr(colon + 1);
    if (port == "*") {
      pattern.any_port = true;
    } else {
      const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), pattern.port);
      if (error != std::errc() || end != port.data() + port.size()) return bad;
      if (pattern.port < 1 || pattern.port > 65535) return bad;
    }
  }
  if (host == "*") {
    pattern.any_host = true;
    return pattern;
  }
  if (host.starts_with("*.")) {
    pattern.subdomains = true;
    host.remove_prefix(2);
  }
  pattern.name = LowerHost(host);
  constexpr std::string_view kPlain = "abcdefghijklmnopqrstuvwxyz0123456789-._";
  if (bracket > 0) {
    if (pattern.subdomains || !IpAddress::Parse(pattern.name.substr(1, bracket - 1))) return bad;
  } else if (pattern.name.empty() || pattern.name.find_first_not_of(kPlain) != std::string::npos) {
    return bad;
  }
  return pattern;
}

Result<UrlPolicy> UrlPolicy::Create(const std::vector<std::string>& allow_hosts,
                                    const std::vector<std::string>& allow_cidrs) {
  UrlPolicy policy;
  for (const std::string& text : allow_hosts) {
    ASSIGN_OR_RETURN(HostPattern pattern, ParsePattern(text));
    policy.hosts_.push_back(std::move(pattern));
  }
  for (const std::string& text : allow_cidrs) {
    ASSIGN_OR_RETURN(const Cidr cidr, Cidr::Parse(text));
    policy.cidrs_.push_back(cidr);
  }
  return policy;
}

bool UrlPolicy::HostAllowed(std::string_view host, int port) const {
  const std::string name = LowerHost(host);
  if (name.empty()) return false;
  return std::any_of(hosts_.begin(), hosts_.end(), [&](const HostPattern& pattern) {
    const bool port_fits =
        pattern.any_port || (pattern.port == 0 ? port == 80 || port == 443 : port == pattern.port);
    if (!port_fits) return false;
    if (pattern.any_host) return true;
    if (!pattern.subdomains) return name == pattern.name;
    return name.size() > pattern.name.size() + 1 && name.ends_with(pattern.name) &&
           name[name.size() - pattern.name.size() - 1] == '.';
  });
}

bool UrlPolicy::Reopened(const IpAddress& address) const {
  return std::any_of(cidrs_.begin(), cidrs_.end(), [&](const Cidr& cidr) { return cidr.Contains(address); });
}

bool UrlPolicy::AddressAllowed(const IpAddress& given) const {
  const IpAddress address = Unmapped(given);
  if (IsGlobalUnicast(address)) return true;
  if (!Reopened(address)) return false;
  // ::1 and :: look like IPv4-compatible addresses, but no tunnel reads them so.
  if (Within(address, V6(0, 0, 0, 112))) return true;
  const std::vector<IpAddress> inner = InnerAddresses(address);
  return std::all_of(inner.begin(), inner.end(),
                     [&](const IpAddress& v4) { return IsGlobalUnicast(v4) || Reopened(v4); });
}

}  // namespace photovec::fetch
