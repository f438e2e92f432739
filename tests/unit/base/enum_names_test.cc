// SPDX-License-Identifier: MIT
#include "base/enum_names.h"

#include <gtest/gtest.h>

#include <array>

namespace photovec {
namespace garden {

enum class Fruit { kApple, kPear, kSeedling };
// In another order than the enum's; a seedling has no word.
constexpr auto EnumNames(Fruit /*of*/) {
  return std::array{EnumName{Fruit::kPear, "pear"}, EnumName{Fruit::kApple, "apple"}};
}

struct Basket {
  enum class Size { kSmall };
};
constexpr auto EnumNames(Basket::Size /*of*/) { return std::array{EnumName{Basket::Size::kSmall, "small"}}; }

enum class Nameless { kOne };

}  // namespace garden

namespace {

using garden::Fruit;

static_assert(NameOf(Fruit::kPear) == "pear");
static_assert(ParseEnum<Fruit>("apple") == Fruit::kApple);
static_assert(NamedEnum<garden::Basket::Size>);
static_assert(!NamedEnum<garden::Nameless> && !NamedEnum<int>);

TEST(EnumNames, EveryWordLeadsBackToItsValue) {
  for (const EnumName<Fruit>& known : EnumNames(Fruit{})) {
    EXPECT_EQ(NameOf(known.value), known.name);
    EXPECT_EQ(ParseEnum<Fruit>(known.name), known.value);
  }
  EXPECT_EQ(NameOf(garden::Basket::Size::kSmall), "small") << "an enum inside a class";
}

TEST(EnumNames, OtherWordsAreNone) {
  for (const char* word : {"", "Apple", "apple ", "app", "plum"}) {
    EXPECT_EQ(ParseEnum<Fruit>(word), std::nullopt) << word;
  }
  EXPECT_EQ(NameOf(Fruit::kSeedling), "");
}

TEST(EnumNames, AreListedInTheOrderOfTheTable) {
  EXPECT_EQ(JoinNames<Fruit>("|"), "pear|apple");
  EXPECT_EQ(JoinNames<garden::Basket::Size>(", "), "small");
}

}  // namespace
}  // namespace photovec
