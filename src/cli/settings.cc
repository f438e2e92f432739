// SPDX-License-Identifier: MIT
#include "cli/settings.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <set>
#include <string_view>
#include <utility>

#include "base/result.h"
#include "cli/suggest.h"

namespace photovec::cli {
namespace {

// "" applies to every command, "bench" to bench.pipeline, "serve" to serve.
bool SectionApplies(const std::string& section, const std::string& command) {
  return section.empty() || section == command || command.rfind(section + ".", 0) == 0;
}

std::vector<std::string> SplitList(const std::string& text) {
  std::vector<std::string> out;
  size_t begin = 0;
  while (begin <= text.size()) {
    const size_t end = std::min(text.find(',', begin), text.size());
    if (end > begin) out.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return out;
}

std::string Place(const ConfigFile& config, const ConfigEntry& entry) {
  return config.path + ":" + std::to_string(entry.line);
}

bool Fits(FlagType flag, ConfigType config) {
  switch (flag) {
    case FlagType::kText:
      return config == ConfigType::kText;
    case FlagType::kInteger:
      return config == ConfigType::kInteger;
    case FlagType::kNumber:
      return config == ConfigType::kInteger || config == ConfigType::kNumber;
    case FlagType::kBytes:
      return config == ConfigType::kInteger || config == ConfigType::kText;
    case FlagType::kSwitch:
      return config == ConfigType::kBoolean;
    case FlagType::kList:
      return config == ConfigType::kTextList || config == ConfigType::kText;
  }
  return false;
}

std::string_view Wanted(FlagType flag) {
  switch (flag) {
    case FlagType::kText:
      return "a string in quotes";
    case FlagType::kInteger:
      return "an integer";
    case FlagType::kNumber:
      return "a number";
    case FlagType::kBytes:
      return "a size: an integer (bytes) or a string such as \"64MiB\"";
    case FlagType::kSwitch:
      return "true or false";
    case FlagType::kList:
      return "a list of strings";
  }
  return "";
}

Status WrongType(const ConfigFile& config, const ConfigEntry& entry, FlagType wanted) {
  return {Code::kInvalidRequest, Place(config, entry) + ": '" + entry.key + "' must be " +
                                     std::string(Wanted(wanted)) + ", not " +
                                     std::string(ConfigTypeName(entry.type))};
}

// The innermost section wins; [models] and a `model` key of one section add up.
Status AssignFromConfig(const std::string& command, const Flag& flag, const ConfigFile& config) {
  std::vector<const ConfigEntry*> best;
  for (const ConfigEntry& entry : config.entries) {
    if (entry.key != flag.name || !SectionApplies(entry.section, command)) continue;
    if (!best.empty() && entry.section.size() < best[0]->section.size()) continue;
    if (!best.empty() && entry.section.size() > best[0]->section.size()) best.clear();
    best.push_back(&entry);
  }
  if (best.empty()) return Status::Ok();
  std::vector<std::string> values;
  for (const ConfigEntry* entry : best) {
    if (!Fits(flag.type, entry->type)) return WrongType(config, *entry, flag.type);
    values.insert(values.end(), entry->values.begin(), entry->values.end());
  }
  return flag.assign(values).WithContext(Place(config, *best[0]) + ": " + flag.name);
}

Status Assign(const std::string& command, const Flag& flag, const EnvironmentLookup& environment,
              const ConfigFile& config) {
  if (!flag.given.empty()) {
    return flag.assign(flag.given).WithContext(flag.positional ? flag.name : "--" + flag.name);
  }
  if (flag.positional) return Status::Ok();
  const std::string variable = flag.EnvironmentName();
  const std::optional<std::string> value = environment(variable);
  if (value && !value->empty()) {
    const auto values = flag.type == FlagType::kList ? SplitList(*value) : std::vector{*value};
    return flag.assign(values).WithContext("environment " + variable);
  }
  return AssignFromConfig(command, flag, config);
}

Status CheckEntry(const ConfigFile& config, const ConfigEntry& entry,
                  const std::vector<CommandFlags>& commands) {
  const Flag* flag = nullptr;  // one that the value fits, if there is any
  bool section_known = false;
  std::vector<std::string> names;
  std::vector<std::string> sections = {"models"};
  for (const CommandFlags& command : commands) {
    sections.push_back(command.path);
    if (!SectionApplies(entry.section, command.path)) continue;
    section_known = true;
    const Flag* found = command.flags->Find(entry.key);
    if (found != nullptr && !found->positional && found->name != "config" &&
        (flag == nullptr || Fits(found->type, entry.type))) {
      flag = found;
    }
    for (const std::string& name : command.flags->Names()) names.push_back(name);
  }
  const std::string place = Place(config, entry) + ": ";
  if (!section_known) {
    return {Code::kInvalidRequest,
            place + "unknown section [" + entry.section + "]" + DidYouMean(entry.section, sections)};
  }
  if (flag == nullptr) {
    const std::string where = entry.section.empty() ? "" : " in section [" + entry.section + "]";
    return {Code::kInvalidRequest,
            place + "unknown key '" + entry.key + "'" + where + DidYouMean(entry.key, names)};
  }
  if (!Fits(flag->type, entry.type)) return WrongType(config, entry, flag->type);
  return Status::Ok();
}

}  // namespace

Status ApplySettings(CommandFlags command, const EnvironmentLookup& environment, const ConfigFile& config) {
  for (const Flag& flag : command.flags->flags()) {
    RETURN_IF_ERROR(Assign(command.path, flag, environment, config));
  }
  return Status::Ok();
}

Status CheckConfig(const ConfigFile& config, const std::vector<CommandFlags>& commands) {
  for (const ConfigEntry& entry : config.entries) RETURN_IF_ERROR(CheckEntry(config, entry, commands));
  return Status::Ok();
}

std::vector<std::string> UnknownEnvironment(const std::vector<std::string>& names,
                                            const std::vector<CommandFlags>& commands) {
  constexpr std::string_view kPrefix = "PHOTOVEC_";
  std::set<std::string> known;  // without the prefix
  for (const CommandFlags& command : commands) {
    for (const Flag& flag : command.flags->flags()) {
      if (!flag.positional) known.insert(flag.EnvironmentName().substr(kPrefix.size()));
    }
  }
  const std::vector<std::string> candidates(known.begin(), known.end());
  std::vector<std::string> lines;
  for (const std::string& name : names) {
    if (name.rfind(kPrefix, 0) != 0) continue;
    const std::string rest = name.substr(kPrefix.size());
    if (rest.rfind("TEST_", 0) == 0) continue;  // for tests, not settings (slow_stages.h)
    if (known.contains(rest) || Nearest(rest, candidates).empty()) continue;
    lines.push_back("the environment variable " + name + " is no setting of photovec" +
                    DidYouMean(rest, candidates, kPrefix));
  }
  return lines;
}

}  // namespace photovec::cli
