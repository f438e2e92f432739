// SPDX-License-Identifier: MIT
#include "cli/cli.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <deque>
#include <exception>
#include <map>
#include <utility>

#include "base/log.h"
#include "base/result.h"
#include "cli/exit.h"
#include "cli/settings.h"
#include "cli/suggest.h"

namespace photovec::cli {
namespace {

// A command with its settings and its place in CLI11's tree.
struct Entry {
  Command* command = nullptr;
  FlagSet flags;
  std::string config_path;
  LogLevel log_level = LogLevel::kInfo;
  LogFormat log_format = LogFormat::kText;
  CLI::App* app = nullptr;
  std::vector<std::pair<Flag*, CLI::Option*>> options;
};

std::string Spaced(std::string path) {
  std::replace(path.begin(), path.end(), '.', ' ');
  return path;
}

void DeclareGeneral(Entry& entry) {
  entry.log_level = entry.command->default_log_level();
  entry.flags.Group("General");
  entry.flags.Text("config", &entry.config_path, "FILE",
                   "TOML file with any of these options as keys (see docs/operations.md)");
  entry.flags.Choice("log-level", &entry.log_level, "how much is logged to stderr");
  entry.flags.Choice("log-format", &entry.log_format, "how: lines of text, or of JSON");
}

CLI::Option* AddOption(CLI::App& app, const Flag& flag) {
  if (flag.type == FlagType::kSwitch) {
    const std::string on = flag.default_text.empty() ? "" : " [on; --" + flag.name + "=false turns it off]";
    return app.add_flag("--" + flag.name)->description(flag.help + on);
  }
  const std::string dashed =
      flag.positional ? flag.name
                      : (flag.short_name.empty() ? "" : "-" + flag.short_name + ",") + "--" + flag.name;
  // CLI11 only collects the words; settings.cc parses them, as it does those of environment and file.
  // The default stands in the text, since releases of CLI11 show their own in different ways.
  const std::string help = flag.help + (flag.default_text.empty() ? "" : " [" + flag.default_text + "]");
  CLI::Option* option = app.add_option(
      dashed, [](const CLI::results_t&) { return true; }, help);
  option->type_name(flag.positional ? "" : flag.value_name);
  if (flag.type == FlagType::kList) {
    option->expected(1, CLI::detail::expected_max_vector_size);
    option->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
    option->allow_extra_args(flag.positional);  // --model A B: B is not another model
  }
  if (flag.required) option->required();
  return option;
}

void DeclareApp(CLI::App& root, std::map<std::string, CLI::App*>& parents, Entry& entry) {
  CLI::App* parent = &root;
  const std::string path = entry.command->path();
  const size_t dot = path.find('.');
  if (dot != std::string::npos) {
    const std::string group = path.substr(0, dot);
    CLI::App*& app = parents[group];
    if (app == nullptr) {
      app = root.add_subcommand(group, "Measure how close to the machine's limit a part runs");
      app->require_subcommand(1);
    }
    parent = app;
  }
  const std::string name = dot == std::string::npos ? path : path.substr(dot + 1);
  entry.app = parent->add_subcommand(name, entry.command->summary());
  for (Flag& flag : entry.flags.flags()) {
    CLI::Option* option = AddOption(*entry.app, flag);
    option->group(flag.positional ? "Positionals" : flag.group);
    entry.options.emplace_back(&flag, option);
  }
  entry.app->footer(
      "Every option is also an environment variable (--max-body: PHOTOVEC_MAX_BODY) and a key of the config "
      "file.\nPrecedence: option, environment, file, default. SIZE: 64MiB, 1.5G or bytes; K, M, G are powers "
      "of 1024.");
}

// The words that CLI11 could not place, with the nearest thing that exists.
std::string Hint(CLI::App& root, const Entry* chosen) {
  for (const std::string& word : root.remaining(true)) {
    if (word.rfind("--", 0) == 0) {
      if (chosen == nullptr) continue;
      std::vector<std::string> names = chosen->flags.Names();
      names.emplace_back("help");
      const std::string name = word.substr(2, word.find('=') - 2);
      return DidYouMean(name, names, "--");
    }
    std::vector<std::string> names;
    const CLI::App* level = &root;
    while (level->get_subcommands().size() == 1) level = level->get_subcommands()[0];
    for (const CLI::App* sub : level->get_subcommands([](const CLI::App*) { return true; })) {
      names.push_back(sub->get_name());
    }
    if (!names.empty()) return ": '" + word + "' is not a command" + DidYouMean(word, names);
  }
  return "";
}

// `command`: program and command, "photovec bench encode".
int UsageError(const std::string& message, const std::string& command) {
  std::fprintf(stderr, "%s: %s\nSee '%s --help'.\n", command.c_str(), message.c_str(), command.c_str());
  return kExitUsage;
}

std::string ChosenPath(const CLI::App& root) {
  std::string path = root.get_name();
  const CLI::App* level = &root;
  while (level->get_subcommands().size() == 1) {
    level = level->get_subcommands()[0];
    path += " " + level->get_name();
  }
  return path;
}

int HandleParseError(const CLI::ParseError& error, CLI::App& root, const Entry* chosen) {
  if (error.get_exit_code() == 0) return root.exit(error) == 0 ? kExitOk : kExitUsage;  // help or version
  return UsageError(error.what() + Hint(root, chosen), ChosenPath(root));
}

Entry* FindChosen(std::deque<Entry>& entries) {
  for (Entry& entry : entries) {
    if (entry.app->parsed()) return &entry;
  }
  return nullptr;
}

void TakeGiven(Entry& entry) {
  for (auto& [flag, option] : entry.options) {
    if (option->count() == 0) continue;
    flag->given = option->results();
  }
}

// --config is looked up before the file can be; everything else may come from the file.
Status Settle(Entry& entry, const std::vector<CommandFlags>& known, const EnvironmentLookup& environment) {
  const CommandFlags command{entry.command->path(), &entry.flags};
  ConfigFile config;
  const Flag& flag = *entry.flags.Find("config");
  const std::string path =
      flag.given.empty() ? environment(flag.EnvironmentName()).value_or("") : flag.given.front();
  if (!path.empty()) {
    ASSIGN_OR_RETURN(config, LoadConfigFile(path));
    RETURN_IF_ERROR(CheckConfig(config, known));
  }
  RETURN_IF_ERROR(ApplySettings(command, environment, config));
  InitLogging(entry.log_level, entry.log_format);
  return Status::Ok();
}

int RunChosen(const std::string& program, Entry& entry, const std::vector<CommandFlags>& known,
              const EnvironmentLookup& environment) {
  TakeGiven(entry);
  const Status settled = Settle(entry, known, environment);
  if (!settled.ok()) return UsageError(settled.message(), program + " " + Spaced(entry.command->path()));
  for (const std::string& line : UnknownEnvironment(EnvironmentNames(), known)) log::warn("{}", line);
  if (!entry.config_path.empty()) log::info("config file: {}", entry.config_path);
  return entry.command->Run();
}

}  // namespace

int RunCli(std::vector<std::string> args, const std::vector<std::unique_ptr<Command>>& commands,
           const EnvironmentLookup& environment, const Program& program) {
  try {
    CLI::App root(program.description, program.name);
    root.set_version_flag("--version", program.name + " " PHOTOVEC_VERSION);
    root.require_subcommand(1);
    root.get_formatter()->column_width(34);
    root.footer(
        "Exit codes: 0 ok, 1 failure, 2 usage, 3 some images failed (embed), 70 compute device failed.");
    std::map<std::string, CLI::App*> parents;
    std::deque<Entry> entries;
    std::deque<Entry> others;
    std::vector<CommandFlags> known;
    const auto declare = [&known](Command& command, std::deque<Entry>& list) -> Entry& {
      Entry& entry = list.emplace_back();
      entry.command = &command;
      command.Declare(entry.flags);
      DeclareGeneral(entry);
      known.push_back({command.path(), &entry.flags});
      return entry;
    };
    for (const auto& command : commands) DeclareApp(root, parents, declare(*command, entries));
    for (const auto& command : program.others) declare(*command, others);
    try {
      std::reverse(args.begin(), args.end());  // CLI11 wants them so
      root.parse(args);
    } catch (const CLI::ParseError& error) {
      return HandleParseError(error, root, FindChosen(entries));
    }
    return RunChosen(program.name, *FindChosen(entries), known, environment);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "photovec: %s\n", error.what());
    return kExitFailure;
  }
}

}  // namespace photovec::cli
