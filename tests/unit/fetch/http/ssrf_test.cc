// SPDX-License-Identifier: MIT
#include <dlfcn.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <iterator>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "fetch/make_fetcher.h"
#include "unit/fetch/fetch_probe.h"
#include "unit/fetch/origin_server.h"

namespace {

std::atomic<int> connects{0};  // to internet addresses, of this process

/// What the name server of *.rebind.test answers, in turn; the last for good.
class Rebinding {
 public:
  using Answer = std::vector<std::string>;  // addresses

  void Set(std::vector<Answer> answers) {
    std::scoped_lock lock(mutex_);
    answers_ = std::move(answers);
    asked_ = 0;
  }
  Answer Next() {
    std::scoped_lock lock(mutex_);
    return answers_.at(std::min(asked_++, answers_.size() - 1));
  }
  size_t asked() {
    std::scoped_lock lock(mutex_);
    return asked_;
  }

 private:
  std::mutex mutex_;
  std::vector<Answer> answers_;
  size_t asked_ = 0;
};

Rebinding rebinding;

}  // namespace

/// As connect() below: what libcurl's resolver thread calls.
extern "C" int getaddrinfo(const char* name, const char* service, const addrinfo* hints, addrinfo** found) {
  using Resolve = int (*)(const char*, const char*, const addrinfo*, addrinfo**);
  static const auto real = reinterpret_cast<Resolve>(dlsym(RTLD_NEXT, "getaddrinfo"));
  if (name == nullptr || !std::string_view(name).ends_with(".rebind.test")) {
    return real(name, service, hints, found);
  }
  addrinfo numeric{};
  if (hints != nullptr) numeric = *hints;
  numeric.ai_family = AF_INET;
  numeric.ai_flags = AI_NUMERICHOST;
  addrinfo** end = found;
  for (const std::string& address : rebinding.Next()) {
    if (const int error = real(address.c_str(), service, &numeric, end); error != 0) return error;
    while (*end != nullptr) end = &(*end)->ai_next;
  }
  return 0;
}

/// Stands before libc's, for libcurl too: whatever a message says, this is what happened.
extern "C" int connect(int fd, const sockaddr* address, socklen_t size) {
  using Connect = int (*)(int, const sockaddr*, socklen_t);
  static const auto real = reinterpret_cast<Connect>(dlsym(RTLD_NEXT, "connect"));
  // A resolver's datagrams are no connections to an origin.
  int type = 0;
  socklen_t type_size = sizeof type;
  getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &type_size);
  const bool internet = address->sa_family == AF_INET || address->sa_family == AF_INET6;
  if (internet && type == SOCK_STREAM) ++connects;
  return real(fd, address, size);
}

namespace photovec::fetch {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

/// Every host is allowed, as with --allow-host '*:*': only the address decides. No network is reopened.
FetchOptions AnyHost() {
  FetchOptions options;
  options.allow_hosts = {"*:*"};
  options.max_attempts = 1;
  return options;
}

std::string WithPort(std::string url, const std::string& port) {
  const size_t at = url.find("PORT");
  if (at != std::string::npos) url.replace(at, 4, port);
  return url;
}

// PORT is where the trap listens; it sees what reaches 127.0.0.1 under any name or spelling.
constexpr const char* kAddresses[] = {
    // This machine, in every spelling that a resolver or a lenient parser understands.
    "http://127.0.0.1:PORT/",
    "http://127.0.0.1.:PORT/",
    "http://127.0.1:PORT/",
    "http://127.1:PORT/",
    "http://127.1.:PORT/",
    "http://2130706433:PORT/",
    "http://0x7f000001:PORT/",
    "http://0X7F000001:PORT/",
    "http://017700000001:PORT/",
    "http://0x7f.0.0.1:PORT/",
    "http://0x7f.1:PORT/",
    "http://0177.0.0.1:PORT/",
    "http://0177.0x0.0.1:PORT/",
    "http://00000177.0.0.1:PORT/",
    "http://127.0.0x1:PORT/",
    "http://127.65535:PORT/",
    "http://127.0.65535:PORT/",
    "http://127.255.255.254:PORT/",
    "http://0:PORT/",
    "http://0x0:PORT/",
    "http://0.0.0.0:PORT/",
    "http://0.1:PORT/",
    "http://localhost:PORT/",
    "http://LOCALHOST:PORT/",
    "http://localhost.:PORT/",
    "http://%6cocalhost:PORT/",
    "http://127%2e0%2e0%2e1:PORT/",
    "http://127.0.0.1:0PORT/",
    "https://127.0.0.1:PORT/",
    "HTTP://127.0.0.1:PORT/",
    "http:/127.0.0.1:PORT/",
    "http:127.0.0.1:PORT/",
    "http:///127.0.0.1:PORT/",
    "http:\\\\127.0.0.1:PORT/",
    // Private, link-local, shared, reserved; cloud metadata services.
    "http://10.0.0.1/",
    "http://10.255.255.255/",
    "http://172.16.0.1/",
    "http://172.31.255.255/",
    "http://192.168.0.1/",
    "http://192.168.1:PORT/",
    "http://100.64.0.1/",
    "http://100.100.100.200/latest/meta-data/",
    "http://169.254.169.254/latest/meta-data/",
    "http://169.254.43518/latest/meta-data/",
    "http://2852039166/latest/meta-data/",
    "http://0xa9fea9fe/latest/meta-data/",
    "http://0251.0376.0251.0376/",
    "http://169.254.170.2/v2/credentials/",
    "http://192.0.0.192/opc/v2/",
    "http://168.63.129.16/machine",
    "http://192.0.2.1/",
    "http://198.18.0.1/",
    "http://198.51.100.1/",
    "http://203.0.113.1/",
    "http://224.0.0.1/",
    "http://240.0.0.1/",
    "http://255.255.255.255/",
    // IPv6, and IPv4 inside it: mapped, compatible, both NAT64 prefixes, 6to4, Teredo, ISATAP.
    "http://[::1]:PORT/",
    "http://[0:0:0:0:0:0:0:1]:PORT/",
    "http://[0000::0001]:PORT/",
    "http://[::]:PORT/",
    "http://[::ffff:127.0.0.1]:PORT/",
    "http://[::ffff:7f00:1]:PORT/",
    "http://[::FFFF:7F00:0001]:PORT/",
    "http://[::127.0.0.1]:PORT/",
    "http://[::ffff:0:127.0.0.1]:PORT/",
    "http://[::ffff:a9fe:a9fe]/latest/",
    "http://[::ffff:10.0.0.1]/",
    "http://[64:ff9b::127.0.0.1]:PORT/",
    "http://[64:ff9b::a9fe:a9fe]/",
    "http://[64:ff9b:1::10.0.0.1]/",
    "http://[2002:7f00:1::]:PORT/",
    "http://[2002:a9fe:a9fe::1]/",
    "http://[2001:0:7f00:1::]/",
    "http://[2001:0:4136:e378:8000:63bf:80ff:fffe]/",
    "http://[2606:4700::5efe:127.0.0.1]:PORT/",
    "http://[2606:4700::200:5efe:10.0.0.1]/",
    "http://[fe80::5efe:169.254.169.254]/",
    "http://[fe80::1]:PORT/",
    "http://[fe80::1%25lo]:PORT/",
    "http://[fe80::1%lo]:PORT/",
    "http://[fd00:ec2::254]/latest/",
    "http://[fc00::1]/",
    "http://[fec0::1]/",
    "http://[ff02::1]/",
    "http://[2001:db8::1]/",
    "http://[100::1]/",
    "http://[::1]x:PORT/",
    // User information, separators, and what two parsers may read in two ways.
    "http://images.example.com@127.0.0.1:PORT/",
    "http://images.example.com:80@127.0.0.1:PORT/",
    "http://a:b@127.0.0.1:PORT/",
    "http://@127.0.0.1:PORT/",
    "http://127.0.0.1:PORT@localhost:PORT/",
    "http://127.0.0.1:PORT\\@images.example.com/",
    "http://127.0.0.1:PORT#@images.example.com/",
    "http://127.0.0.1:PORT?@images.example.com/",
    "http://127.0.0.1%00.example.com:PORT/",
    "http://127.0.0.1%0d%0a:PORT/",
    "http://127.0.0.1 :PORT/",
    "http://127.0.0.1\t:PORT/",
    "http://\r\n127.0.0.1:PORT/",
    "http://127.0.0.1:PORT:80/",
    "http://127.0.0.1:99999/",
    "http://127.0.0.1:-1/",
    "http://127.0.0.1:+PORT/",
    // Digits, dots and letters that IDNA folds into ASCII ones.
    "http://\xEF\xBC\x91\xEF\xBC\x92\xEF\xBC\x97.0.0.1:PORT/",
    "http://\xE2\x91\xA0\xE2\x91\xA1\xE2\x91\xA6.0.0.1:PORT/",
    "http://127\xE3\x80\x82"
    "0\xE3\x80\x82"
    "0\xE3\x80\x82"
    "1:PORT/",
    "http://\xE2\x93\x9Bocalhost:PORT/",
    "http://loc\xC2\xAD"
    "alhost:PORT/",
    // Other protocols that libcurl may know.
    "ftp://127.0.0.1:PORT/",
    "gopher://127.0.0.1:PORT/_x",
    "dict://127.0.0.1:PORT/d:x",
    "ldap://127.0.0.1:PORT/",
    "telnet://127.0.0.1:PORT/",
    "tftp://127.0.0.1:PORT/x",
    "smb://127.0.0.1:PORT/x",
    "ws://127.0.0.1:PORT/",
    "file://127.0.0.1/etc/passwd",
    "//127.0.0.1:PORT/",
};
static_assert(std::size(kAddresses) >= 60);

TEST(Ssrf, NoConnectionLeavesWhateverIsAskedFor) {
  const Trap trap("127.0.0.1");
  const auto fetcher = MakeFetcher(AnyHost()).value();
  for (const char* form : kAddresses) {
    const std::string url = WithPort(form, std::to_string(trap.port()));
    const int before = connects.load();
    const Result<Bytes> result = Probe(*fetcher, url).Get();
    EXPECT_EQ(connects.load() - before, 0) << url;
    ASSERT_FALSE(result.ok()) << url;
    // Some resolvers know no address with a dot behind it; that is an answer too.
    EXPECT_THAT(result.status().ToString(),
                AnyOf(StartsWith("source_not_allowed: "), StartsWith("invalid_request: "),
                      HasSubstr("could not be resolved")))
        << url;
  }
  EXPECT_FALSE(trap.Sprung());
}

TEST(Ssrf, NorWhenAnAllowedOriginRedirectsThere) {
  const Trap trap("127.0.0.2");
  const std::string port = std::to_string(trap.port());
  OriginServer origin;
  int targets = 0;
  for (const char* target :
       {"http://127.0.0.2:PORT/", "//127.0.0.2:PORT/", "http://127.2:PORT/", "http://2130706434:PORT/",
        "http://0x7f000002:PORT/", "http://0177.0.0.2:PORT/", "http://[::ffff:127.0.0.2]:PORT/",
        "http://u:p@127.0.0.2:PORT/", "http://127.0.0.2.:PORT/", "http://0.0.0.0:PORT/", "http://[::1]:PORT/",
        "http://169.254.169.254/latest/", "gopher://127.0.0.2:PORT/", "file:///etc/passwd",
        "\\\\127.0.0.2:PORT/"}) {
    origin.On("/" + std::to_string(targets++),
              [to = WithPort(target, port)](Connection& c, const std::string&) {
                c.Reply("302 Found", "Location: " + to + "\r\n", "");
              });
  }
  auto options = AnyHost();
  options.allow_cidrs = {"127.0.0.1/32"};
  const auto fetcher = MakeFetcher(options).value();
  for (int i = 0; i < targets; ++i) {
    const int before = connects.load();
    const std::string outcome = FetchNow(*fetcher, origin.Url("/" + std::to_string(i)));
    // One connection may lead to the origin itself; a relative target is asked for there.
    EXPECT_LE(connects.load() - before, 1) << i;
    EXPECT_THAT(outcome, AnyOf(StartsWith("source_not_allowed: "), StartsWith("not_found: "),
                               HasSubstr("could not be resolved")))
        << i;
    EXPECT_THAT(outcome, Not(HasSubstr("127.0.0.2"))) << "tells where it led";
  }
  EXPECT_GT(connects.load(), 0) << "the counter counts nothing";
  EXPECT_FALSE(trap.Sprung());
}

// A name whose server answers with an allowed address first and with another later: each connection is judged
// by the address that it goes to.
TEST(Ssrf, ANameThatIsReboundIsJudgedByItsAddressOfTheMoment) {
  OriginServer origin;
  origin.On("/", [](Connection& c, const std::string&) { c.Reply("200 OK", "", "cat"); });
  auto options = AnyHost();
  options.allow_cidrs = {"127.0.0.1/32"};
  const std::string url = "http://a.rebind.test:" + std::to_string(origin.port()) + "/";
  rebinding.Set({{"127.0.0.1"}, {"127.0.0.2"}});
  EXPECT_EQ(FetchNow(*MakeFetcher(options).value(), url), "ok:cat");
  ASSERT_EQ(rebinding.asked(), 1U);
  const int before = connects.load();
  EXPECT_THAT(FetchNow(*MakeFetcher(options).value(), url), StartsWith("source_not_allowed: "));
  EXPECT_EQ(rebinding.asked(), 2U);
  EXPECT_EQ(connects.load() - before, 0);
}

TEST(Ssrf, OfANamesAddressesOnlyTheAllowedOnesAreTried) {
  OriginServer origin;
  origin.On("/", [](Connection& c, const std::string&) { c.Reply("200 OK", "", "cat"); });
  auto options = AnyHost();
  options.allow_cidrs = {"127.0.0.1/32"};
  const std::string url = "http://b.rebind.test:" + std::to_string(origin.port()) + "/";
  rebinding.Set({{"127.0.0.2", "10.0.0.1", "127.0.0.1"}});
  const int before = connects.load();
  EXPECT_EQ(FetchNow(*MakeFetcher(options).value(), url), "ok:cat");
  EXPECT_EQ(connects.load() - before, 1) << "to the one that is allowed";
}

// What makes the tests above mean something: the same forms do connect once their network is open.
TEST(Ssrf, TheSameSpellingsConnectWhenTheirNetworkIsOpen) {
  OriginServer origin;
  origin.On("/", [](Connection& c, const std::string&) { c.Reply("200 OK", "", "cat"); });
  auto options = AnyHost();
  options.allow_cidrs = {"127.0.0.1/32"};
  const std::string port = std::to_string(origin.port());
  for (const char* form : {"http://127.0.0.1:PORT/", "http://127.1:PORT/", "http://2130706433:PORT/",
                           "http://0x7f000001:PORT/", "http://0177.0.0.1:PORT/"}) {
    const auto fetcher = MakeFetcher(options).value();  // anew: its own connections
    const int before = connects.load();
    EXPECT_EQ(FetchNow(*fetcher, WithPort(form, port)), "ok:cat") << form;
    EXPECT_EQ(connects.load() - before, 1) << form;
  }
}

}  // namespace
}  // namespace photovec::fetch
