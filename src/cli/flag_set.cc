// SPDX-License-Identifier: MIT
#include "cli/flag_set.h"

#include <cctype>
#include <charconv>
#include <cmath>
#include <system_error>

#include "base/text/sizes.h"

namespace photovec::cli {
namespace {

Status Wrong(const std::string& text, const std::string& accepted) {
  return {Code::kInvalidRequest, "'" + text + "' is not accepted; give " + accepted};
}

std::string Join(const std::vector<std::string>& words, const std::string& between) {
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : between) + word;
  return out;
}

// Assigners get all values; a setting that is no list accepts exactly one.
template <typename Parse>
std::function<Status(const std::vector<std::string>&)> One(Parse parse) {
  return [parse](const std::vector<std::string>& values) -> Status {
    if (values.size() != 1) {
      return {Code::kInvalidRequest, "expects one value, got " + std::to_string(values.size())};
    }
    return parse(values[0]);
  };
}

template <typename T>
bool ParseWhole(const std::string& text, T* value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *value);
  return error == std::errc() && end == text.data() + text.size();
}

std::string NumberText(double value) {
  std::string text = std::to_string(value);
  text.erase(text.find_last_not_of('0') + 1);
  if (!text.empty() && text.back() == '.') text.pop_back();
  return text;
}

}  // namespace

std::string Flag::EnvironmentName() const {
  std::string out = "PHOTOVEC_";
  for (const char c : name) {
    out += c == '-' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  }
  return out;
}

Flag& FlagSet::Add(const std::string& name, FlagType type, const std::string& value_name,
                   const std::string& help, std::string default_text,
                   std::function<Status(const std::vector<std::string>&)> assign) {
  Flag flag;
  flag.name = name;
  flag.type = type;
  flag.value_name = value_name;
  flag.help = help;
  flag.default_text = std::move(default_text);
  flag.group = group_;
  flag.assign = std::move(assign);
  return flags_.emplace_back(std::move(flag));
}

Flag& FlagSet::Text(const std::string& name, std::string* target, const std::string& value_name,
                    const std::string& help, const std::string& default_text) {
  return Add(name, FlagType::kText, value_name, help, default_text.empty() ? *target : default_text,
             One([target](const std::string& text) {
               *target = text;
               return Status::Ok();
             }));
}

Flag& FlagSet::Choice(const std::string& name, std::string* target, std::vector<std::string> choices,
                      const std::string& help) {
  const std::string value_name = Join(choices, "|");
  return Add(name, FlagType::kText, value_name, help, *target,
             One([target, choices = std::move(choices)](const std::string& text) -> Status {
               for (const std::string& choice : choices) {
                 if (choice != text) continue;
                 *target = text;
                 return Status::Ok();
               }
               return Wrong(text, Join(choices, ", "));
             }));
}

Flag& FlagSet::AddInteger(const std::string& name, int64_t value, int64_t min, int64_t max,
                          const std::string& help, std::function<void(int64_t)> store) {
  return Add(name, FlagType::kInteger, "N", help, std::to_string(value),
             One([min, max, store = std::move(store)](const std::string& text) -> Status {
               int64_t parsed = 0;
               if (!ParseWhole(text, &parsed) || parsed < min || parsed > max) {
                 return Wrong(text,
                              "a whole number from " + std::to_string(min) + " to " + std::to_string(max));
               }
               store(parsed);
               return Status::Ok();
             }));
}

Flag& FlagSet::Number(const std::string& name, double* target, double min, double max,
                      const std::string& help) {
  return Add(name, FlagType::kNumber, "NUMBER", help, NumberText(*target),
             One([min, max, target](const std::string& text) -> Status {
               double parsed = 0;
               if (!ParseWhole(text, &parsed) || !(parsed >= min && parsed <= max)) {
                 return Wrong(text, "a number from " + NumberText(min) + " to " + NumberText(max));
               }
               *target = parsed;
               return Status::Ok();
             }));
}

Flag& FlagSet::AddBytes(const std::string& name, uint64_t value, uint64_t min, uint64_t max,
                        const std::string& help, const std::string& default_text,
                        std::function<void(uint64_t)> store) {
  return Add(name, FlagType::kBytes, "SIZE", help, default_text.empty() ? HumanBytes(value) : default_text,
             One([min, max, store = std::move(store)](const std::string& text) -> Status {
               const Result<uint64_t> parsed = ParseBytes(text);
               if (!parsed.ok() || *parsed < min || *parsed > max) {
                 return Wrong(text,
                              "a size such as 64MiB, 1.5G or 4096 (bytes), at least " + HumanBytes(min));
               }
               store(*parsed);
               return Status::Ok();
             }));
}

Flag& FlagSet::Switch(const std::string& name, bool* target, const std::string& help) {
  return Add(name, FlagType::kSwitch, "", help, *target ? "on" : "",
             One([target](const std::string& text) -> Status {
               if (text == "true" || text == "1" || text == "on" || text == "yes") {
                 *target = true;
               } else if (text == "false" || text == "0" || text == "off" || text == "no") {
                 *target = false;
               } else {
                 return Wrong(text, "true or false");
               }
               return Status::Ok();
             }));
}

Flag& FlagSet::List(const std::string& name, std::vector<std::string>* target, const std::string& value_name,
                    const std::string& help) {
  return Add(name, FlagType::kList, value_name, help, Join(*target, ", "),
             [target](const std::vector<std::string>& values) {
               *target = values;
               return Status::Ok();
             });
}

Flag& FlagSet::Positionals(const std::string& name, std::vector<std::string>* target, bool required,
                           const std::string& help) {
  Flag& flag = List(name, target, name, help);
  flag.positional = true;
  flag.required = required;
  return flag;
}

Flag& FlagSet::Positional(const std::string& name, std::string* target, const std::string& help) {
  Flag& flag = Text(name, target, name, help);
  flag.positional = true;
  flag.required = true;
  return flag;
}

const Flag* FlagSet::Find(const std::string& name) const {
  for (const Flag& flag : flags_) {
    if (flag.name == name) return &flag;
  }
  return nullptr;
}

std::vector<std::string> FlagSet::Names() const {
  std::vector<std::string> names;
  for (const Flag& flag : flags_) {
    if (!flag.positional) names.push_back(flag.name);
  }
  return names;
}

}  // namespace photovec::cli
