// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <iterator>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "fetch/make_fetcher.h"
#include "unit/fetch/origin_server.h"

namespace photovec::fetch {
namespace {

// PHOTOVEC_SOAK_FETCHES=100000 makes an evening of it; best under the asan preset, which also looks for
// leaks.
constexpr int kUsually = 2'000;
constexpr int kAtOnce = 64;
constexpr int kFaultEvery = 20;  // 5%

struct Fault {
  const char* path;
  Code code;
};
constexpr std::array kFaults = {
    Fault{"/missing", Code::kNotFound},         Fault{"/oops", Code::kSourceFailed},
    Fault{"/busy", Code::kSourceFailed},        Fault{"/short", Code::kSourceFailed},
    Fault{"/reset", Code::kSourceFailed},       Fault{"/huge", Code::kBodyTooLarge},
    Fault{"/endless", Code::kBodyTooLarge},     Fault{"/loop", Code::kTooManyRedirects},
    Fault{"/private", Code::kSourceNotAllowed}, Fault{"/gzip", Code::kSourceFailed},
    Fault{"/stall", Code::kDeadlineExceeded},   Fault{"/cancelled", Code::kCancelled},
};

void AddFaults(OriginServer& origin) {
  origin.On("/good",
            [](Connection& c, const std::string&) { c.Reply("200 OK", "", std::string(3'000, 'x')); });
  origin.On("/missing", [](Connection& c, const std::string&) { c.Reply("404 Not Found", "", "no"); });
  origin.On("/oops", [](Connection& c, const std::string&) { c.Reply("500 Oops", "", "no"); });
  origin.On("/busy",
            [](Connection& c, const std::string&) { c.Reply("503 Busy", "Retry-After: 0\r\n", ""); });
  origin.OnOnce("/short", [](Connection& c, const std::string&) {
    c.Send("HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\nabc");
  });
  origin.OnOnce("/reset", [](Connection& c, const std::string&) {
    c.Send("HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\nabc");
    c.ResetOnClose();
  });
  origin.OnOnce("/huge", [](Connection& c, const std::string&) {
    c.Send("HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\nabc");
    c.Stall();
  });
  origin.OnOnce("/endless", [](Connection& c, const std::string&) {
    c.Send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    const std::string chunk = "1000\r\n" + std::string(0x1000, 'x') + "\r\n";
    while (c.Send(chunk)) {
    }
  });
  origin.On("/loop",
            [](Connection& c, const std::string&) { c.Reply("302 Found", "Location: /loop\r\n", ""); });
  origin.On("/private", [](Connection& c, const std::string&) {
    c.Reply("302 Found", "Location: http://127.0.0.2/\r\n", "");
  });
  origin.On("/gzip",
            [](Connection& c, const std::string&) { c.Reply("200 OK", "Content-Encoding: gzip\r\n", "xx"); });
  origin.OnOnce("/stall", [](Connection& c, const std::string&) { c.Stall(); });
  origin.OnOnce("/cancelled", [](Connection& c, const std::string&) { c.Stall(); });
}

/// Keeps kAtOnce fetches in the air and counts how often each was answered, and with what.
class Soak {
 public:
  Soak(Fetcher& fetcher, OriginServer& origin, int total)
      : fetcher_(fetcher), origin_(origin), answers_(static_cast<size_t>(total)) {}

  void Run() {
    for (size_t i = 0; i < answers_.size(); ++i) {
      std::unique_lock lock(mutex_);
      ASSERT_TRUE(changed_.wait_for(lock, std::chrono::minutes(1), [&] { return in_flight_ < kAtOnce; }))
          << "a transfer is stuck";
      ++in_flight_;
      lock.unlock();
      Start(i);
    }
    std::unique_lock lock(mutex_);
    ASSERT_TRUE(changed_.wait_for(lock, std::chrono::minutes(1), [&] { return in_flight_ == 0; }))
        << in_flight_ << " transfers are stuck";
  }

  void Check() const {
    std::map<std::string, int> wrong;
    for (size_t i = 0; i < answers_.size(); ++i) {
      EXPECT_EQ(answers_[i].times.load(), 1) << "fetch " << i;
      const Code code = answers_[i].code.load();
      if (code != Expected(i)) ++wrong[std::string(Path(i)) + " ended as " + std::string(CodeName(code))];
    }
    for (const auto& [what, times] : wrong) ADD_FAILURE() << what << ", " << times << " times";
  }

 private:
  struct AnswerOf {
    std::atomic<int> times{0};
    std::atomic<Code> code{Code::kInternal};
  };
  static const Fault* FaultOf(size_t i) {
    return i % kFaultEvery == 0 ? &kFaults[i / kFaultEvery % kFaults.size()] : nullptr;
  }
  static const char* Path(size_t i) { return FaultOf(i) != nullptr ? FaultOf(i)->path : "/good"; }
  static Code Expected(size_t i) { return FaultOf(i) != nullptr ? FaultOf(i)->code : Code::kOk; }

  void Start(size_t i) {
    // Neighbours often ask for the same, so that downloads are shared.
    const bool fault = FaultOf(i) != nullptr;
    FetchRequest request{
        .reference = origin_.Url(std::string(Path(i)) + "?" + std::to_string(fault ? i : i / 3)),
        .max_bytes = 100'000};
    if (Expected(i) == Code::kDeadlineExceeded)
      request.deadline = Deadline::After(std::chrono::milliseconds(30));
    const auto cancel = std::make_shared<CancelFlag>();
    request.cancel = cancel;
    fetcher_.Fetch(std::move(request), [this, i](const Result<Bytes>& result) {
      answers_[i].code = result.ok() ? Code::kOk : result.status().code();
      ++answers_[i].times;
      std::scoped_lock lock(mutex_);
      --in_flight_;
      changed_.notify_all();
    });
    if (Expected(i) == Code::kCancelled) cancel->Cancel();
  }

  Fetcher& fetcher_;
  OriginServer& origin_;
  std::vector<AnswerOf> answers_;
  std::mutex mutex_;
  std::condition_variable changed_;
  int in_flight_ = 0;
};

size_t OpenDescriptors() {
  const std::filesystem::directory_iterator all("/proc/self/fd");
  return static_cast<size_t>(std::distance(begin(all), end(all)));
}

TEST(FetchSoak, EveryFetchIsAnsweredOnceWhateverTheOriginDoes) {
  const char* given = std::getenv("PHOTOVEC_SOAK_FETCHES");
  const int total = given != nullptr ? std::atoi(given) : kUsually;
  ASSERT_GT(total, 0) << "PHOTOVEC_SOAK_FETCHES is not a number";
  const size_t before = OpenDescriptors();
  {
    OriginServer origin;
    AddFaults(origin);
    FetchOptions options;
    options.allow_hosts = {"*:*"};
    options.allow_cidrs = {"127.0.0.1/32"};
    options.max_attempts = 2;
    options.backoff = options.throttled_backoff = std::chrono::milliseconds(2);
    const auto fetcher = MakeFetcher(options).value();
    Soak soak(*fetcher, origin, total);
    soak.Run();
    soak.Check();
  }
  EXPECT_EQ(OpenDescriptors(), before) << "descriptors were left open";
}

}  // namespace
}  // namespace photovec::fetch
