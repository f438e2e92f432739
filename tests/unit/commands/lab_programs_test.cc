// SPDX-License-Identifier: MIT
#include "commands/lab_programs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>

#include "cli/flag_set.h"
#include "commands/lab/commands.h"

namespace photovec::commands {
namespace {

using ::testing::HasSubstr;

std::map<std::string, cli::FlagType> FlagsOf(cli::Command& command) {
  cli::FlagSet flags;
  command.Declare(flags);
  std::map<std::string, cli::FlagType> types;
  for (const cli::Flag& flag : flags.flags()) {
    if (!flag.positional) types[flag.name] = flag.type;
  }
  return types;
}

// What `photovec` says of photovec-lab's commands is what they say of themselves.
TEST(LabPrograms, EntriesAreTheCommands) {
  const auto entries = LabEntries();
  const auto commands = LabCommands();
  ASSERT_EQ(entries.size(), commands.size());
  for (size_t i = 0; i < commands.size(); ++i) {
    EXPECT_EQ(entries[i]->path(), commands[i]->path());
    EXPECT_EQ(entries[i]->summary(), commands[i]->summary());
    EXPECT_EQ(FlagsOf(*entries[i]), FlagsOf(*commands[i])) << commands[i]->path();
  }
}

TEST(LabPrograms, OtherCommandsStay) {
  const auto started = [](std::vector<std::string> words) {
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    return StartLab(argv.data());
  };
  EXPECT_EQ(started({"photovec"}), std::nullopt);
  EXPECT_EQ(started({"photovec", "serve", "bench"}), std::nullopt);
  EXPECT_EQ(started({"photovec", "--help"}), std::nullopt);
  EXPECT_EQ(started({"photovec", "benches"}), std::nullopt);
  // Here there is no photovec-lab beside the test.
  ::testing::internal::CaptureStderr();
  EXPECT_EQ(started({"photovec", "bench", "encode"}), 1);
  EXPECT_THAT(::testing::internal::GetCapturedStderr(), HasSubstr("--target photovec-lab"));
}

}  // namespace
}  // namespace photovec::commands
