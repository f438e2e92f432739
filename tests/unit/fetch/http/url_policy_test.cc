// SPDX-License-Identifier: MIT
#include "fetch/http/url_policy.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <string>
#include <vector>

namespace photovec::fetch {
namespace {

IpAddress Ip(const std::string& text) {
  const auto address = IpAddress::Parse(text);
  EXPECT_TRUE(address.has_value()) << text;
  return address.value_or(IpAddress{});
}

TEST(UrlPolicy, PublicAddressesAreGlobal) {
  for (const char* text : {
           "8.8.8.8",
           "1.1.1.1",
           "142.250.1.1",
           "52.219.0.1",
           "9.255.255.255",
           "11.0.0.0",
           "100.63.255.255",
           "100.128.0.0",
           "126.255.255.255",
           "128.0.0.1",
           "168.63.129.15",
           "168.63.129.17",
           "169.253.255.255",
           "169.255.0.0",
           "172.15.255.255",
           "172.32.0.0",
           "192.0.1.1",
           "192.0.3.0",
           "192.167.255.255",
           "192.169.0.0",
           "198.17.255.255",
           "198.20.0.0",
           "203.0.112.1",
           "203.0.114.1",
           "223.255.255.255",
           "2606:4700:4700::1111",
           "2001:4860:4860::8888",
           "2a00:1450::1",
           "2001:200::1",
           "2003::1",
           "::ffff:8.8.8.8",  // IPv4-mapped is the IPv4 address
       }) {
    EXPECT_TRUE(IsGlobalUnicast(Ip(text))) << text;
  }
}

TEST(UrlPolicy, EverythingElseIsNot) {
  for (const char* text : {
           // IPv4, first and last of each range.
           "0.0.0.0",
           "0.255.255.255",
           "10.0.0.0",
           "10.255.255.255",
           "100.64.0.0",
           "100.64.0.1",
           "100.100.100.200",
           "100.127.255.255",
           "127.0.0.1",
           "127.255.255.255",
           "168.63.129.16",
           "169.254.0.0",
           "169.254.169.254",
           "169.254.255.255",
           "172.16.0.0",
           "172.31.255.255",
           "192.0.0.0",
           "192.0.0.192",
           "192.0.2.1",
           "192.88.99.1",
           "192.168.0.0",
           "192.168.255.255",
           "198.18.0.0",
           "198.19.255.255",
           "198.51.100.7",
           "203.0.113.7",
           "224.0.0.1",
           "239.255.255.255",
           "240.0.0.1",
           "255.255.255.255",
           // IPv6.
           "::",
           "::1",
           "fc00::1",
           "fd00:ec2::254",
           "fdff::1",
           "fe80::1",
           "fe80::a9fe:a9fe",
           "febf::1",
           "fec0::1",
           "ff02::1",
           "ff0e::1",
           "2001:db8::1",
           "3fff::1",
           "3fff:fff::1",
           "100::1",
           "5f00::1",
           "4000::1",
           "e000::1",
           "2001:10::1",
           "2001:20::1",
           "2001:2::1",
           // IPv4 inside IPv6: mapped, compatible, 6to4, both NAT64 prefixes, Teredo, ISATAP.
           "::ffff:127.0.0.1",
           "::ffff:10.0.0.1",
           "::ffff:169.254.169.254",
           "::127.0.0.1",
           "::10.0.0.1",
           "::8.8.8.8",
           "2002:7f00:1::",
           "2002:a9fe:a9fe::1",
           "2002:808:808::1",
           "64:ff9b::a9fe:a9fe",
           "64:ff9b::8.8.8.8",
           "64:ff9b:1::a9fe:a9fe",
           "64:ff9b:1:ffff::1",
           "2001:0:4136:e378::1",
           "2001::1",
           "2606:4700::5efe:a00:1",
           "2606:4700::200:5efe:a00:1",
           "fe80::5efe:7f00:1",
       }) {
    EXPECT_FALSE(IsGlobalUnicast(Ip(text))) << text;
  }
}

TEST(UrlPolicy, ReopenedNetworksAreAllowedAndNothingBeside) {
  const auto policy = UrlPolicy::Create({}, {"10.1.0.0/16", "127.0.0.1", "::1/128", "fd00:1::/32"}).value();
  for (const char* text : {"10.1.0.0", "10.1.255.255", "127.0.0.1", "::1", "fd00:1::5", "::ffff:10.1.2.3",
                           "8.8.8.8", "2606:4700::1"}) {
    EXPECT_TRUE(policy.AddressAllowed(Ip(text))) << text;
  }
  for (const char* text : {"10.2.0.0", "10.0.255.255", "127.0.0.2", "::2", "::", "fd00:2::5",
                           "::ffff:10.2.0.1", "169.254.169.254", "::127.0.0.1", "64:ff9b::10.1.0.1"}) {
    EXPECT_FALSE(policy.AddressAllowed(Ip(text))) << text;
  }
}

TEST(UrlPolicy, ReopeningATranslatorDoesNotReopenWhatIsBehindIt) {
  const auto policy = UrlPolicy::Create({}, {"64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32",
                                             "::/96", "2600::/12"})
                          .value();
  EXPECT_TRUE(policy.AddressAllowed(Ip("64:ff9b::8.8.8.8")));
  EXPECT_FALSE(policy.AddressAllowed(Ip("64:ff9b::169.254.169.254")));
  EXPECT_FALSE(policy.AddressAllowed(Ip("64:ff9b:1::10.0.0.1")));
  EXPECT_FALSE(policy.AddressAllowed(Ip("64:ff9b:1:a00:0:100:808:808")));  // 10.0.0.1 behind the /48
  EXPECT_TRUE(policy.AddressAllowed(Ip("2002:808:808::1")));
  EXPECT_FALSE(policy.AddressAllowed(Ip("2002:a00:1::1")));
  // Teredo: the client's address is stored with all bits flipped; 5601:fefe is 169.254.1.1.
  EXPECT_FALSE(policy.AddressAllowed(Ip("2001:0:808:808:0:0:5601:fefe")));
  EXPECT_TRUE(policy.AddressAllowed(Ip("2001:0:808:808:0:0:f7f7:f7f7")));
  EXPECT_FALSE(policy.AddressAllowed(Ip("::169.254.169.254")));
  EXPECT_FALSE(policy.AddressAllowed(Ip("2606:4700::5efe:a00:1")));  // ISATAP
  EXPECT_TRUE(policy.AddressAllowed(Ip("2606:4700::5efe:808:808")));
}

TEST(UrlPolicy, HostPatterns) {
  const auto policy = UrlPolicy::Create({"Images.Example.com", "*.cdn.example.", "minio.lan:9000",
                                         "any.lan:*", "127.0.0.1", "[::1]:8080"},
                                        {})
                          .value();
  struct Case {
    const char* host;
    int port;
    bool allowed;
  };
  for (const Case& c : std::vector<Case>{
           {"images.example.com", 443, true},
           {"IMAGES.EXAMPLE.COM", 80, true},
           {"images.example.com.", 443, true},
           {"images.example.com", 8080, false},
           {"images.example.com", 22, false},
           {"evil-images.example.com", 443, false},
           {"images.example.com.evil.net", 443, false},
           {"example.com", 443, false},
           {"a.cdn.example", 443, true},
           {"a.b.cdn.example", 80, true},
           {"cdn.example", 443, false},
           {".cdn.example", 443, false},
           {"evilcdn.example", 443, false},
           {"minio.lan", 9000, true},
           {"minio.lan", 443, false},
           {"any.lan", 1, true},
           {"any.lan", 65535, true},
           {"127.0.0.1", 80, true},
           {"127.0.0.2", 80, false},
           {"[::1]", 8080, true},
           {"[::1]", 80, false},
           {"", 443, false},
           {".", 443, false},
       }) {
    EXPECT_EQ(policy.HostAllowed(c.host, c.port), c.allowed) << c.host << ':' << c.port;
  }
  const auto open = UrlPolicy::Create({"*"}, {}).value();
  EXPECT_TRUE(open.HostAllowed("anything.example", 443));
  EXPECT_FALSE(open.HostAllowed("anything.example", 6379));
  EXPECT_TRUE(UrlPolicy::Create({"*:*"}, {}).value().HostAllowed("anything.example", 6379));
  EXPECT_FALSE(UrlPolicy::Create({}, {}).value().HostAllowed("images.example.com", 443));
}

TEST(UrlPolicy, MalformedPatternsAndNetworksAreNamed) {
  for (const char* text :
       {"", "https://x.org", "x.org/path", "a b", "*.", "*x.org", "a.*.org", "x.org:", "x.org:0",
        "x.org:65536", "x.org:80x", "[::1", "[zz]", "*.[::1]", "bücher.example", "u@x.org"}) {
    const auto policy = UrlPolicy::Create({text}, {});
    ASSERT_FALSE(policy.ok()) << text;
    EXPECT_EQ(policy.status().code(), Code::kInvalidRequest);
    EXPECT_NE(policy.status().message().find("'" + std::string(text) + "'"), std::string::npos);
  }
  for (const char* text : {"", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0/8", "::/129", "10.0.0.0/8x",
                           "host", "0x0a.0.0.1/8", "10.0.0.0 /8"}) {
    const auto policy = UrlPolicy::Create({}, {text});
    ASSERT_FALSE(policy.ok()) << text;
    EXPECT_NE(policy.status().message().find("'" + std::string(text) + "'"), std::string::npos);
  }
}

TEST(IpAddress, FromSockaddr) {
  sockaddr_in v4{};
  v4.sin_family = AF_INET;
  inet_pton(AF_INET, "10.1.2.3", &v4.sin_addr);
  EXPECT_EQ(IpAddress::FromSockaddr(reinterpret_cast<sockaddr*>(&v4))->ToString(), "10.1.2.3");
  sockaddr_in6 v6{};
  v6.sin6_family = AF_INET6;
  inet_pton(AF_INET6, "fd00::7", &v6.sin6_addr);
  EXPECT_EQ(IpAddress::FromSockaddr(reinterpret_cast<sockaddr*>(&v6))->ToString(), "fd00::7");
  sockaddr_un local{};
  local.sun_family = AF_UNIX;
  EXPECT_FALSE(IpAddress::FromSockaddr(reinterpret_cast<sockaddr*>(&local)).has_value());
}

}  // namespace
}  // namespace photovec::fetch
