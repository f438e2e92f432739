// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <map>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "base/bounded_queue.h"
#include "base/fair_queue.h"
#include "base/histogram.h"
#include "base/image.h"
#include "base/machine.h"
#include "base/result.h"
#include "base/slot_pool.h"
#include "base/stage_times.h"
#include "base/tensor_view.h"
#include "base/thread_pool.h"

namespace photovec {
namespace {

TEST(Status, TableIsTotalAndUnambiguous) {
  std::set<std::string_view> names;
  int expected = 0;
  for (const CodeInfo& row : CodeTable()) {
    EXPECT_EQ(static_cast<int>(row.code), expected++) << row.name;
    EXPECT_TRUE(names.insert(row.name).second) << row.name;
    EXPECT_GE(row.http_status, 200);
    EXPECT_LT(row.http_status, 600);
  }
  EXPECT_EQ(expected, static_cast<int>(Code::kSourceTimeout) + 1);
  EXPECT_EQ(HttpStatus(Code::kOverloaded), 429);
  EXPECT_EQ(HttpStatus(Code::kImageCorrupt), 422);
  EXPECT_EQ(HttpStatus(Code::kUnsupportedFormat), 415);
  EXPECT_EQ(CodeName(Code::kTooManyPixels), "too_many_pixels");
}

TEST(Status, ContextKeepsTheCode) {
  const Status status = Status(Code::kNotFound, "no such file").WithContext("config.json");
  EXPECT_EQ(status.ToString(), "not_found: config.json: no such file");
  EXPECT_TRUE(Status::Ok().WithContext("anything").ok());
}

Result<int> Half(int value) {
  if (value % 2 != 0) return Status(Code::kInvalidRequest, "odd");
  return value / 2;
}
Result<int> Quarter(int value) {
  ASSIGN_OR_RETURN(const int half, Half(value));
  return Half(half);
}

// Without NDEBUG, as in every preset but release.
TEST(ResultDeathTest, TheValueOfAFailureStopsWithItsStatus) {
  const Result<int> failed = Half(3);
  EXPECT_DEATH((void)failed.value(), "failed: invalid_request: odd");
  EXPECT_DEATH((void)*failed, "result.h");
  const Result<std::string> text = Status(Code::kNotFound, "no such photo");
  EXPECT_DEATH((void)text->size(), "not_found: no such photo");
  EXPECT_DEATH((void)Result<std::string>(text).value(), "not_found: no such photo");
  EXPECT_DEATH((void)Half(4).error(), "has a value");
  EXPECT_DEATH((void)Result<int>(Status::Ok()), "is OK");
}

TEST(Result, PropagatesErrors) {
  EXPECT_EQ(*Quarter(8), 2);
  EXPECT_EQ(Quarter(6).status().code(), Code::kInvalidRequest);
}

TEST(Tensor, HalfPrecisionRoundTripsEveryValue) {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    const auto h = static_cast<uint16_t>(bits);
    const float value = HalfToFloat(h);
    if (std::isnan(value)) continue;
    EXPECT_EQ(FloatToHalf(value), h);
    const float b = BFloat16ToFloat(h);
    if (!std::isnan(b)) {
      EXPECT_EQ(FloatToBFloat16(b), h);
    }
  }
  EXPECT_EQ(HalfToFloat(0x3C00), 1.0F);
  EXPECT_EQ(HalfToFloat(0x0001), std::ldexp(1.0F, -24));
  EXPECT_EQ(FloatToHalf(65504.0F), 0x7BFF);
  EXPECT_EQ(FloatToHalf(1e9F), 0x7C00);
  EXPECT_EQ(FloatToBFloat16(1.00390625F), 0x3F80);  // half way: to even
  EXPECT_TRUE(std::isnan(BFloat16ToFloat(FloatToBFloat16(std::numeric_limits<float>::quiet_NaN()))));
}

TEST(FairQueue, RoundRobinBetweenFlowsFifoWithin) {
  FairQueue<int> queue;
  for (int i = 0; i < 4; ++i) queue.Push({.flow = 1}, 10 + i);
  queue.Push({.flow = 2}, 20);
  queue.Push({.flow = 3}, 30);
  std::vector<int> order;
  while (auto value = queue.Pop()) order.push_back(*value);
  EXPECT_EQ(order, (std::vector<int>{10, 20, 30, 11, 12, 13}));
}

TEST(FairQueue, PopIfSkipsFlowsThatAreNotReady) {
  FairQueue<int> queue;
  queue.Push({.flow = 1}, 1);
  queue.Push({.flow = 2}, 2);
  EXPECT_EQ(queue.PopIf([](int v) { return v == 2 ? Look::kTake : Look::kSkip; }), 2);
  EXPECT_EQ(queue.PopIf([](int v) { return v == 2 ? Look::kTake : Look::kSkip; }), std::nullopt);
  EXPECT_EQ(queue.size(), 1U);
}

TEST(FairQueue, FlowsEndOneAfterAnotherInTheOrderOfTheirRank) {
  FairQueue<uint64_t> queue;
  // 200 requests of 50: were all to take turns, none would end before all do.
  for (uint64_t flow = 200; flow > 0; --flow) {
    for (int i = 0; i < 50; ++i) queue.Push({Lane::kBulk, static_cast<double>(flow), flow}, flow);
  }
  std::map<uint64_t, int> served;
  for (int i = 0; i < 5000; ++i) ++served[*queue.Pop()];
  const auto ended =
      std::count_if(served.begin(), served.end(), [](const auto& flow) { return flow.second == 50; });
  EXPECT_GE(ended, 100 - static_cast<int>(FairQueue<uint64_t>::kRunning));
  EXPECT_EQ(served.rbegin()->first, served.size()) << "those of the lowest rank";
}

TEST(FairQueue, AFlowThatRunsDryKeepsItsPlace) {
  FairQueue<uint64_t> queue;
  const auto push = [&](uint64_t flow) { queue.Push({Lane::kBulk, static_cast<double>(flow), flow}, flow); };
  for (uint64_t flow = 1; flow <= 1000; ++flow) push(flow);
  EXPECT_EQ(queue.Pop(), 1U);
  push(1);  // its upload goes on
  std::vector<uint64_t> order;
  for (int i = 0; i < 10; ++i) order.push_back(*queue.Pop());
  EXPECT_NE(std::find(order.begin(), order.end(), 1U), order.end())
      << "however many short ones follow each other";
}

TEST(FairQueue, LanesShareFourToOneAndNeitherStarves) {
  FairQueue<int> queue;
  for (int i = 0; i < 1000; ++i) {
    queue.Push({Lane::kInteractive, 0, 1}, 0);
    queue.Push({Lane::kBulk, 0, 2}, 1);
  }
  int bulk = 0;
  for (int i = 0; i < 500; ++i) bulk += *queue.Pop();
  EXPECT_NEAR(bulk, 100, 1);
  // Alone, a lane gets all; and what it had meanwhile is not held against it afterwards.
  while (queue.size() > 0) queue.Pop();
  for (int i = 0; i < 1000; ++i) queue.Push({Lane::kBulk, 0, 3}, 1);
  for (int i = 0; i < 500; ++i) queue.Pop();
  for (int i = 0; i < 1000; ++i) queue.Push({Lane::kInteractive, 0, 4}, 0);
  bulk = 0;
  for (int i = 0; i < 500; ++i) bulk += *queue.Pop();
  EXPECT_NEAR(bulk, 100, 1);
}

TEST(FairQueue, ExtractTakesWhatIsUnwantedWhereverItWaits) {
  FairQueue<int> queue;
  for (int i = 0; i < 10; ++i)
    queue.Push({i % 2 == 0 ? Lane::kBulk : Lane::kInteractive, 0, static_cast<uint64_t>(i / 4)}, i);
  std::vector<int> out;
  queue.Extract([](int value) { return value >= 3; }, out);
  EXPECT_EQ(out.size(), 7U);
  EXPECT_EQ(queue.size(), 3U);
  EXPECT_EQ(queue.flows(), 2U);
  std::vector<int> kept;
  while (auto value = queue.Pop()) kept.push_back(*value);
  std::sort(kept.begin(), kept.end());
  EXPECT_EQ(kept, (std::vector<int>{0, 1, 2}));
}

TEST(FairQueue, StopEndsTheSearch) {
  FairQueue<int> queue;
  for (uint64_t flow = 0; flow < 100; ++flow) queue.Push({.flow = flow}, 0);
  int asked = 0;
  EXPECT_EQ(queue.PopIf([&](int) { return ++asked, Look::kStop; }), std::nullopt);
  EXPECT_EQ(asked, 1);
}

TEST(BoundedQueue, BoundsAndCloses) {
  BoundedQueue<int> queue(2);
  int value = 1;
  EXPECT_TRUE(queue.TryPush(value));
  EXPECT_TRUE(queue.TryPush(value));
  EXPECT_FALSE(queue.TryPush(value));
  queue.Close();
  EXPECT_FALSE(queue.Push(3));
  EXPECT_TRUE(queue.Pop().has_value());
  EXPECT_TRUE(queue.Pop().has_value());
  EXPECT_FALSE(queue.Pop().has_value());
}

TEST(BoundedQueue, EveryValueArrivesOnceAcrossThreads) {
  BoundedQueue<int> queue(3);
  std::atomic<int64_t> sum = 0;
  std::vector<std::thread> readers;
  for (int i = 0; i < 3; ++i) {
    readers.emplace_back([&] {
      while (auto v = queue.Pop()) sum += *v;
    });
  }
  for (int i = 1; i <= 1000; ++i) EXPECT_TRUE(queue.Push(i));
  queue.Close();
  for (auto& reader : readers) reader.join();
  EXPECT_EQ(sum, 500500);
}

TEST(SlotPool, RecyclesAndAligns) {
  auto pool = std::move(SlotPool::Create(150, 2)).value();
  int released = 0;
  pool->OnRelease([&] { ++released; });
  auto a = pool->TryAcquire();
  auto b = pool->TryAcquire();
  ASSERT_TRUE(a && b);
  EXPECT_FALSE(pool->TryAcquire());
  EXPECT_EQ(reinterpret_cast<uintptr_t>(b->view().data) % 64, 0U);
  EXPECT_EQ(a->pixels().size(), 150U);
  const int index = a->index();
  a.reset();
  EXPECT_EQ(released, 1);
  SlotRef moved = std::move(*pool->TryAcquire());
  EXPECT_EQ(moved.index(), index);
  moved.Release();
  moved.Release();
  EXPECT_EQ(released, 2);
  EXPECT_EQ(pool->available(), 1);
}

TEST(Histogram, QuantilesWithinThePromisedError) {
  Histogram histogram;
  for (int i = 1; i <= 100000; ++i) histogram.Record(i);
  EXPECT_EQ(histogram.count(), 100000U);
  for (const double q : {0.01, 0.5, 0.95, 0.99}) {
    EXPECT_NEAR(histogram.Quantile(q), q * 100000, 0.032 * q * 100000);
  }
  EXPECT_EQ(histogram.max(), 100000U);
  EXPECT_NEAR(histogram.mean(), 50000.5, 1e-6);
  Histogram small;
  for (int i = 0; i < 60; ++i) small.Record(i);
  EXPECT_EQ(small.Quantile(0.5), 29);
}

TEST(Histogram, QuantilesLieBetweenTheSmallestAndTheLargest) {
  for (const int64_t value : {64, 1000, 1023, 1 << 20, (1 << 20) + 1, 123456789}) {
    Histogram one;
    one.Record(value);
    for (const double q : {0.0, 0.5, 0.99, 1.0}) EXPECT_EQ(one.Quantile(q), static_cast<double>(value)) << q;
    one.Record(value + value / 100);
    EXPECT_GE(one.Quantile(0.01), static_cast<double>(value));
    EXPECT_LE(one.Quantile(0.99), static_cast<double>(one.max()));
  }
}

TEST(StageTimes, MissingBordersAreMinusOne) {
  StageTimes times;
  const TimePoint t = Clock::now();
  times.MarkAt(Border::kFetchEnd, t);
  times.MarkAt(Border::kDecodeStart, t + std::chrono::microseconds(250));
  EXPECT_EQ(times.Micros(Stage::kDecodeWait), 250);
  EXPECT_EQ(times.Micros(Stage::kDecode), -1);
  EXPECT_EQ(StageName(Stage::kCollect), "collect");
}

TEST(RgbImage, KeepsMemoryAcrossResets) {
  RgbImage image;
  image.Reset(100, 50);
  const uint8_t* data = image.data();
  image.Reset(10, 10);
  EXPECT_EQ(image.data(), data);
  image.ShrinkTo(100);
  EXPECT_EQ(image.capacity_bytes(), 0U);
}

TEST(ThreadPool, RunsEverythingBeforeItDies) {
  std::atomic<int> ran = 0;
  {
    ThreadPool pool("test", 2, 0, 100);
    for (int i = 0; i < 50; ++i) {
      std::function<void()> task = [&] { ++ran; };
      ASSERT_TRUE(pool.TryPost(task));
    }
  }
  EXPECT_EQ(ran, 50);
}

TEST(Machine, KnowsItself) {
  const Machine machine = ProbeMachine();
  EXPECT_GE(machine.physical_cores, 1);
  EXPECT_GE(machine.cpus.size(), static_cast<size_t>(machine.physical_cores));
  EXPECT_GT(machine.memory_bytes, 1ULL << 20);
  EXPECT_FALSE(machine.isa.empty());
  EXPECT_GT(ResidentBytes(), 0U);
}

TEST(LoopPriority, NormalKeepsTheNiceValueAndThePolicy) {
  std::thread([] {
    SetThreadNice(5);
    EXPECT_TRUE(SetLoopPriority(LoopPriority::kNormal));
    EXPECT_EQ(getpriority(PRIO_PROCESS, static_cast<id_t>(syscall(SYS_gettid))), 5);
    EXPECT_EQ(sched_getscheduler(0), SCHED_OTHER);
  }).join();
}

TEST(LoopPriority, RealtimeIsForTheThreadAloneAndSaysWhenItIsNotAllowed) {
  for (const LoopPriority priority : {LoopPriority::kAuto, LoopPriority::kRealtime}) {
    std::thread([priority] {
      const bool allowed = SetLoopPriority(priority);
      EXPECT_EQ(sched_getscheduler(0), allowed ? SCHED_RR | SCHED_RESET_ON_FORK : SCHED_OTHER);
      std::thread([] { EXPECT_EQ(sched_getscheduler(0), SCHED_OTHER); }).join();
    }).join();
  }
  EXPECT_EQ(sched_getscheduler(0), SCHED_OTHER);
}

TEST(LoopPriority, WithoutTheRightAutoRunsAsNormal) {
  // In a process of its own: rights that are given up do not come back.
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    const rlimit none{0, 0};
    const bool given_up = setrlimit(RLIMIT_RTPRIO, &none) == 0 && (geteuid() != 0 || setuid(65'534) == 0);
    const bool refused = !SetLoopPriority(LoopPriority::kAuto) && !SetLoopPriority(LoopPriority::kRealtime);
    _exit(given_up && refused && sched_getscheduler(0) == SCHED_OTHER ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

}  // namespace
}  // namespace photovec
