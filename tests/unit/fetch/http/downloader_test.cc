// SPDX-License-Identifier: MIT
#include "fetch/http/downloader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "fetch/http/transfer.h"
#include "fetch/make_fetcher.h"
#include "unit/fetch/fetch_probe.h"
#include "unit/fetch/origin_server.h"

namespace photovec::fetch {
namespace {

using ::testing::AnyOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

/// Anything on 127.0.0.1 is allowed; 127.0.0.2 stands for "a private address".
FetchOptions LoopbackOptions() {
  FetchOptions options;
  options.allow_hosts = {"*:*"};
  options.allow_cidrs = {"127.0.0.1/32"};
  options.max_bytes = 100'000;
  options.max_attempts = 1;  // retries have tests of their own
  return options;
}

class HttpTest : public testing::Test {
 protected:
  void Start(const FetchOptions& options = LoopbackOptions()) { fetcher_ = MakeFetcher(options).value(); }
  std::string Get(const std::string& path) { return FetchNow(*fetcher_, origin_.Url(path)); }

  OriginServer origin_;
  std::unique_ptr<Fetcher> fetcher_;
};

/// A handler that tells when it was entered and then stalls until the client gives up.
struct Staller {
  std::promise<void> entered;
  std::promise<void> left;
  void operator()(Connection& connection) {
    entered.set_value();
    connection.Stall();
    left.set_value();
  }
};

TEST_F(HttpTest, BringsBytesOverOneConnection) {
  std::string head;
  origin_.On("/cat.jpg", [&](Connection& c, const std::string& h) {
    head = h;
    c.Reply("200 OK", "Content-Type: text/html\r\n", std::string("cat\0cat", 7));
  });
  origin_.On("/empty", [](Connection& c, const std::string&) { c.Reply("200 OK", "", ""); });
  origin_.On("/chunked", [](Connection& c, const std::string&) {
    c.Send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n");
  });
  Start();
  EXPECT_EQ(Get("/cat.jpg?size=1"), std::string("ok:cat\0cat", 10));
  EXPECT_EQ(Get("/empty"), "ok:");
  EXPECT_EQ(Get("/chunked"), "ok:abcde");
  EXPECT_EQ(Get("/cat.jpg#fragment"), std::string("ok:cat\0cat", 10));
  EXPECT_EQ(origin_.connections(), 1U);
  EXPECT_THAT(head, StartsWith("GET /cat.jpg HTTP/1.1\r\n"));
  EXPECT_THAT(head, HasSubstr("Accept-Encoding: identity\r\n"));
  EXPECT_THAT(head, HasSubstr("User-Agent: photovec/"));
  EXPECT_THAT(head, Not(HasSubstr("Authorization")));
  EXPECT_THAT(head, Not(HasSubstr("Cookie")));
}

TEST_F(HttpTest, ReadsUrlsAsBrowsersDo) {
  std::vector<std::string> heads;
  const auto image = [&](Connection& c, const std::string& h) {
    heads.push_back(h.substr(0, h.find("\r\n")));
    c.Reply("200 OK", "", "cat");
  };
  origin_.On("/my%20cat.jpg", image);
  origin_.On("/cat.jpg", image);
  origin_.On("/moved", [](Connection& c, const std::string&) {
    c.Reply("302 Found", "Location: /my cat.jpg \r\n", "");
  });
  Start();
  EXPECT_EQ(Get("/my cat.jpg"), "ok:cat");
  EXPECT_EQ(Get("/my cat.jpg?of=a b#c d"), "ok:cat");
  EXPECT_EQ(Get("/cat.jpg\r\n"), "ok:cat");
  EXPECT_EQ(Get("/cat\n\t.jpg  "), "ok:cat");
  EXPECT_EQ(Get("/moved"), "ok:cat");
  EXPECT_EQ(FetchNow(*fetcher_, "\n " + origin_.Url("/cat.jpg")), "ok:cat");
  EXPECT_THAT(heads, ElementsAre("GET /my%20cat.jpg HTTP/1.1", "GET /my%20cat.jpg?of=a%20b HTTP/1.1",
                                 "GET /cat.jpg HTTP/1.1", "GET /cat.jpg HTTP/1.1",
                                 "GET /my%20cat.jpg HTTP/1.1", "GET /cat.jpg HTTP/1.1"));
}

TEST_F(HttpTest, AsksAsWhomItIsTold) {
  std::string head;
  origin_.On("/cat.jpg", [&](Connection& c, const std::string& h) {
    head = h;
    c.Reply("200 OK", "", "cat");
  });
  FetchOptions options = LoopbackOptions();
  options.user_agent = "Mozilla/5.0 (compatible; a photo search)";
  Start(options);
  EXPECT_EQ(Get("/cat.jpg"), "ok:cat");
  EXPECT_THAT(head, HasSubstr("\r\nUser-Agent: Mozilla/5.0 (compatible; a photo search)\r\n"));
}

TEST_F(HttpTest, StatusesOfTheOrigin) {
  const std::pair<std::string, std::string> kCases[] = {
      {"404 Not Found", "not_found: "},           {"410 Gone", "not_found: "},
      {"401 Unauthorized", "source_failed: "},    {"403 Forbidden", "source_failed: "},
      {"429 Too Many", "source_failed: "},        {"500 Oops", "source_failed: "},
      {"503 Unavailable", "source_failed: "},     {"204 No Content", "source_failed: "},
      {"206 Partial Content", "source_failed: "}, {"302 Found", "source_failed: "},
      {"300 Choices", "source_failed: "},         {"304 Not Modified", "source_failed: "},
  };
  for (const auto& [status, want] : kCases) {
    origin_.On("/" + status.substr(0, 3), [&status = status](Connection& c, const std::string&) {
      const bool bodiless = status.starts_with("204") || status.starts_with("304");
      bodiless ? c.Send("HTTP/1.1 " + status + "\r\n\r\n") : c.Reply(status, "", "an error page");
    });
  }
  Start();
  for (const auto& [status, want] : kCases) {
    const std::string outcome = Get("/" + status.substr(0, 3) + "?token=hunter2");
    EXPECT_THAT(outcome, StartsWith(want)) << status;
    EXPECT_THAT(outcome, HasSubstr("the origin answered " + status.substr(0, 3)));
    EXPECT_THAT(outcome, HasSubstr("/" + status.substr(0, 3) + "'"));
    EXPECT_THAT(outcome, Not(HasSubstr("hunter2")));
  }
}

TEST_F(HttpTest, AnErrorPageWithoutEndIsNotRead) {
  std::promise<void> gone;
  origin_.OnOnce("/", [&](Connection& c, const std::string&) {
    c.Send("HTTP/1.1 500 Oops\r\n\r\n");
    while (c.Send(std::string(4096, 'x'))) {
    }
    gone.set_value();
  });
  Start();
  EXPECT_THAT(Get("/"), StartsWith("source_failed: "));
  gone.get_future().get();
}

TEST_F(HttpTest, BodiesThatBreakTheirPromise) {
  origin_.OnOnce("/short", [](Connection& c, const std::string&) {
    c.Send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf a cat");
  });
  origin_.OnOnce("/chunk", [](Connection& c, const std::string&) {
    c.Send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n64\r\nhalf a cat");
  });
  origin_.OnOnce("/no-last-chunk", [](Connection& c, const std::string&) {
    c.Send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\ncat\r\n");
  });
  origin_.OnOnce("/reset", [](Connection& c, const std::string&) {
    c.Send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
    c.ResetOnClose();
  });
  origin_.OnOnce("/nothing", [](Connection&, const std::string&) {});
  origin_.OnOnce("/garbage",
                 [](Connection& c, const std::string&) { c.Send("\x89PNG what is HTTP?\r\n\r\n"); });
  origin_.OnOnce("/gzip", [](Connection& c, const std::string&) {
    c.Reply("200 OK", "Content-Encoding: gzip\r\n", "\x1f\x8b...");
  });
  origin_.OnOnce("/gzip-empty", [](Connection& c, const std::string&) {
    c.Reply("200 OK", "Content-Encoding: br\r\n", "");
  });
  origin_.OnOnce("/identity", [](Connection& c, const std::string&) {
    c.Reply("200 OK", "content-encoding: identity\r\n", "cat");
  });
  Start();
  EXPECT_THAT(Get("/short"), AllOf(StartsWith("source_failed: "), HasSubstr("less than it had promised")));
  for (const char* path :
       {"/chunk", "/no-last-chunk", "/reset", "/nothing", "/garbage", "/gzip", "/gzip-empty"}) {
    EXPECT_THAT(Get(path), StartsWith("source_failed: ")) << path;
  }
  EXPECT_EQ(Get("/identity"), "ok:cat");
}

TEST_F(HttpTest, TheCapHoldsWhileStreaming) {
  origin_.On("/at",
             [](Connection& c, const std::string&) { c.Reply("200 OK", "", std::string(100'000, 'x')); });
  origin_.OnOnce("/announced", [](Connection& c, const std::string&) {
    c.Send("HTTP/1.1 200 OK\r\nContent-Length: 100001\r\n\r\n");
    c.Stall();  // the number alone is enough
  });
  std::promise<size_t> sent;
  origin_.OnOnce("/endless", [&](Connection& c, const std::string&) {
    c.Send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    const std::string chunk = "1000\r\n" + std::string(4096, 'x') + "\r\n";
    size_t total = 0;
    while (c.Send(chunk)) total += 4096;
    sent.set_value(total);
  });
  origin_.OnOnce("/until-close", [](Connection& c, const std::string&) {
    c.Send("HTTP/1.1 200 OK\r\n\r\n" + std::string(100'001, 'x'));
  });
  Start();
  EXPECT_EQ(Get("/at").size(), 3U + 100'000U);
  EXPECT_THAT(Get("/announced"), StartsWith("body_too_large: "));
  EXPECT_THAT(Get("/endless"), StartsWith("body_too_large: "));
  EXPECT_LT(sent.get_future().get(), size_t{32} << 20);  // no more than what sockets buffer
  EXPECT_THAT(Get("/until-close"), StartsWith("body_too_large: "));
}

TEST_F(HttpTest, HeadersWithoutEndAreNotRead) {
  origin_.OnOnce("/", [](Connection& c, const std::string&) {
    c.Send("HTTP/1.1 200 OK\r\n");
    while (c.Send("X-Filler: " + std::string(1000, 'x') + "\r\n")) {
    }
  });
  auto options = LoopbackOptions();
  options.total_timeout = std::chrono::seconds(30);
  Start(options);
  EXPECT_THAT(Get("/"), StartsWith("source_failed: "));
}

TEST_F(HttpTest, Redirects) {
  for (int i = 1; i <= 4; ++i) {
    const std::string next = "/" + std::to_string(i - 1) + "?token=hunter2";
    origin_.On("/" + std::to_string(i), [next](Connection& c, const std::string&) {
      c.Reply("302 Found", "Location: " + next + "\r\n", "moved");
    });
  }
  origin_.On("/0", [](Connection& c, const std::string&) { c.Reply("200 OK", "", "cat"); });
  for (const char* status : {"301", "303", "307", "308"}) {
    origin_.On(std::string("/") + status, [&, status](Connection& c, const std::string&) {
      c.Reply(std::string(status) + " Moved", "Location: " + origin_.Url("/0") + "\r\n", "");
    });
  }
  origin_.On("/loop",
             [](Connection& c, const std::string&) { c.Reply("302 Found", "Location: /loop\r\n", ""); });
  origin_.On("/missing",
             [](Connection& c, const std::string&) { c.Reply("302 Found", "Location: /none\r\n", ""); });
  Start();
  EXPECT_EQ(Get("/1"), "ok:cat");
  EXPECT_EQ(Get("/3"), "ok:cat");
  EXPECT_THAT(Get("/4"), AllOf(StartsWith("too_many_redirects: "), Not(HasSubstr("hunter2"))));
  EXPECT_THAT(Get("/loop"), StartsWith("too_many_redirects: "));
  for (const char* path : {"/301", "/303", "/307", "/308"}) EXPECT_EQ(Get(path), "ok:cat") << path;
  EXPECT_THAT(Get("/missing"), StartsWith("not_found: "));
}

TEST_F(HttpTest, RedirectsAreCheckedAsIfTheyHadBeenAskedFor) {
  const Trap trap("127.0.0.2");
  const std::string port = std::to_string(trap.port());
  const std::vector<std::string> targets = {
      "http://127.0.0.2:" + port + "/latest/meta-data",  // an address that is not allowed
      "http://[::ffff:127.0.0.2]:" + port + "/",
      "http://2130706434:" + port + "/",
      "http://user:pass@127.0.0.1:" + std::to_string(origin_.port()) + "/ok",  // credentials
      "file:///etc/passwd",
      "gopher://127.0.0.2:" + port + "/_x",
      "ftp://127.0.0.2:" + port + "/x",
      "http://forbidden.example/",  // not on the list
      "http://127.0.0.1:0/",
  };
  for (size_t i = 0; i < targets.size(); ++i) {
    origin_.On("/" + std::to_string(i), [&, i](Connection& c, const std::string&) {
      c.Reply("302 Found", "Location: " + targets[i] + "\r\n", "");
    });
  }
  origin_.On("/ok", [](Connection& c, const std::string&) { c.Reply("200 OK", "", "cat"); });
  auto options = LoopbackOptions();
  options.allow_hosts = {"127.0.0.1:*", "127.0.0.2:*", "[::ffff:127.0.0.2]:*"};
  Start(options);
  EXPECT_EQ(Get("/ok"), "ok:cat");
  for (size_t i = 0; i < targets.size(); ++i) {
    const std::string outcome = Get("/" + std::to_string(i));
    EXPECT_THAT(outcome, StartsWith("source_not_allowed: ")) << targets[i];
    EXPECT_THAT(outcome, Not(AnyOf(HasSubstr("127.0.0.2"), HasSubstr("forbidden"), HasSubstr("passwd"))));
  }
  EXPECT_FALSE(trap.Sprung());
}

TEST(RedirectAllowed, HttpsNeverGoesBackToHttp) {
  const auto policy = UrlPolicy::Create({"*"}, {}).value();
  const auto allowed = [&](const std::string& from, const std::string& to) {
    return RedirectAllowed(HttpUrl::Parse(from).value(), HttpUrl::Parse(to).value(), policy);
  };
  EXPECT_TRUE(allowed("http://a.org/", "http://b.org/"));
  EXPECT_TRUE(allowed("http://a.org/", "https://a.org/"));
  EXPECT_TRUE(allowed("https://a.org/", "https://b.org/"));
  EXPECT_FALSE(allowed("https://a.org/", "http://a.org/"));
  EXPECT_FALSE(allowed("https://a.org/", "https://b.org:6379/"));
}

TEST(HttpUrl, WhatIsCheckedIsWhatIsFetched) {
  struct Case {
    const char* text;
    const char* origin;
  };
  for (const Case& c : std::vector<Case>{
           {"http://example.com/a", "http://example.com:80"},
           {"HTTPS://example.com:8443/a", "https://example.com:8443"},
           {"http://2130706433/", "http://127.0.0.1:80"},
           {"http://0x7f.1/", "http://127.0.0.1:80"},
           {"http://0177.0.0.1/", "http://127.0.0.1:80"},
           {"http://127.1/", "http://127.0.0.1:80"},
           {"http://[::1]/", "http://[::1]:80"},
           {"http://ex%61mple.com/", "http://example.com:80"},
           {"http://good.org#@evil.org/", "http://good.org:80"},
           {"http://good.org?@evil.org/", "http://good.org:80"},
       }) {
    const auto url = HttpUrl::Parse(c.text);
    ASSERT_TRUE(url.ok()) << c.text << ' ' << url.status().ToString();
    EXPECT_EQ(url->Origin(), c.origin) << c.text;
  }
  for (const char* text :
       {"http://", "http:///", "http://good.org@evil.org/", "http://a:b@evil.org/",
        "http://good.org\\@evil.org/", "http://ev il.org/", "http://evil.org:0/", "http://evil.org:65536/",
        "http://evil.org:x/", "http://[::1%25eth0]/", "http://[::1",
        "http://b\xc3\xbc"
        "cher.example/",
        "http://evil%00.org/", "http://ev\nil.org/", "http://ev%2fil.org/", "https://exa$mple.org/"}) {
    const auto url = HttpUrl::Parse(text);
    ASSERT_FALSE(url.ok()) << text << " became " << url->Origin();
    EXPECT_EQ(url.status().code(), Code::kInvalidRequest) << text;
  }
  EXPECT_FALSE(HttpUrl::Parse(std::string("http://a.org/\0x", 15)).ok());
  for (const char* text : {"ftp://a.org/", "gopher://a.org/", "file:///etc/passwd"}) {
    EXPECT_EQ(HttpUrl::Parse(text).status().code(), Code::kSourceNotAllowed) << text;
  }
}

TEST_F(HttpTest, PrivateAddressesGetNoConnectionInWhateverSpelling) {
  const Trap trap("127.0.0.1");
  auto options = LoopbackOptions();
  options.allow_cidrs = {};
  Start(options);
  const std::string port = ":" + std::to_string(trap.port());
  for (const char* host : {"127.0.0.1", "localhost", "127.1", "2130706433", "0x7f.1", "0177.0.0.1", "0.0.0.0",
                           "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::127.0.0.1]", "[::1]", "[::]"}) {
    const std::string outcome = FetchNow(*fetcher_, "http://" + std::string(host) + port + "/");
    EXPECT_THAT(outcome, StartsWith("source_not_allowed: ")) << host;
    EXPECT_THAT(outcome, Not(HasSubstr("--allow"))) << "says why";
  }
  // Nothing listens there, and no packet is sent to find out.
  for (const char* url :
       {"http://169.254.169.254/latest", "http://100.64.0.1/", "http://10.0.0.1/",
        "http://[64:ff9b::a9fe:a9fe]/", "http://[fd00:ec2::254]/", "http://[::ffff:10.0.0.1]/"}) {
    EXPECT_THAT(FetchNow(*fetcher_, url), StartsWith("source_not_allowed: ")) << url;
  }
  EXPECT_FALSE(trap.Sprung());
}

TEST_F(HttpTest, HostsThatAreNotListedAreNotEvenResolved) {
  const Trap trap("127.0.0.1");
  auto options = LoopbackOptions();
  options.allow_hosts = {"images.example.com", "127.0.0.1:" + std::to_string(origin_.port())};
  Start(options);
  EXPECT_THAT(FetchNow(*fetcher_, "http://127.0.0.1:" + std::to_string(trap.port()) + "/?secret"),
              AllOf(StartsWith("source_not_allowed: "), HasSubstr("--allow-host"), Not(HasSubstr("secret"))));
  EXPECT_THAT(FetchNow(*fetcher_, "http://localhost/"), StartsWith("source_not_allowed: "));
  EXPECT_THAT(FetchNow(*fetcher_, "http://user:pass@images.example.com/"),
              AllOf(StartsWith("invalid_request: "), Not(HasSubstr("pass@"))));
  EXPECT_THAT(FetchNow(*fetcher_, "http://"), StartsWith("invalid_request: "));
  EXPECT_THAT(Get("/"), StartsWith("not_found: "));
  EXPECT_FALSE(trap.Sprung());
}

TEST_F(HttpTest, ProxiesOfTheEnvironmentAreIgnored) {
  const Trap proxy("127.0.0.1");
  const std::string url = "http://127.0.0.1:" + std::to_string(proxy.port());
  for (const char* name : {"http_proxy", "all_proxy", "ALL_PROXY"}) setenv(name, url.c_str(), 1);
  origin_.On("/", [](Connection& c, const std::string&) { c.Reply("200 OK", "", "cat"); });
  Start();
  EXPECT_EQ(Get("/"), "ok:cat");
  for (const char* name : {"http_proxy", "all_proxy", "ALL_PROXY"}) unsetenv(name);
  EXPECT_FALSE(proxy.Sprung());
}

// Handles of failed transfers cannot all be used again: libcurl 7.88 refuses options on some.
TEST_F(HttpTest, ANameWithoutAnAddressSpoilsNothingThatFollows) {
  origin_.On("/", [](Connection& c, const std::string&) { c.Reply("200 OK", "", "cat"); });
  origin_.On("/away", [](Connection& c, const std::string&) {
    c.Reply("302 Found", "Location: http://nobody.invalid/\r\n", "");
  });
  Start();
  EXPECT_THAT(FetchNow(*fetcher_, "http://nobody.invalid/"), HasSubstr("could not be resolved"));
  EXPECT_EQ(Get("/"), "ok:cat");
  EXPECT_THAT(Get("/away"), HasSubstr("could not be resolved"));
  EXPECT_EQ(Get("/"), "ok:cat");
}

TEST_F(HttpTest, NobodyListens) {
  int port = 0;
  close(Listen("127.0.0.1", &port));
  Start();
  const std::string outcome = FetchNow(*fetcher_, "http://localhost:" + std::to_string(port) + "/");
  EXPECT_THAT(outcome, StartsWith("source_failed: "));
  EXPECT_THAT(outcome, Not(HasSubstr("127.0.0.1")));
}

TEST_F(HttpTest, AnOriginThatNeverAnswersTimesOut) {
  Staller staller;
  origin_.OnOnce("/", [&](Connection& c, const std::string&) { staller(c); });
  auto options = LoopbackOptions();
  options.total_timeout = std::chrono::milliseconds(200);
  Start(options);
  EXPECT_THAT(Get("/"), StartsWith("source_timeout: "));
  staller.left.get_future().get();  // the connection was closed, not left behind
}

TEST_F(HttpTest, TheTotalTimeCoversAllRedirects) {
  // Each request alone stays under the limit; together they cannot. The last one's handler outlives this
  // test.
  const auto requests = std::make_shared<std::atomic<int>>(0);
  origin_.On("/", [requests](Connection& c, const std::string&) {
    const Deadline until = Deadline::After(std::chrono::milliseconds(150));
    std::mutex mutex;
    std::unique_lock lock(mutex);
    std::condition_variable never;
    never.wait_until(lock, until.at(), [] { return false; });
    ++*requests;
    c.Reply("302 Found", "Location: /\r\n", "");
  });
  auto options = LoopbackOptions();
  options.max_redirects = 1000;
  options.total_timeout = std::chrono::milliseconds(400);
  Start(options);
  EXPECT_THAT(Get("/"), StartsWith("source_timeout: "));
  EXPECT_LE(requests->load(), 3);
}

TEST_F(HttpTest, AnOriginThatTricklesTimesOutLongBeforeTheTotal) {
  origin_.OnOnce("/", [](Connection& c, const std::string&) {
    c.Send("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nx");
    c.Stall();
  });
  auto options = LoopbackOptions();
  options.total_timeout = std::chrono::minutes(5);
  options.low_speed_time = std::chrono::seconds(1);
  Start(options);
  EXPECT_THAT(Get("/"), AllOf(StartsWith("source_timeout: "), HasSubstr("too slowly")));
}

TEST_F(HttpTest, DeadlineAndCancelEndATransferInFlight) {
  const auto first = std::make_shared<Staller>();  // its handler may outlive this test
  Staller second;
  origin_.OnOnce("/1", [first](Connection& c, const std::string&) { (*first)(c); });
  origin_.OnOnce("/2", [&](Connection& c, const std::string&) { second(c); });
  Start();
  Probe late(*fetcher_, FetchRequest{.reference = origin_.Url("/1"),
                                     .deadline = Deadline::After(std::chrono::milliseconds(100))});
  EXPECT_EQ(late.Get().status().code(), Code::kDeadlineExceeded);

  const auto cancel = std::make_shared<CancelFlag>();
  Probe unwanted(*fetcher_, FetchRequest{.reference = origin_.Url("/2"), .cancel = cancel});
  second.entered.get_future().get();
  EXPECT_FALSE(unwanted.Done());
  cancel->Cancel();
  EXPECT_EQ(unwanted.Get().status().code(), Code::kCancelled);
  second.left.get_future().get();
}

TEST_F(HttpTest, WaitingTransfersAreBoundedAndDieInLineToo) {
  Staller staller;
  origin_.OnOnce("/stall", [&](Connection& c, const std::string&) { staller(c); });
  auto options = LoopbackOptions();
  options.max_transfers = 1;
  options.max_queued = 2;
  Start(options);
  const auto cancel_active = std::make_shared<CancelFlag>();
  const auto cancel_waiting = std::make_shared<CancelFlag>();
  Probe active(*fetcher_, FetchRequest{.reference = origin_.Url("/stall"), .cancel = cancel_active});
  staller.entered.get_future().get();
  Probe waiting(*fetcher_, FetchRequest{.reference = origin_.Url("/a"), .cancel = cancel_waiting});
  Probe late(*fetcher_, FetchRequest{.reference = origin_.Url("/b"),
                                     .deadline = Deadline::After(std::chrono::milliseconds(100))});
  EXPECT_THAT(Get("/c"), StartsWith("overloaded: "));
  EXPECT_EQ(late.Get().status().code(), Code::kDeadlineExceeded);
  Probe next(*fetcher_, origin_.Url("/d"));  // its place is free again
  cancel_waiting->Cancel();
  EXPECT_EQ(waiting.Get().status().code(), Code::kCancelled);
  EXPECT_FALSE(next.Done());
  cancel_active->Cancel();
  EXPECT_EQ(active.Get().status().code(), Code::kCancelled);
  EXPECT_EQ(next.Get().status().code(), Code::kNotFound);
}

TEST_F(HttpTest, AHostAtItsCapDoesNotHoldUpOthers) {
  std::mutex mutex;
  std::condition_variable changed;
  int inside = 0;
  int most = 0;
  bool open = false;
  origin_.OnOnce("/gate", [&](Connection& c, const std::string&) {
    std::unique_lock lock(mutex);
    most = std::max(most, ++inside);
    changed.notify_all();
    changed.wait(lock, [&] { return open; });
    --inside;
    lock.unlock();
    c.Reply("200 OK", "Connection: close\r\n", "cat");
  });
  auto options = LoopbackOptions();
  options.max_transfers_per_host = 2;
  Start(options);
  std::vector<Probe> probes;
  for (int i = 0; i < 6; ++i) probes.emplace_back(*fetcher_, origin_.Url("/gate?" + std::to_string(i)));
  {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return inside >= 2; });
  }
  // Another origin (its name differs), asked for last, is served while four wait.
  EXPECT_THAT(FetchNow(*fetcher_, "http://localhost:" + std::to_string(origin_.port()) + "/none"),
              StartsWith("not_found: "));
  {
    std::unique_lock lock(mutex);
    EXPECT_EQ(most, 2);
    open = true;
    changed.notify_all();
  }
  for (Probe& probe : probes) EXPECT_EQ(Outcome(probe.Get()), "ok:cat");
  EXPECT_EQ(most, 2);
}

TEST_F(HttpTest, DestructionEndsWhatIsInFlight) {
  Staller staller;
  origin_.OnOnce("/stall", [&](Connection& c, const std::string&) { staller(c); });
  auto options = LoopbackOptions();
  options.max_transfers = 1;
  Start(options);
  Probe active(*fetcher_, origin_.Url("/stall"));
  staller.entered.get_future().get();
  Probe waiting(*fetcher_, origin_.Url("/waiting"));
  fetcher_.reset();
  EXPECT_TRUE(active.Done());
  EXPECT_TRUE(waiting.Done());
  EXPECT_EQ(active.Get().status().code(), Code::kCancelled);
  EXPECT_EQ(waiting.Get().status().code(), Code::kCancelled);
  staller.left.get_future().get();
}

TEST_F(HttpTest, ManyAtOnceFromManyThreads) {
  origin_.On("/cat",
             [](Connection& c, const std::string&) { c.Reply("200 OK", "", std::string(5000, 'x')); });
  origin_.On("/go",
             [](Connection& c, const std::string&) { c.Reply("302 Found", "Location: /cat\r\n", ""); });
  auto options = LoopbackOptions();
  options.max_transfers_per_host = 4;
  Start(options);
  constexpr int kThreads = 4;
  constexpr int kEach = 50;
  std::atomic<int> good{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&] {
      std::vector<Probe> probes;
      for (int i = 0; i < kEach; ++i)
        probes.emplace_back(*fetcher_, origin_.Url((i % 3 == 0 ? "/go?" : "/cat?") + std::to_string(i)));
      for (Probe& probe : probes) good += Outcome(probe.Get()).size() == 3 + 5000;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(good.load(), kThreads * kEach);
}

TEST_F(HttpTest, ACallbackMayStartTheNextFetch) {
  origin_.On("/cat", [](Connection& c, const std::string&) { c.Reply("200 OK", "", "cat"); });
  Start();
  std::promise<std::string> outcome;
  std::function<void(int)> next = [&](int left) {
    fetcher_->Fetch(FetchRequest{.reference = origin_.Url("/cat")}, [&, left](Result<Bytes> result) {
      if (left == 0) {
        outcome.set_value(Outcome(result));
      } else {
        next(left - 1);
      }
    });
  };
  next(20);
  EXPECT_EQ(outcome.get_future().get(), "ok:cat");
}

}  // namespace
}  // namespace photovec::fetch
