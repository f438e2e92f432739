// SPDX-License-Identifier: MIT
#include "experiment/run/server_process.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <filesystem>
#include <fstream>

namespace photovec::experiment {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class ServerProcessTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/photovec-server-process-XXXXXX";
    dir_ = mkdtemp(name);
  }
  void TearDown() override { std::filesystem::remove_all(dir_); }

  ServerProcess::Options Shell(const std::string& script) const {
    ServerProcess::Options options;
    options.command = {"sh", "-c", script};
    options.port_file = dir_ + "/port";
    options.log_path = dir_ + "/log";
    options.start_timeout = std::chrono::seconds(30);
    return options;
  }
  std::string Ready() const {
    return "echo 1234 > " + dir_ + "/tmp; mv " + dir_ + "/tmp " + dir_ + "/port; ";
  }

  std::string dir_;
  std::atomic<bool> stop_{false};
};

TEST_F(ServerProcessTest, TellsItsPortAndStopsAtSigterm) {
  auto server = ServerProcess::Start(
      Shell("trap 'echo bye; exit 0' TERM; echo hello; " + Ready() + "while :; do sleep 0.01; done"), stop_);
  ASSERT_TRUE(server.ok()) << server.status().message();
  EXPECT_EQ((*server)->port(), 1234);
  EXPECT_TRUE((*server)->Running());
  EXPECT_TRUE((*server)->Stop().ok());
  EXPECT_FALSE((*server)->Running());
  EXPECT_THAT(LastLines(dir_ + "/log", 5), ElementsAre("hello", "bye"));
}

TEST_F(ServerProcessTest, SaysHowAServerEndedThatNeverGotReady) {
  const auto server = ServerProcess::Start(Shell("echo 'no such model' >&2; exit 2"), stop_);
  ASSERT_FALSE(server.ok());
  EXPECT_THAT(server.status().message(), HasSubstr("exited with status 2 before it was ready"));
  EXPECT_THAT(LastLines(dir_ + "/log", 5), ElementsAre("no such model"));
}

TEST_F(ServerProcessTest, NamesTheSignalOfACrash) {
  auto server = ServerProcess::Start(
      Shell(Ready() + "until [ -e " + dir_ + "/go ]; do sleep 0.01; done; kill -SEGV $$"), stop_);
  ASSERT_TRUE(server.ok());
  std::ofstream(dir_ + "/go") << "now";
  while ((*server)->Running()) {
  }
  EXPECT_THAT((*server)->Stop().message(), HasSubstr("killed by signal 11"));
}

TEST_F(ServerProcessTest, KillsWhatDoesNotStop) {
  auto server =
      ServerProcess::Start(Shell("trap '' TERM; " + Ready() + "while :; do sleep 0.01; done"), stop_);
  ASSERT_TRUE(server.ok());
  EXPECT_THAT((*server)->Stop(std::chrono::seconds(1)).message(), HasSubstr("was killed"));
}

TEST_F(ServerProcessTest, SaysWhenTheProgramCannotBeRun) {
  auto options = Shell("");
  options.command = {"/no/such/program"};
  EXPECT_THAT(ServerProcess::Start(options, stop_).status().message(),
              HasSubstr("cannot run /no/such/program: No such file"));
  options = Shell("");
  options.log_path = dir_ + "/missing/log";
  EXPECT_THAT(ServerProcess::Start(options, stop_).status().message(), HasSubstr("cannot write"));
}

TEST_F(ServerProcessTest, DoesNotTakeAnOldPortFileOrAnUnfinishedLine) {
  std::ofstream(dir_ + "/port") << "99\n";
  const auto server = ServerProcess::Start(Shell("printf 12 > " + dir_ + "/port; exit 0"), stop_);
  EXPECT_THAT(server.status().message(), HasSubstr("exited with status 0 before it was ready"));
}

TEST_F(ServerProcessTest, StopsWaitingWhenAsked) {
  stop_ = true;
  EXPECT_EQ(ServerProcess::Start(Shell("while :; do sleep 0.01; done"), stop_).status().code(),
            Code::kCancelled);
}

TEST_F(ServerProcessTest, GivesTheServerUnblockedSignals) {
  sigset_t all;
  sigfillset(&all);
  sigset_t before;
  pthread_sigmask(SIG_BLOCK, &all, &before);
  auto server = ServerProcess::Start(
      Shell("grep SigBlk /proc/self/status; " + Ready() + "while :; do sleep 0.01; done"), stop_);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  ASSERT_TRUE(server.ok());
  EXPECT_THAT((*server)->Stop().message(), HasSubstr("killed by signal 15"));
  EXPECT_THAT(LastLines(dir_ + "/log", 1), ElementsAre(HasSubstr("0000000000000000")));
}

}  // namespace
}  // namespace photovec::experiment
