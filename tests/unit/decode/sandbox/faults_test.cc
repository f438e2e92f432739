// SPDX-License-Identifier: MIT
// What a hostile image can make a worker do, and what it then costs: one image.
#include <signal.h>

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <thread>

#include "unit/decode/sandbox/pool_fixture.h"

namespace photovec::decode::testing {
namespace {

struct FaultCase {
  const char* kind;
  Code code;
  Death death;
};

class Fault : public ::testing::TestWithParam<FaultCase> {};

TEST_P(Fault, CostsItsImageAndNoOther) {
  const FaultCase& fault = GetParam();
  DecoderPoolOptions options = PoolOptions(1, std::string(fault.kind) + "@EVIL");
  options.attempt.wall = std::chrono::milliseconds(fault.death == Death::kTimeout ? 300 : 20'000);
  options.attempt.cpu = std::chrono::milliseconds(fault.death == Death::kCpu ? 200 : 10'000);
  const auto pool = MakePool(options);
  const auto decoder = pool->MakeDecoder();
  const auto oracle = MakeInProcessDecoder();

  ExpectSame(DecodeWith(*decoder, Marked("")), DecodeWith(*oracle, Marked("")), "before");
  const Answer evil = DecodeWith(*decoder, Marked("EVIL"));
  EXPECT_EQ(evil.report.status().code(), fault.code) << evil.report.status().ToString();
  EXPECT_EQ(Deaths(*pool, fault.death), 2) << "one retry in another process";
  EXPECT_EQ(pool->stats().quarantined, 1U);
  if (fault.death == Death::kCpu) {
    EXPECT_GE(pool->stats().cpu, 2 * options.attempt.cpu) << "of both processes";
  }

  EXPECT_EQ(DecodeWith(*decoder, Marked("EVIL")).report.status().code(), fault.code);
  EXPECT_EQ(Deaths(*pool, fault.death), 2) << "the quarantine spares a third process";
  for (uint32_t seed = 2; seed < 6; ++seed) {
    ExpectSame(DecodeWith(*decoder, Marked("", seed)), DecodeWith(*oracle, Marked("", seed)), "after");
  }
}

INSTANTIATE_TEST_SUITE_P(Kinds, Fault,
                         ::testing::Values(FaultCase{"segv", Code::kDecoderCrashed, Death::kCrashed},
                                           FaultCase{"abort", Code::kDecoderCrashed, Death::kCrashed},
                                           FaultCase{"loop", Code::kDecodeTimeout, Death::kCpu},
                                           FaultCase{"hang", Code::kDecodeTimeout, Death::kTimeout},
                                           FaultCase{"socket", Code::kDecoderCrashed, Death::kViolation},
                                           FaultCase{"file", Code::kDecoderCrashed, Death::kViolation},
                                           FaultCase{"exec", Code::kDecoderCrashed, Death::kViolation},
                                           FaultCase{"die_decode", Code::kDecoderCrashed, Death::kCrashed},
                                           FaultCase{"die_reply", Code::kDecoderCrashed, Death::kCrashed},
                                           FaultCase{"lie_sequence", Code::kDecoderCrashed, Death::kProtocol},
                                           FaultCase{"lie_size", Code::kDecoderCrashed, Death::kProtocol},
                                           FaultCase{"lie_format", Code::kDecoderCrashed, Death::kProtocol},
                                           FaultCase{"lie_code", Code::kDecoderCrashed, Death::kProtocol},
                                           FaultCase{"lie_text", Code::kDecoderCrashed, Death::kProtocol},
                                           FaultCase{"lie_length", Code::kDecoderCrashed, Death::kProtocol},
                                           FaultCase{"lie_time", Code::kDecoderCrashed, Death::kProtocol}),
                         [](const auto& info) { return std::string(info.param.kind); });

// ThreadSanitizer needs an address space without limit.
#ifndef __SANITIZE_THREAD__
INSTANTIATE_TEST_SUITE_P(Memory, Fault,
                         ::testing::Values(FaultCase{"memory", Code::kDecodeLimit, Death::kMemory}));
#endif

// With a sanitizer the list of system calls is a short one.
#if !defined(__SANITIZE_THREAD__) && !defined(__SANITIZE_ADDRESS__)
// Otherwise a captured worker could pass for one that others killed or stopped, and its image would be free
// to come again.
INSTANTIATE_TEST_SUITE_P(Signals, Fault,
                         ::testing::Values(FaultCase{"stop", Code::kDecoderCrashed, Death::kViolation},
                                           FaultCase{"kill", Code::kDecoderCrashed, Death::kViolation}),
                         [](const auto& info) { return std::string(info.param.kind); });
#endif

TEST(Faults, AWorkerThatDiesAfterItsAnswerCostsNothing) {
  const auto pool = MakePool(PoolOptions(1, "die_after@EVIL"));
  const auto decoder = pool->MakeDecoder();
  const auto oracle = MakeInProcessDecoder();
  for (int i = 0; i < 3; ++i) {
    ExpectSame(DecodeWith(*decoder, Marked("EVIL")), DecodeWith(*oracle, Marked("EVIL")), "EVIL");
  }
}

TEST(Faults, ASecondAnswerIsNeverTakenForTheNextImage) {
  const auto pool = MakePool(PoolOptions(1, "lie_twice@EVIL"));
  const auto decoder = pool->MakeDecoder();
  const auto oracle = MakeInProcessDecoder();
  ExpectSame(DecodeWith(*decoder, Marked("EVIL")), DecodeWith(*oracle, Marked("EVIL")), "the image itself");
  ExpectSame(DecodeWith(*decoder, Marked("", 7)), DecodeWith(*oracle, Marked("", 7)), "the next image");
  EXPECT_EQ(Deaths(*pool, Death::kProtocol), 1);
}

TEST(Faults, AWorkerThatCannotStartFailsTheStart) {
  const auto pool = DecoderPool::Create(PoolOptions(1, "die_hello"));
  ASSERT_FALSE(pool.ok());
  EXPECT_EQ(pool.status().code(), Code::kUnavailable);
}

TEST(Faults, WorkersThatDieAtOnceFailTheStart) {
  // Ten workers take longer to start than the first three to die, on any machine.
  const auto pool = DecoderPool::Create(PoolOptions(10, "die_ready"));
  ASSERT_FALSE(pool.ok());
  EXPECT_EQ(pool.status().code(), Code::kUnavailable);
  EXPECT_NE(pool.status().message().find("as soon as they are started"), std::string::npos);
}

TEST(Faults, AMissingProgramIsNamed) {
  DecoderPoolOptions options = PoolOptions();
  options.program = "/nonexistent/photovec-decoder";
  const auto pool = DecoderPool::Create(options);
  ASSERT_FALSE(pool.ok());
  EXPECT_NE(pool.status().message().find("/nonexistent/photovec-decoder"), std::string::npos);
}

TEST(Faults, IdleWorkersThatAreKilledAreReplacedAndCostNoImage) {
  const auto pool = MakePool(PoolOptions(2));
  const auto decoder = pool->MakeDecoder();
  const std::vector<int> before = pool->pids();
  ASSERT_EQ(before.size(), 3U);
  for (const int pid : before) kill(pid, SIGKILL);
  const auto oracle = MakeInProcessDecoder();
  ExpectSame(DecodeWith(*decoder, Marked("")), DecodeWith(*oracle, Marked("")), "after kill -9 of all");
  EXPECT_EQ(Deaths(*pool, Death::kKilled), 3);
  EXPECT_EQ(pool->stats().quarantined, 0U);
}

TEST(Faults, AStoppedWorkerIsReplacedAndItsImageDecodedElsewhere) {
  DecoderPoolOptions options = PoolOptions(1);
  options.attempt.wall = std::chrono::milliseconds(300);
  const auto pool = MakePool(options);
  const auto decoder = pool->MakeDecoder();
  const auto oracle = MakeInProcessDecoder();
  kill(pool->pids().back(), SIGSTOP);
  ExpectSame(DecodeWith(*decoder, Marked("")), DecodeWith(*oracle, Marked("")), "SIGSTOP");
  const Deadline patience = Deadline::After(std::chrono::seconds(20));
  while (Deaths(*pool, Death::kStopped) == 0 && !patience.Expired()) std::this_thread::yield();
  EXPECT_EQ(Deaths(*pool, Death::kStopped), 1);
  EXPECT_EQ(pool->stats().quarantined, 0U);
}

TEST(Faults, WhenAllAreStoppedNoImageIsBlamedAndTheyGoOnTogether) {
  const auto pool = MakePool(PoolOptions(2));
  const auto decoder = pool->MakeDecoder();
  const auto oracle = MakeInProcessDecoder();
  const std::vector<int> pids = pool->pids();
  ASSERT_EQ(pids.size(), 3U);
  for (const int pid : pids) kill(pid, SIGSTOP);
  const Deadline patience = Deadline::After(std::chrono::seconds(20));
  while (pool->stats().stopped != 3 && !patience.Expired()) std::this_thread::yield();
  EXPECT_EQ(pool->stats().stopped, 3);
  const Answer stalled =
      DecodeWith(*decoder, Marked(""), SmallSpec(), {}, Deadline::After(std::chrono::milliseconds(200)));
  EXPECT_EQ(stalled.report.status().code(), Code::kDecoderStalled) << stalled.report.status().ToString();

  for (const int pid : pids) kill(pid, SIGCONT);
  ExpectSame(DecodeWith(*decoder, Marked("")), DecodeWith(*oracle, Marked("")), "SIGCONT");
  const DecoderPoolStats stats = pool->stats();
  EXPECT_EQ(stats.quarantined, 0U);
  for (const int64_t deaths : stats.deaths) EXPECT_EQ(deaths, 0);
}

TEST(Faults, AllThatStayStoppedAreReplaced) {
  DecoderPoolOptions options = PoolOptions(1);
  options.attempt.wall = std::chrono::milliseconds(300);
  const auto pool = MakePool(options);
  for (const int pid : pool->pids()) kill(pid, SIGSTOP);
  const auto oracle = MakeInProcessDecoder();
  const auto decoder = pool->MakeDecoder();
  const Deadline patience = Deadline::After(std::chrono::seconds(20));
  while (Deaths(*pool, Death::kStopped) != 2 && !patience.Expired()) std::this_thread::yield();
  while (pool->stats().alive != 2 && !patience.Expired()) std::this_thread::yield();
  ExpectSame(DecodeWith(*decoder, Marked("")), DecodeWith(*oracle, Marked("")), "replaced");
  EXPECT_EQ(pool->stats().quarantined, 0U);
}

TEST(Faults, AnImageWhoseWorkersAreKilledFromOutsideIsNotBlamed) {
  // Each worker falls asleep over the image, and is killed as soon as it is the busy one.
  const auto pool = MakePool(PoolOptions(1, "hang@EVIL"));
  Answer answer{Status(Code::kInternal, "not decoded"), {}};
  std::atomic<bool> done{false};
  std::thread decoding([&] {
    answer = DecodeWith(*pool->MakeDecoder(), Marked("EVIL"));
    done = true;
  });
  while (!done) {
    for (const int pid : pool->busy_pids()) kill(pid, SIGKILL);
  }
  decoding.join();
  EXPECT_EQ(answer.report.status().code(), Code::kDecoderStalled) << answer.report.status().ToString();
  EXPECT_EQ(pool->stats().quarantined, 0U);
  EXPECT_GE(Deaths(*pool, Death::kKilled), 4);
}

/// Decodes an image in which the worker hangs; tells where its thread may run meanwhile.
class HangingDecode {
 public:
  HangingDecode(DecoderPool& pool, uint32_t seed)
      : thread_([this, &pool, seed] {
          thread_id_ = gettid();
          (void)DecodeWith(*pool.MakeDecoder(), Marked("EVIL", seed));
        }) {}
  ~HangingDecode() { thread_.join(); }
  int Cpus() const {
    cpu_set_t cpus;
    const pid_t id = thread_id_.load();
    return id != 0 && sched_getaffinity(id, sizeof(cpus), &cpus) == 0 ? CPU_COUNT(&cpus) : 0;
  }

 private:
  std::atomic<pid_t> thread_id_{0};
  std::thread thread_;
};

TEST(Faults, OnlyAnImageThatIsAloneKeepsItsThreadOnOneCpu) {
  cpu_set_t all;
  ASSERT_EQ(sched_getaffinity(0, sizeof(all), &all), 0);
  DecoderPoolOptions options = PoolOptions(2, "hang@EVIL");
  options.attempt.wall = std::chrono::seconds(2);
  const auto pool = MakePool(options);
  const HangingDecode alone(*pool, 1);
  const Deadline patience = Deadline::After(std::chrono::seconds(20));
  while (alone.Cpus() != 1 && !patience.Expired()) std::this_thread::yield();
  EXPECT_EQ(alone.Cpus(), 1);

  const HangingDecode second(*pool, 2);
  while (pool->pids().size() != 1 && !patience.Expired()) std::this_thread::yield();  // both are busy
  const Deadline look = Deadline::After(std::chrono::milliseconds(100));
  int fewest = CPU_COUNT(&all);
  while (!look.Expired()) {
    if (const int cpus = second.Cpus(); cpus != 0) fewest = std::min(fewest, cpus);
  }
  EXPECT_EQ(fewest, CPU_COUNT(&all));
}

size_t CountOpenFds() {
  size_t count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) ++count;
  return count;
}

/// Children of this process, zombies included.
size_t CountChildren() {
  size_t count = 0;
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    std::ifstream children(task.path() / "children");
    for (int pid = 0; children >> pid;) ++count;
  }
  return count;
}

TEST(Faults, AStormOfKillsLosesNoImageAndLeaksNothing) {
  constexpr int kThreads = 3;
  constexpr int kImages = 400;
  const size_t fds_before = CountOpenFds();
  {
    const auto pool = MakePool(PoolOptions(kThreads));
    const Encoded photo = Marked("");
    const std::vector<uint8_t> wanted = DecodeWith(*MakeInProcessDecoder(), photo).pixels;
    std::atomic<int> next{0};
    std::atomic<int> right{0};
    std::atomic<int> stalled{0};
    std::atomic<int> wrong{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < kThreads; ++i) {
      threads.emplace_back([&] {
        const auto decoder = pool->MakeDecoder();
        for (int image = next++; image < kImages; image = next++) {
          if (image % 20 == 0) {
            for (const int pid : pool->pids()) kill(pid, SIGKILL);
          }
          const Answer answer = DecodeWith(*decoder, photo);
          if (answer.report.ok() && answer.pixels == wanted) {
            ++right;
          } else if (answer.report.status().code() == Code::kDecoderStalled) {
            ++stalled;  // four kills in a row: it is to be tried again
          } else {
            ++wrong;
            ADD_FAILURE() << (answer.report.ok() ? "other pixels" : answer.report.status().ToString());
          }
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(right + stalled, kImages);
    EXPECT_LT(stalled, 20);
    EXPECT_EQ(wrong, 0);
    EXPECT_GT(Deaths(*pool, Death::kKilled), 5);
    EXPECT_LE(CountChildren(), static_cast<size_t>(kThreads + 1));
  }
  EXPECT_EQ(CountOpenFds(), fds_before);
  EXPECT_EQ(CountChildren(), 0U);
}

}  // namespace
}  // namespace photovec::decode::testing
