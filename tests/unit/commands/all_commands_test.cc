// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include <deque>
#include <vector>

#include "cli/settings.h"
#include "commands/commands.h"
#include "engine/slow_stages.h"

namespace photovec::commands {
namespace {

TEST(AllCommands, VariablesOfTestsAreNotTakenForMistypedSettings) {
  const auto commands = AllCommands();
  std::deque<cli::FlagSet> flags;
  std::vector<cli::CommandFlags> known;
  for (const auto& command : commands) {
    command->Declare(flags.emplace_back());
    known.push_back({command->path(), &flags.back()});
  }
  EXPECT_TRUE(cli::UnknownEnvironment({engine::kSlowStagesVariable, "PHOTOVEC_TEST_PORT"}, known).empty());
  EXPECT_EQ(cli::UnknownEnvironment({"PHOTOVEC_REQUEST_LOGS"}, known).size(), 1U);
}

}  // namespace
}  // namespace photovec::commands
