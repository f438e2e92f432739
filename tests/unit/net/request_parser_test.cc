// SPDX-License-Identifier: MIT
#include "net/request_parser.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "net/host_rules.h"

namespace photovec::net {
namespace {

using ::testing::HasSubstr;

/// 0 for a head that is taken, else the status; fed `piece` bytes at a time, as far as the parser takes them.
int Judge(const std::string& text, size_t piece = 10'000, RequestHead* out = nullptr) {
  RequestParser parser;
  size_t begin = 0;
  for (size_t end = std::min(piece, text.size());; end = std::min(end + piece, text.size())) {
    const RequestParser::HeadProgress progress =
        parser.FeedHead(std::string_view(text).substr(begin, end - begin));
    begin += progress.used;
    const auto status_of = [](const HttpError& error) {
      return error.http_status != 0 ? error.http_status : HttpStatus(error.status.code());
    };
    if (progress.error) return status_of(*progress.error);
    if (progress.complete) {
      const auto head = parser.Head();
      if (head.ok() && out != nullptr) *out = *head;
      return head.ok() ? 0 : status_of(head.error());
    }
    if (end == text.size()) return -1;  // wants more
  }
}

std::string WithHost(const std::string& host) { return "GET / HTTP/1.1\r\nHost: " + host + "\r\n\r\n"; }

TEST(RequestParser, RefusesFoldedFields) {
  const std::vector<std::string> folded = {
      "POST / HTTP/1.1\r\nHost: t\r\nTransfer-Encoding:\r\n chunked\r\n\r\n",
      "POST / HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\t\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: t\r\nX: a\r\n b\r\n\r\n",
      "GET / HTTP/1.1\r\n Host: t\r\n\r\n",
      "GET / HTTP/1.1\r\nHost:\r\n\tt\r\n\r\n",
  };
  for (const std::string& text : folded) {
    for (const size_t piece : {1, 7, 1000}) EXPECT_EQ(Judge(text, piece), 400) << text;
  }
  EXPECT_EQ(Judge("POST / HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: \tchunked\r\n\r\n"), 0);
}

TEST(RequestParser, AValidHostOrNone) {
  for (const std::string host :
       {"t", "localhost:8080", "photos.example.com", "127.0.0.1:80", "[::1]", "[::1]:8080", "a_b-c.d~",
        "xn--bcher-kva.example", "%41.example", "host:", "[::ffff:1.2.3.4]:0", "1.2.3.4:65535"}) {
    EXPECT_EQ(Judge(WithHost(host)), 0) << host;
  }
  for (const std::string host :
       {"",     "a b",  "a b/../@x", "a/b", "user@a", "a?b",  "a#b", "a\\b",   "a:b",    "a:65536",
        "a:-1", "a:+1", "a:80:80",   "::1", "[::1",   "::1]", "[]",  "[::1]x", "[v1.a]", "[fe80::1%25eth0]",
        "%4",   "%zz",  "a\"b",      "<a>", ":80",    "a,b c"}) {
    EXPECT_EQ(Judge(WithHost(host)), 400) << host;
  }
  EXPECT_EQ(Judge("GET / HTTP/1.1\r\n\r\n"), 400);
  EXPECT_EQ(Judge("GET / HTTP/1.0\r\n\r\n"), 0);
  EXPECT_EQ(Judge("GET / HTTP/1.0\r\nHost:\r\n\r\n"), 0);
  EXPECT_EQ(Judge("GET / HTTP/1.0\r\nHost: a b\r\n\r\n"), 400);
}

TEST(RequestParser, TheTargetsHostCountsMoreThanHost) {
  RequestHead head;
  EXPECT_EQ(Judge("GET http://evil.example:81/a?b HTTP/1.1\r\nHost: localhost\r\n\r\n", 1000, &head), 0);
  EXPECT_EQ(head.host, "evil.example:81");
  EXPECT_EQ(head.path, "/a");
  EXPECT_EQ(Judge("GET http://user@localhost/ HTTP/1.1\r\nHost: localhost\r\n\r\n"), 400);
  EXPECT_EQ(Judge("GET http:/// HTTP/1.1\r\nHost: localhost\r\n\r\n"), 400);
}

TEST(HostRules, StrangersNamesAreRefusedAddressesAreNot) {
  const HostRules rules({"photos.example.com", "*.lan.example", "UPPER.example"});
  for (const std::string_view host :
       {"localhost", "localhost:8080", "a.localhost", "t", "127.0.0.1:80", "192.0.2.7", "[::1]:8080",
        "Photos.Example.Com:443", "photos.example.com.", "a.b.lan.example", "upper.example"}) {
    EXPECT_TRUE(rules.Check(host).ok()) << host;
  }
  for (const std::string_view host :
       {"evil.example", "photos.example.com.evil.example", "xphotos.example.com", "lan.example",
        "127.0.0.1.evil.example", "127.1.", "0x7f.1"}) {
    EXPECT_FALSE(rules.Check(host).ok()) << host;
  }
  EXPECT_THAT(rules.Check("evil.example:80").message(), HasSubstr("--allow-server-host"));
  EXPECT_TRUE(HostRules().Check("evil.example").ok());
  EXPECT_TRUE(HostRules({"*"}).Check("evil.example").ok());
}

}  // namespace
}  // namespace photovec::net
