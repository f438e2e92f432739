// SPDX-License-Identifier: MIT
// Whose fault a slow decode is: timelines that no test could make a real machine follow.
#include "decode/sandbox/stall_watch.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <thread>

namespace photovec::decode::testing {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

/// Looks at a worker every 50 ms of a made-up time until it is to be killed.
struct Timeline {
  ProcessState state = ProcessState::kRuns;
  double cpu_share = 0;  ///< of each step
  bool all_stopped = false;
  milliseconds deadline{1'000'000};
  milliseconds step{50};

  struct Verdict {
    std::optional<Death> death;
    milliseconds after{0};
  };
  Verdict Follow(milliseconds length) const {
    const TimePoint start{seconds(1000)};
    StallWatch watch({}, Deadline(start + deadline), start);
    for (milliseconds at = step; at <= length; at += step) {
      const auto cpu = std::chrono::duration_cast<Clock::duration>(at * cpu_share);
      const auto death = watch.Judge({start + at, cpu, state, all_stopped});
      if (death) return {death, at};
    }
    return {std::nullopt, length};
  }
};

TEST(StallWatch, CpuTimeSpeaksAgainstTheImage) {
  Timeline busy;
  busy.cpu_share = 1;
  const auto verdict = busy.Follow(seconds(100));
  EXPECT_EQ(verdict.death, Death::kCpu);
  EXPECT_EQ(verdict.after, milliseconds(2050));
  EXPECT_TRUE(SpeaksAgainstImage(Death::kCpu));
}

TEST(StallWatch, SoDoesSleep) {
  Timeline asleep;
  asleep.state = ProcessState::kAsleep;
  const auto verdict = asleep.Follow(seconds(100));
  EXPECT_EQ(verdict.death, Death::kTimeout);
  EXPECT_EQ(verdict.after, milliseconds(5050));
  EXPECT_TRUE(SpeaksAgainstImage(Death::kTimeout));
}

TEST(StallWatch, AWorkerThatComputesBetweenTheLooksIsNotAsleep) {
  Timeline slow;
  slow.state = ProcessState::kAsleep;
  slow.cpu_share = 0.01;
  EXPECT_EQ(slow.Follow(seconds(20)).death, std::nullopt);
}

TEST(StallWatch, AStarvedWorkerMayTakeAMinute) {
  for (const ProcessState state : {ProcessState::kRuns, ProcessState::kBlocked, ProcessState::kUnknown}) {
    Timeline starved;
    starved.state = state;
    starved.cpu_share = 0.03;
    EXPECT_EQ(starved.Follow(seconds(59)).death, std::nullopt);
    EXPECT_EQ(starved.Follow(seconds(100)).death, Death::kStarved);
  }
  EXPECT_FALSE(SpeaksAgainstImage(Death::kStarved));
}

TEST(StallWatch, ButNoLongerThanSomebodyWaits) {
  Timeline starved;
  starved.cpu_share = 0.03;
  starved.deadline = milliseconds(3000);
  const auto verdict = starved.Follow(seconds(100));
  EXPECT_EQ(verdict.death, Death::kStarved);
  EXPECT_EQ(verdict.after, milliseconds(3000));
}

TEST(StallWatch, AWorkerThatGetsItsCpuFinishesPastTheDeadline) {
  Timeline late;
  late.cpu_share = 0.9;
  late.deadline = milliseconds(100);
  EXPECT_EQ(late.Follow(seconds(100)).death, Death::kCpu);
}

TEST(StallWatch, OneThatIsStoppedIsReplacedSoonAndAllTogetherLater) {
  Timeline stopped;
  stopped.state = ProcessState::kStopped;
  EXPECT_EQ(stopped.Follow(seconds(100)).death, Death::kStopped);
  EXPECT_EQ(stopped.Follow(seconds(100)).after, milliseconds(1050));
  stopped.all_stopped = true;
  EXPECT_EQ(stopped.Follow(seconds(100)).death, Death::kStopped);
  EXPECT_EQ(stopped.Follow(seconds(100)).after, milliseconds(5050));
  stopped.deadline = milliseconds(2000);
  EXPECT_EQ(stopped.Follow(seconds(100)).death, Death::kStopped);
  EXPECT_EQ(stopped.Follow(seconds(100)).after, milliseconds(2000));
  EXPECT_FALSE(SpeaksAgainstImage(Death::kStopped));
}

TEST(StallWatch, AServerThatWasFrozenHasSeenNothing) {
  // One look after a minute: it counts as one step, whatever the worker does.
  for (const ProcessState state : {ProcessState::kAsleep, ProcessState::kStopped, ProcessState::kRuns}) {
    Timeline frozen;
    frozen.state = state;
    frozen.step = seconds(60);
    EXPECT_EQ(frozen.Follow(seconds(60)).death, std::nullopt);
  }
}

TEST(ProcessState, IsWhatTheKernelSays) {
  EXPECT_EQ(ReadProcessState(getpid()), ProcessState::kRuns);
  EXPECT_EQ(ReadProcessState(-1), ProcessState::kUnknown);
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    for (;;) pause();
  }
  const Deadline patience = Deadline::After(seconds(20));
  const auto becomes = [&](ProcessState wanted) {
    while (ReadProcessState(child) != wanted && !patience.Expired()) std::this_thread::yield();
    return ReadProcessState(child) == wanted;
  };
  EXPECT_TRUE(becomes(ProcessState::kAsleep));
  EXPECT_FALSE(IsStoppedChild(child));
  kill(child, SIGSTOP);
  EXPECT_TRUE(becomes(ProcessState::kStopped));
  EXPECT_TRUE(IsStoppedChild(child));
  EXPECT_TRUE(IsStoppedChild(child)) << "looking changes nothing";
  kill(child, SIGCONT);
  EXPECT_TRUE(becomes(ProcessState::kAsleep));
  EXPECT_FALSE(IsStoppedChild(child));
  kill(child, SIGKILL);
  EXPECT_EQ(waitpid(child, nullptr, 0), child);
  EXPECT_FALSE(IsStoppedChild(child));
}

}  // namespace
}  // namespace photovec::decode::testing
