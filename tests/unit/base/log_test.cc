// SPDX-License-Identifier: MIT
#include "base/log.h"

#include <gtest/gtest.h>

namespace photovec {
namespace {

TEST(InitLogging, EachLevelLetsItsOwnLinesAndWeightierOnesThrough) {
  const auto before = spdlog::default_logger();
  constexpr spdlog::level::level_enum kLines[] = {spdlog::level::debug, spdlog::level::info,
                                                  spdlog::level::warn, spdlog::level::err};
  size_t level = 0;
  for (const auto& known : EnumNames(LogLevel{})) {
    InitLogging(known.value);
    for (size_t line = 0; line < std::size(kLines); ++line) {
      EXPECT_EQ(spdlog::default_logger()->should_log(kLines[line]), line >= level) << known.name << line;
    }
    ++level;
  }
  spdlog::set_default_logger(before);
}

}  // namespace
}  // namespace photovec
