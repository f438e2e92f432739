// SPDX-License-Identifier: MIT
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <future>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "fetch/http/downloader.h"
#include "fetch/http/http_source.h"
#include "unit/fetch/fetch_probe.h"
#include "unit/fetch/http/fake_store.h"
#include "unit/fetch/origin_server.h"

namespace photovec::fetch {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

/// Counts what it hears.
class CountingObserver final : public FetchObserver {
 public:
  void OnAttempt(const AttemptReport& report) override {
    ++attempts;
    if (report.hedge) ++hedges;
  }
  void OnShared(std::string_view /*source*/) override {
    std::scoped_lock lock(mutex_);
    ++shared_;
    changed_.notify_all();
  }
  void OnRetry(std::string_view /*source*/, Code /*why*/) override { ++retries; }
  void WaitForShared(int count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return shared_ >= count; });
  }

  std::atomic<int> attempts{0};
  std::atomic<int> hedges{0};
  std::atomic<int> retries{0};

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int shared_ = 0;
};

/// Opens once; handlers wait for it.
class Gate {
 public:
  void Open() {
    std::scoped_lock lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }
  void Pass() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return open_; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool open_ = false;
};

class DownloaderRetryTest : public testing::Test {
 protected:
  void Start() {
    options_.backoff = options_.throttled_backoff = std::chrono::milliseconds(1);
    store_.base = origin_.Url("");
    downloader_ = Downloader::Create(options_, UrlPolicy::Create({}, {}).value(), &observer_).value();
    downloader_->AddSource(std::make_unique<FakeStore>(store_));
    fetcher_ = downloader_->FetcherOf("store");
  }
  std::string Get(const std::string& path) { return FetchNow(*fetcher_, path); }
  /// A path whose answers come in this order, the last one for ever. "reset", "short" and "close" break off.
  void Answers(const std::string& path, std::vector<std::string> replies) {
    origin_.OnOnce(path, [this, path, replies = std::move(replies)](Connection& c, const std::string&) {
      const size_t at = std::min(static_cast<size_t>(asked_[path]++), replies.size() - 1);
      const std::string& reply = replies[at];
      if (reply == "reset") c.ResetOnClose();
      if (reply == "reset" || reply == "close") return;
      if (reply == "short") {
        c.Send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
      } else {
        c.Send(reply);
      }
    });
  }
  static std::string Ok(const std::string& body, const std::string& headers = "") {
    return "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" + headers + "\r\n" +
           body;
  }
  static std::string Refused(const std::string& status, const std::string& headers = "") {
    return "HTTP/1.1 " + status + "\r\nContent-Length: 0\r\n" + headers + "\r\n";
  }

  std::map<std::string, std::atomic<int>>
      asked_;  // one thread per connection, one connection at a time for a path
  Gate gate_;  // before the origin: its handlers may still be leaving when a test's own variables are gone
  OriginServer origin_;
  FakeStoreState store_;
  FetchOptions options_;
  CountingObserver observer_;
  std::unique_ptr<Downloader> downloader_;
  Fetcher* fetcher_ = nullptr;
};

TEST_F(DownloaderRetryTest, WhatFailsInPassingIsTriedAgain) {
  for (const char* first : {"408 Slow", "429 Busy", "500 Oops", "502 Bad", "503 Busy", "504 Late"}) {
    Answers("/" + std::string(first, 3), {Refused(first), Ok("cat")});
  }
  for (const char* first : {"reset", "short", "close"}) Answers("/" + std::string(first), {first, Ok("cat")});
  Start();
  for (const char* path : {"/408", "/429", "/500", "/502", "/503", "/504", "/short"}) {
    EXPECT_EQ(Get(path), "ok:cat") << path;
    EXPECT_EQ(asked_[path], 2) << path;
  }
  // libcurl itself asks once more when a connection that it kept ends without an answer.
  for (const char* path : {"/reset", "/close"}) EXPECT_EQ(Get(path), "ok:cat") << path;
  EXPECT_GE(observer_.retries, 7);
}

TEST_F(DownloaderRetryTest, ThreeAttemptsAndNoMore) {
  Answers("/down", {Refused("500 Oops")});
  Start();
  const std::string outcome = Get("/down");
  EXPECT_THAT(outcome, StartsWith("source_failed: "));
  EXPECT_THAT(outcome, HasSubstr("answered 500, 3 times"));
  EXPECT_EQ(asked_["/down"], 3);
  EXPECT_EQ(observer_.attempts, 3);
  EXPECT_EQ(observer_.retries, 2);
}

TEST_F(DownloaderRetryTest, WhatIsFinalIsNotTriedAgain) {
  for (const char* status : {"400 Bad", "403 No", "404 None", "410 Gone", "416 Range"}) {
    Answers("/" + std::string(status, 3), {Refused(status), Ok("cat")});
  }
  Start();
  for (const char* path : {"/400", "/403", "/404", "/410", "/416"}) {
    EXPECT_THAT(Get(path), testing::Not(StartsWith("ok:"))) << path;
    EXPECT_EQ(asked_[path], 1) << path;
  }
}

TEST_F(DownloaderRetryTest, NobodyListens) {
  int port = 0;
  close(Listen("127.0.0.1", &port));
  Start();
  store_.base = "http://127.0.0.1:" + std::to_string(port);
  EXPECT_THAT(Get("/x"), StartsWith("source_failed: "));
  EXPECT_EQ(observer_.attempts, 3);
}

TEST_F(DownloaderRetryTest, APauseThatEndsTooLateIsNotMade) {
  Answers("/later", {Refused("503 Busy", "Retry-After: 3600\r\n"), Ok("cat")});
  Start();
  EXPECT_THAT(Get("/later"), HasSubstr("answered 503"));  // at once, not after the total time
  EXPECT_EQ(asked_["/later"], 1);
}

TEST_F(DownloaderRetryTest, RetryAfterIsWaitedFor) {
  Answers("/soon", {Refused("503 Busy", "Retry-After: 1\r\n"), Ok("cat")});
  Start();
  const TimePoint begun = Clock::now();
  EXPECT_EQ(Get("/soon"), "ok:cat");
  EXPECT_GE(Clock::now() - begun, std::chrono::seconds(1));
}

TEST_F(DownloaderRetryTest, TheBudgetStopsRetriesOfAStoreThatIsDown) {
  Answers("/down", {Refused("500 Oops")});
  Start();
  for (int i = 0; i < 40; ++i) EXPECT_THAT(Get("/down?" + std::to_string(i)), StartsWith("source_failed: "));
  EXPECT_EQ(observer_.retries, 35);  // 500 tokens, 14 each
  EXPECT_EQ(observer_.attempts, 40 + 35);
}

TEST_F(DownloaderRetryTest, AnObjectThatIsReplacedBetweenAttempts) {
  store_.wanted_header = "X-First";
  Answers("/replaced",
          {Ok("dog", "ETag: \"1\"\r\nX-First: cat\r\n"), Ok("cat", "ETag: \"2\"\r\nX-First: cat\r\n")});
  Answers("/same",
          {Ok("dog", "ETag: \"1\"\r\nX-First: cat\r\n"), Ok("cat", "ETag: \"1\"\r\nX-First: cat\r\n")});
  Answers("/wrong", {Ok("dog", "X-First: cat\r\n")});
  Start();
  EXPECT_THAT(Get("/replaced"), StartsWith("source_changed: "));
  EXPECT_EQ(Get("/same"), "ok:cat");
  EXPECT_THAT(Get("/wrong"), StartsWith("checksum_mismatch: "));
  EXPECT_EQ(asked_["/wrong"], 2) << "once more, and no more";
}

TEST_F(DownloaderRetryTest, AnAttemptThatBrokeOffShowedAVersionToo) {
  const auto broken = [](const std::string& tag) {
    return "HTTP/1.1 200 OK\r\nContent-Length: 9\r\nETag: " + tag + "\r\n\r\ncat";
  };
  Answers("/replaced", {broken("\"1\""), Ok("cat", "ETag: \"2\"\r\n")});
  Answers("/same", {broken("\"1\""), Ok("cat", "ETag: \"1\"\r\n")});
  Start();
  EXPECT_THAT(Get("/replaced"), StartsWith("source_changed: "));
  EXPECT_EQ(asked_["/replaced"], 2);
  EXPECT_EQ(Get("/same"), "ok:cat");
}

TEST_F(DownloaderRetryTest, RefusedCredentialsAreRenewedOnce) {
  std::vector<std::string> heads;
  origin_.On("/renewed", [&](Connection& c, const std::string& head) {
    heads.push_back(head);
    c.Send(heads.size() == 1 ? Refused("401 Expired") : Ok("cat"));
  });
  Answers("/never", {Refused("401 Expired")});
  Start();
  EXPECT_EQ(Get("/renewed"), "ok:cat");
  ASSERT_EQ(heads.size(), 2U);
  EXPECT_THAT(heads[0], HasSubstr("secret-1"));
  EXPECT_THAT(heads[1], HasSubstr("secret-2"));
  EXPECT_THAT(Get("/never"), HasSubstr("answered 401"));
  EXPECT_EQ(asked_["/never"], 2);
}

TEST_F(DownloaderRetryTest, HeadersMayComeLaterOrNotAtAll) {
  Answers("/", {Ok("cat")});
  std::vector<std::thread> threads;
  store_.sign = [&](int, std::function<void(SourceObject::Headers)> done) {
    threads.emplace_back([done] { done(std::vector<std::string>{"X-Late: 1"}); });
  };
  Start();
  EXPECT_EQ(Get("/"), "ok:cat");
  for (std::thread& thread : threads) thread.join();
  store_.sign = [](int, const std::function<void(SourceObject::Headers)>& done) {
    done(Status(Code::kSourceFailed, "no token"));
  };
  EXPECT_THAT(Get("/other"), HasSubstr("no token"));
}

TEST_F(DownloaderRetryTest, WhoAsksForWhatIsOnItsWayJoins) {
  std::atomic<int> asked{0};
  origin_.On("/cat", [&](Connection& c, const std::string&) {
    ++asked;
    gate_.Pass();
    c.Reply("200 OK", "", "cat");
  });
  Start();
  std::vector<Probe> probes;
  for (int i = 0; i < 20; ++i) probes.emplace_back(*fetcher_, "/cat");
  const auto cancel = std::make_shared<CancelFlag>();
  Probe unwanted(*fetcher_, FetchRequest{.reference = "/cat", .cancel = cancel});
  observer_.WaitForShared(20);
  cancel->Cancel();
  EXPECT_EQ(unwanted.Get().status().code(), Code::kCancelled) << "the others go on";
  gate_.Open();
  for (Probe& probe : probes) EXPECT_EQ(Outcome(probe.Get()), "ok:cat");
  EXPECT_EQ(asked, 1);
  EXPECT_EQ(Get("/cat"), "ok:cat");
  EXPECT_EQ(asked, 2) << "what is over is fetched anew";
}

TEST_F(DownloaderRetryTest, EachTakesNoMoreThanItSaidAndNobodyLoses) {
  origin_.On("/cat", [&](Connection& c, const std::string&) {
    gate_.Pass();
    c.Reply("200 OK", "", std::string(2'000, 'x'));
  });
  Start();
  Probe small(*fetcher_, FetchRequest{.reference = "/cat", .max_bytes = 1'000});
  Probe large(*fetcher_, FetchRequest{.reference = "/cat", .max_bytes = 5'000});
  observer_.WaitForShared(1);
  gate_.Open();
  EXPECT_EQ(small.Get().status().code(), Code::kBodyTooLarge);
  EXPECT_EQ(Outcome(large.Get()).size(), 3U + 2'000U);
}

TEST_F(DownloaderRetryTest, ASlowAttemptGetsASecondOneBesideItAndTheFasterAnswerWins) {
  std::atomic<int> slow{0};
  origin_.On("/fast", [](Connection& c, const std::string&) { c.Reply("200 OK", "", "cat"); });
  origin_.On("/slow", [&](Connection& c, const std::string&) {
    if (++slow == 1) gate_.Pass();
    c.Reply("200 OK", "", "cat");
  });
  Start();
  // The p95 is first known after the 128th success, so that none of these can spend what /slow needs, however
  // busy the machine is: by then 128 * 2% = 2.56 hedges are allowed.
  for (int i = 0; i < 128; ++i) ASSERT_EQ(Get("/fast?" + std::to_string(i)), "ok:cat");
  EXPECT_EQ(observer_.hedges, 0);
  EXPECT_EQ(Get("/slow"), "ok:cat") << "the first never answers";
  EXPECT_EQ(slow, 2);
  EXPECT_EQ(observer_.hedges, 1);
  gate_.Open();
}

}  // namespace
}  // namespace photovec::fetch
