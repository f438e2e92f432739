// SPDX-License-Identifier: MIT
#include "fetch/http/refreshing.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>

namespace photovec::fetch {
namespace {

using namespace std::chrono_literals;
using Ints = Refreshing<int>;

Ints::Made Lives(int value, Clock::duration life) {
  return {.value = std::make_shared<const int>(value), .expires = Clock::now() + life};
}

/// Counts calls and hands out what the test scripted; after that the last one again.
class Script {
 public:
  explicit Script(std::deque<std::function<Result<Ints::Made>()>> steps) : steps_(std::move(steps)) {}
  Ints::Make Make() {
    return [this]() -> Result<Ints::Made> {
      std::function<Result<Ints::Made>()> step;
      {
        std::scoped_lock lock(mutex_);
        ++calls_;
        step = steps_.front();
        if (steps_.size() > 1) steps_.pop_front();
        called_.notify_all();
      }
      return step();
    };
  }
  int calls() {
    std::scoped_lock lock(mutex_);
    return calls_;
  }
  void AwaitCalls(int count) {
    std::unique_lock lock(mutex_);
    called_.wait(lock, [&] { return calls_ >= count; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable called_;
  std::deque<std::function<Result<Ints::Made>()>> steps_;
  int calls_ = 0;
};

std::function<Result<Ints::Made>()> Gives(int value, Clock::duration life) {
  return [=]() -> Result<Ints::Made> { return Lives(value, life); };
}
std::function<Result<Ints::Made>()> Fails(const char* why) {
  return [=]() -> Result<Ints::Made> { return Status(Code::kSourceFailed, why); };
}

Result<Ints::Value> Wait(Ints& values) {
  std::promise<Result<Ints::Value>> promise;
  auto future = promise.get_future();
  values.Get([&](Result<Ints::Value> value) { promise.set_value(std::move(value)); });
  return future.get();
}

/// The answer if Get() has it at once.
std::optional<Result<Ints::Value>> AtOnce(Ints& values) {
  auto answer = std::make_shared<std::optional<Result<Ints::Value>>>();
  values.Get([answer](Result<Ints::Value> value) { answer->emplace(std::move(value)); });
  return *answer;
}

TEST(Refreshing, MakesNothingUntilAskedAndThenAnswersAtOnce) {
  Script script({Gives(1, 1h)});
  Ints values("test", script.Make());
  EXPECT_EQ(script.calls(), 0);
  EXPECT_EQ(**Wait(values), 1);
  const auto again = AtOnce(values);
  ASSERT_TRUE(again.has_value());
  EXPECT_EQ(***again, 1);
  EXPECT_EQ(script.calls(), 1);
}

TEST(Refreshing, OneCallAnswersEverybodyWhoWaits) {
  std::promise<void> go;
  auto gate = go.get_future().share();
  Script script({[gate]() -> Result<Ints::Made> {
    gate.wait();
    return Lives(7, 1h);
  }});
  Ints values("test", script.Make());
  std::atomic<int> sum = 0;
  std::promise<void> all;
  for (int i = 0; i < 20; ++i) {
    values.Get([&](const Result<Ints::Value>& value) {
      ASSERT_TRUE(value.ok());
      if (sum += **value; sum == 140) all.set_value();
    });
  }
  EXPECT_EQ(sum, 0);
  go.set_value();
  all.get_future().wait();
  EXPECT_EQ(script.calls(), 1);
}

TEST(Refreshing, RenewsAheadOfTheEndSoThatNobodyWaits) {
  Script script({Gives(1, 5s), Gives(2, 10h)});
  Ints values("test", script.Make(), 4s);  // due after three quarters of its life
  EXPECT_EQ(**Wait(values), 1);
  script.AwaitCalls(2);  // nobody asked for it
  while (true) {
    const auto now = AtOnce(values);
    ASSERT_TRUE(now.has_value()) << "somebody had to wait";
    ASSERT_TRUE(now->ok());
    if (***now == 2) break;
    std::this_thread::yield();  // until what the second call gave is in place
  }
  EXPECT_EQ(script.calls(), 2);
}

TEST(Refreshing, AFailureIsGivenAtOnceForASecondAndThenTriedAgain) {
  Script script({Fails("the endpoint is down"), Gives(3, 1h)});
  Ints values("test", script.Make());
  const TimePoint began = Clock::now();
  EXPECT_EQ(Wait(values).status().message(), "the endpoint is down");
  const auto again = AtOnce(values);
  if (Clock::now() - began < 1s) {  // else this machine was asleep, and the second call may be under way
    ASSERT_TRUE(again.has_value());
    EXPECT_EQ(again->status().code(), Code::kSourceFailed);
    EXPECT_EQ(script.calls(), 1);
  }
  while (true) {
    const auto value = Wait(values);
    if (value.ok()) {
      EXPECT_EQ(**value, 3);
      break;
    }
    ASSERT_LT(Clock::now() - began, 30s);
    std::this_thread::yield();
  }
  EXPECT_GE(Clock::now() - began, 1s);
  EXPECT_EQ(script.calls(), 2);
}

TEST(Refreshing, AFailedRenewalKeepsAValueThatIsStillGood) {
  Script script({Gives(1, 4s), Fails("down"), Gives(2, 1h)});
  Ints values("test", script.Make(), 3s);  // due after 3 s, again a second or less later
  EXPECT_EQ(**Wait(values), 1);
  script.AwaitCalls(2);
  const auto between = Wait(values);
  ASSERT_TRUE(between.ok()) << "the failure of a renewal reached somebody: " << between.status().ToString();
  script.AwaitCalls(3);
}

TEST(Refreshing, AValueThatHasEndedIsReplacedBeforeItIsGiven) {
  // A fifth of a second: renewed after a second at the soonest, hence ended before.
  Script script({Gives(1, 200ms), Gives(2, 1h)});
  Ints values("test", script.Make());
  EXPECT_EQ(**Wait(values), 1);
  const TimePoint ended = Clock::now() + 200ms;
  while (Clock::now() < ended) std::this_thread::yield();
  EXPECT_EQ(**Wait(values), 2);
}

TEST(Refreshing, AnEndedRenewalThatFailsIsNotTriedForNobody) {
  Script script({Gives(1, 500ms), Fails("down")});
  Ints values("test", script.Make());
  EXPECT_EQ(**Wait(values), 1);
  script.AwaitCalls(2);  // the renewal, a second later
  EXPECT_EQ(Wait(values).status().message(), "down");
  EXPECT_LE(script.calls(), 3);  // not once per look
}

TEST(Refreshing, AValueThatIsBornDeadIsAnError) {
  Script script({Gives(1, -1s)});
  Ints values("test", script.Make());
  const auto value = Wait(values);
  ASSERT_FALSE(value.ok());
  EXPECT_EQ(value.status().code(), Code::kSourceFailed);
  Script nothing({[]() -> Result<Ints::Made> { return Ints::Made{}; }});
  Ints empty("test", nothing.Make());
  EXPECT_FALSE(Wait(empty).ok());
}

TEST(Refreshing, ARefusedValueIsReplacedOnce) {
  Script script({Gives(1, 1h), Gives(2, 1h), Gives(3, 1h)});
  Ints values("test", script.Make());
  const auto first = Wait(values);
  values.Renew(*first);
  values.Renew(*first);  // another transfer with the same token
  const auto second = Wait(values);
  EXPECT_EQ(**second, 2);
  values.Renew(*first);  // a late one
  EXPECT_EQ(**Wait(values), 2);
  EXPECT_EQ(script.calls(), 2);
  values.Renew(nullptr);
  EXPECT_EQ(**Wait(values), 2);
}

TEST(Refreshing, WhoeverRefusesEveryValueIsNotServedANewOneEachTime) {
  Script script({Gives(1, 1h)});
  Ints values("test", script.Make());
  const TimePoint began = Clock::now();
  for (int i = 0; i < 100; ++i) values.Renew(*Wait(values));
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(Clock::now() - began).count();
  EXPECT_LE(script.calls(), 2 + seconds);
  const TimePoint quiet = Clock::now() + 1s;
  while (Clock::now() < quiet) std::this_thread::yield();
  const int before = script.calls();
  values.Renew(*Wait(values));  // after a second it counts again
  EXPECT_TRUE(Wait(values).ok());
  EXPECT_EQ(script.calls(), before + 1);
}

TEST(Refreshing, TheEndWaitsForACallUnderWayAndAnswersEverybody) {
  std::promise<void> asked_again;
  std::atomic<int> answers = 0;
  Script script({Gives(1, 1h), Gives(2, 1h)});
  {
    Ints values("test", script.Make());
    values.Get([&](const Result<Ints::Value>& value) {
      ++answers;
      values.Renew(*value);
      // Queued while this thread is busy here: the end may come before it is taken up.
      values.Get([&](const Result<Ints::Value>& second) {
        EXPECT_TRUE(second.ok() || second.status().code() == Code::kCancelled);
        ++answers;
      });
      asked_again.set_value();
    });
    asked_again.get_future().wait();
  }
  EXPECT_EQ(answers, 2);

  std::promise<void> begun;
  std::promise<void> go;
  std::thread opener;
  bool given = false;
  {
    Script slow({[&]() -> Result<Ints::Made> {
      begun.set_value();
      go.get_future().wait();
      return Lives(1, 1h);
    }});
    Ints values("test", slow.Make());
    values.Get([&](const Result<Ints::Value>& value) { given = value.ok(); });
    begun.get_future().wait();
    opener = std::thread([&] { go.set_value(); });
  }
  EXPECT_TRUE(given) << "the value of a call under way was lost";
  opener.join();
}

TEST(Refreshing, ACallbackMayAskAgainAndMayRefuse) {
  Script script({Gives(1, 1h), Gives(2, 1h)});
  Ints values("test", script.Make());
  std::promise<int> second;
  values.Get([&](const Result<Ints::Value>& first) {
    values.Renew(*first);
    values.Get([&](const Result<Ints::Value>& value) { second.set_value(**value); });
  });
  EXPECT_EQ(second.get_future().get(), 2);
}

}  // namespace
}  // namespace photovec::fetch
