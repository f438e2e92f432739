// SPDX-License-Identifier: MIT
#include "cli/cli.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "cli/exit.h"

namespace photovec::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

struct Seen {
  int runs = 0;
  int port = 8080;
  bool json = false;
  std::vector<std::string> models;
  std::vector<std::string> files;
};

// Remembers what it was told; returns the port as its exit code when asked for port 70 or 3.
class FakeCommand : public Command {
 public:
  FakeCommand(std::string path, Seen* seen) : path_(std::move(path)), seen_(seen) {}
  std::string path() const override { return path_; }
  std::string summary() const override { return "Fake"; }
  void Declare(FlagSet& flags) override {
    flags.Group("Fake");
    flags.Integer("port", &seen_->port, 0, 65535, "TCP port");
    flags.Switch("json", &seen_->json, "JSON");
    flags.List("model", &seen_->models, "DIR", "models");
    flags.Positionals("FILES", &seen_->files, false, "files");
  }
  int Run() override {
    ++seen_->runs;
    return seen_->port == 3 || seen_->port == 70 ? seen_->port : kExitOk;
  }

 private:
  std::string path_;
  Seen* seen_;
};

class Cli : public ::testing::Test {
 protected:
  int Run(std::vector<std::string> args) {
    std::vector<std::unique_ptr<Command>> commands;
    commands.push_back(std::make_unique<FakeCommand>("serve", &serve_));
    commands.push_back(std::make_unique<FakeCommand>("bench.pipeline", &bench_));
    ::testing::internal::CaptureStdout();
    ::testing::internal::CaptureStderr();
    const int code = RunCli(std::move(args), commands, [&](const std::string& name) {
      const auto it = variables_.find(name);
      return it == variables_.end() ? std::nullopt : std::optional(it->second);
    });
    out_ = ::testing::internal::GetCapturedStdout();
    err_ = ::testing::internal::GetCapturedStderr();
    return code;
  }
  Seen serve_;
  Seen bench_;
  std::map<std::string, std::string> variables_;
  std::string out_;
  std::string err_;
};

TEST_F(Cli, PassesExitCodesThrough) {
  EXPECT_EQ(Run({"serve"}), kExitOk);
  EXPECT_EQ(Run({"serve", "--port", "3"}), kExitSomeFailed);
  EXPECT_EQ(Run({"serve", "--port=70"}), kExitDeviceFailed);
  EXPECT_EQ(serve_.runs, 3);
}

TEST_F(Cli, RepeatedListsAndPositionals) {
  EXPECT_EQ(Run({"serve", "--model", "a=/x", "one.jpg", "--model", "b=/y", "two.jpg", "--json"}), kExitOk)
      << err_;
  EXPECT_THAT(serve_.models, ElementsAre("a=/x", "b=/y"));
  EXPECT_THAT(serve_.files, ElementsAre("one.jpg", "two.jpg"));
  EXPECT_TRUE(serve_.json);
}

TEST_F(Cli, NestedCommand) {
  variables_["PHOTOVEC_PORT"] = "99";
  EXPECT_EQ(Run({"bench", "pipeline", "--json"}), kExitOk) << err_;
  EXPECT_EQ(bench_.runs, 1);
  EXPECT_EQ(bench_.port, 99);
  EXPECT_EQ(serve_.runs, 0);
}

TEST_F(Cli, UsageErrorsExitTwoWithAHint) {
  const std::vector<std::pair<std::vector<std::string>, std::string>> cases = {
      {{"serve", "--prot", "1"}, "did you mean '--port'?"},
      {{"srve"}, "'srve' is not a command; did you mean 'serve'?"},
      {{"bench", "pipelin"}, "'pipelin' is not a command; did you mean 'pipeline'?"},
      {{"serve", "--port", "eighty"}, "--port: 'eighty' is not accepted"},
      {{"serve", "--port", "1", "--port", "2"}, "--port"},
      {{"serve", "--config", "/nonexistent.toml"}, "/nonexistent.toml"},
      {{"serve", "--log-level", "loud"}, "'loud' is not accepted; give debug, info, warn, error, off"},
      {{}, "photovec --help"},
      {{"bench"}, "photovec bench --help"},
  };
  for (const auto& [args, expected] : cases) {
    EXPECT_EQ(Run(args), kExitUsage) << ::testing::PrintToString(args);
    EXPECT_THAT(err_, HasSubstr(expected)) << ::testing::PrintToString(args);
    EXPECT_EQ(out_, "");
  }
  EXPECT_EQ(serve_.runs + bench_.runs, 0);
}

TEST_F(Cli, OtherProgramsSettingsAreKnownButNotOffered) {
  const std::string file = ::testing::TempDir() + "photovec_cli_others.toml";
  std::ofstream(file) << "[lab.measure]\nport = 5\nlog-level = \"warn\"\n";
  Seen lab;
  Program program;
  program.name = "photovec-server";
  std::vector<std::unique_ptr<Command>> commands;
  commands.push_back(std::make_unique<FakeCommand>("serve", &serve_));
  const EnvironmentLookup none = [](const std::string&) { return std::nullopt; };
  const auto run = [&](std::vector<std::string> args) {
    ::testing::internal::CaptureStderr();
    const int code = RunCli(std::move(args), commands, none, program);
    err_ = ::testing::internal::GetCapturedStderr();
    return code;
  };
  EXPECT_EQ(run({"serve", "--config", file}), kExitUsage);
  EXPECT_THAT(err_, HasSubstr("photovec-server serve: " + file + ":3: unknown section [lab.measure]"));
  program.others.push_back(std::make_unique<FakeCommand>("lab.measure", &lab));
  EXPECT_EQ(run({"serve", "--config", file}), kExitOk) << err_;
  EXPECT_EQ(serve_.port, 8080);
  EXPECT_EQ(run({"lab", "measure"}), kExitUsage);
  EXPECT_EQ(lab.runs, 0);
  std::filesystem::remove(file);
}

TEST_F(Cli, VersionAndHelpGoToStdout) {
  EXPECT_EQ(Run({"--version"}), kExitOk);
  EXPECT_EQ(out_, "photovec " PHOTOVEC_VERSION "\n");
  EXPECT_EQ(Run({"serve", "--help"}), kExitOk);
  EXPECT_THAT(out_, HasSubstr("TCP port [8080]"));
  EXPECT_EQ(err_, "");
  EXPECT_EQ(serve_.runs, 0);
}

}  // namespace
}  // namespace photovec::cli
