// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/enum_names.h"
#include "base/status.h"

namespace photovec::cli {

/// What a setting holds; decides which TOML types are accepted for it.
enum class FlagType {
  kText,
  kInteger,
  kNumber,  ///< integer or decimal
  kBytes,   ///< integer or a text such as "64MiB"
  kSwitch,  ///< true or false; on the command line its name alone
  kList,    ///< repeatable text
};

/// One setting: the flag --name, the environment variable PHOTOVEC_NAME and the config key `name`.
struct Flag {
  std::string name;        ///< "max-body"
  std::string short_name;  ///< "o" for -o, or empty
  FlagType type = FlagType::kText;
  std::string value_name;    ///< how help shows the value: "SIZE"
  std::string default_text;  ///< how help shows the default
  std::string help;
  std::string group;        ///< the heading in help
  bool positional = false;  ///< only on the command line, without dashes
  bool required = false;    ///< for positionals
  /// Parses and stores. Errors: kInvalidRequest saying what is accepted (without naming the flag).
  std::function<Status(const std::vector<std::string>&)> assign;
  std::vector<std::string> given;  ///< what the command line had; filled by cli.cc

  std::string EnvironmentName() const;  ///< "PHOTOVEC_MAX_BODY"
};

/// The settings of one command, each bound to a variable whose present value is the default. Declared once,
/// used for the command line, the environment, the config file and the help text. Not thread-safe.
/// Targets must outlive the set.
class FlagSet {
 public:
  /// Flags declared from now on stand under this heading in --help.
  void Group(std::string heading) { group_ = std::move(heading); }

  /// \param default_text replaces a default that is chosen later.
  Flag& Text(const std::string& name, std::string* target, const std::string& value_name,
             const std::string& help, const std::string& default_text = "");
  /// One of the words of an enum (base/enum_names.h).
  template <NamedEnum E>
  Flag& Choice(const std::string& name, E* target, const std::string& help) {
    return AddChoice(name, JoinNames<E>("|"), std::string(NameOf(*target)), JoinNames<E>(", "), help,
                     [target](const std::string& text) {
                       const std::optional<E> value = ParseEnum<E>(text);
                       if (value) *target = *value;
                       return value.has_value();
                     });
  }
  /// A bool that is written out: --name=on, --name=off.
  Flag& OnOff(const std::string& name, bool* target, const std::string& help);
  /// A whole number between min and max.
  template <typename T>
  Flag& Integer(const std::string& name, T* target, int64_t min, int64_t max, const std::string& help) {
    return AddInteger(name, static_cast<int64_t>(*target), min, max, help,
                      [target](int64_t value) { *target = static_cast<T>(value); });
  }
  /// A decimal number between min and max.
  Flag& Number(const std::string& name, double* target, double min, double max, const std::string& help);
  /// A size in bytes, written 64MiB, 1.5G or 4096. `default_text` replaces a default that is chosen later.
  template <typename T>
  Flag& Size(const std::string& name, T* target, uint64_t min, const std::string& help,
             const std::string& default_text = "") {
    return AddBytes(name, static_cast<uint64_t>(*target), min,
                    static_cast<uint64_t>(std::numeric_limits<T>::max()), help, default_text,
                    [target](uint64_t value) { *target = static_cast<T>(value); });
  }
  Flag& Switch(const std::string& name, bool* target, const std::string& help);
  Flag& List(const std::string& name, std::vector<std::string>* target, const std::string& value_name,
             const std::string& help);
  /// Words without dashes. At least one when `required`.
  Flag& Positionals(const std::string& name, std::vector<std::string>* target, bool required,
                    const std::string& help);
  /// One word without dashes; required.
  Flag& Positional(const std::string& name, std::string* target, const std::string& help);

  std::deque<Flag>& flags() { return flags_; }
  const std::deque<Flag>& flags() const { return flags_; }
  const Flag* Find(const std::string& name) const;
  std::vector<std::string> Names() const;  ///< without positionals

 private:
  Flag& Add(const std::string& name, FlagType type, const std::string& value_name, const std::string& help,
            std::string default_text, std::function<Status(const std::vector<std::string>&)> assign);
  /// \param store false for a word that is none of those.
  Flag& AddChoice(const std::string& name, const std::string& value_name, std::string default_text,
                  const std::string& accepted, const std::string& help,
                  std::function<bool(const std::string&)> store);
  Flag& AddInteger(const std::string& name, int64_t value, int64_t min, int64_t max, const std::string& help,
                   std::function<void(int64_t)> store);
  Flag& AddBytes(const std::string& name, uint64_t value, uint64_t min, uint64_t max, const std::string& help,
                 const std::string& default_text, std::function<void(uint64_t)> store);

  std::string group_ = "Options";
  std::deque<Flag> flags_;  // a deque, so that references stay valid
};

}  // namespace photovec::cli
