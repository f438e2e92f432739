// SPDX-License-Identifier: MIT
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <type_traits>

namespace photovec {

/// A value of an enum and the word that people write for it: in flags, config files, logs and JSON.
template <typename E>
struct EnumName {
  E value;
  std::string_view name;
};
template <typename E>
EnumName(E, std::string_view) -> EnumName<E>;  // clang 14 cannot deduce aggregates by itself

/// An enum gets its words by a function beside it, which is found by the enum's namespace. The words stand in
/// the order in which --help lists them:
///
///     enum class Fruit { kApple, kPear };
///     constexpr auto EnumNames(Fruit /*of*/) {
///       return std::array{EnumName{Fruit::kApple, "apple"}, EnumName{Fruit::kPear, "pear"}};
///     }
template <typename E>
concept NamedEnum = std::is_enum_v<E> && requires {
  EnumNames(E{});
};

/// The word for a value; empty for one that has none.
template <NamedEnum E>
constexpr std::string_view NameOf(E value) {
  for (const EnumName<E>& known : EnumNames(E{})) {
    if (known.value == value) return known.name;
  }
  return {};
}

/// The value that is written so, letter by letter; nullopt for any other text.
template <NamedEnum E>
constexpr std::optional<E> ParseEnum(std::string_view text) {
  for (const EnumName<E>& known : EnumNames(E{})) {
    if (known.name == text) return known.value;
  }
  return std::nullopt;
}

/// All words, for help and for complaints: JoinNames<Fruit>(", ") is "apple, pear".
template <NamedEnum E>
std::string JoinNames(std::string_view between) {
  std::string out;
  for (const EnumName<E>& known : EnumNames(E{})) {
    if (!out.empty()) out += between;
    out += known.name;
  }
  return out;
}

}  // namespace photovec
