// SPDX-License-Identifier: MIT
#include "cli/settings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "cli/config_file.h"
#include "cli/suggest.h"

namespace photovec::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

enum class Colour { kRed, kGreen };
constexpr auto EnumNames(Colour /*of*/) {
  return std::array{EnumName{Colour::kRed, "red"}, EnumName{Colour::kGreen, "green"}};
}

// A command with one setting of each type.
struct Fixture {
  int port = 8080;
  std::string host = "127.0.0.1";
  uint64_t max_body = uint64_t{64} << 20;
  double drain = 30;
  bool json = false;
  bool hedge = true;
  Colour colour = Colour::kGreen;
  std::vector<std::string> models;
  std::string config;
  FlagSet flags;

  Fixture() {
    flags.Text("config", &config, "FILE", "config");
    flags.Integer("port", &port, 0, 65535, "port");
    flags.Text("host", &host, "ADDRESS", "host");
    flags.Size("max-body", &max_body, 1024, "body");
    flags.Number("drain-timeout", &drain, 0, 3600, "drain");
    flags.Switch("json", &json, "json");
    flags.OnOff("hedge", &hedge, "hedge");
    flags.Choice("colour", &colour, "colour");
    flags.List("model", &models, "DIR", "models");
  }
  void Give(const std::string& name, std::vector<std::string> values) {
    for (Flag& flag : flags.flags()) {
      if (flag.name == name) flag.given = std::move(values);
    }
  }
  Status Apply(const std::map<std::string, std::string>& variables, const std::string& toml,
               const std::string& command = "serve") {
    const EnvironmentLookup environment = [&](const std::string& name) -> std::optional<std::string> {
      const auto it = variables.find(name);
      return it == variables.end() ? std::nullopt : std::optional(it->second);
    };
    const auto config_file = ParseConfigFile("photovec.toml", toml);
    if (!config_file.ok()) return config_file.status();
    const Status checked = CheckConfig(*config_file, {{command, &flags}});
    if (!checked.ok()) return checked;
    return ApplySettings({command, &flags}, environment, *config_file);
  }
};

// flag > environment > file > default, in every combination of sources.
TEST(Settings, Precedence) {
  struct Row {
    bool flag, environment, file;
    int expected;
  };
  const std::vector<Row> rows = {
      {false, false, false, 8080}, {false, false, true, 1}, {false, true, false, 2}, {false, true, true, 2},
      {true, false, false, 3},     {true, false, true, 3},  {true, true, false, 3},  {true, true, true, 3}};
  for (const Row& row : rows) {
    Fixture fixture;
    if (row.flag) fixture.Give("port", {"3"});
    std::map<std::string, std::string> variables;
    if (row.environment) variables["PHOTOVEC_PORT"] = "2";
    const Status status = fixture.Apply(variables, row.file ? "port = 1\n" : "");
    ASSERT_TRUE(status.ok()) << status.ToString();
    EXPECT_EQ(fixture.port, row.expected) << row.flag << row.environment << row.file;
  }
}

TEST(Settings, EveryTypeFromFile) {
  Fixture fixture;
  const Status status =
      fixture.Apply({},
                    "host = '0.0.0.0'\nmax_body = '1MiB'\ndrain-timeout = 2.5\n"
                    "json = true\ncolour = 'red'\nhedge = 'off'\nmodel = ['a=/x', 'b=/y']\n");
  ASSERT_TRUE(status.ok()) << status.ToString();
  EXPECT_EQ(fixture.host, "0.0.0.0");
  EXPECT_EQ(fixture.max_body, uint64_t{1} << 20);
  EXPECT_EQ(fixture.drain, 2.5);
  EXPECT_TRUE(fixture.json);
  EXPECT_FALSE(fixture.hedge);
  EXPECT_EQ(fixture.colour, Colour::kRed);
  EXPECT_THAT(fixture.models, ElementsAre("a=/x", "b=/y"));
}

TEST(Settings, EveryTypeFromEnvironment) {
  Fixture fixture;
  const Status status = fixture.Apply({{"PHOTOVEC_HOST", "::1"},
                                       {"PHOTOVEC_MAX_BODY", "4096"},
                                       {"PHOTOVEC_DRAIN_TIMEOUT", "0.25"},
                                       {"PHOTOVEC_JSON", "1"},
                                       {"PHOTOVEC_HEDGE", "off"},
                                       {"PHOTOVEC_COLOUR", "red"},
                                       {"PHOTOVEC_MODEL", "a=/x,b=/y"}},
                                      "");
  ASSERT_TRUE(status.ok()) << status.ToString();
  EXPECT_EQ(fixture.host, "::1");
  EXPECT_EQ(fixture.max_body, 4096U);
  EXPECT_EQ(fixture.drain, 0.25);
  EXPECT_TRUE(fixture.json);
  EXPECT_FALSE(fixture.hedge);
  EXPECT_EQ(fixture.colour, Colour::kRed);
  EXPECT_THAT(fixture.models, ElementsAre("a=/x", "b=/y"));
}

TEST(Settings, SectionOfTheCommandBeatsTheTop) {
  const std::string toml = "port = 1\n[serve]\nport = 2\n[models]\nzebra = '/z'\nclip = '/m'\n";
  Fixture fixture;
  ASSERT_TRUE(fixture.Apply({}, toml).ok());
  EXPECT_EQ(fixture.port, 2);
  EXPECT_THAT(fixture.models, ElementsAre("zebra=/z", "clip=/m")) << "in the file's order";
}

TEST(Settings, OuterSectionAppliesToNestedCommand) {
  Fixture fixture;
  ASSERT_TRUE(fixture
                  .Apply({}, "port = 1\nhost = 'top'\n[bench]\nport = 2\n[bench.pipeline]\nhost = 'in'\n",
                         "bench.pipeline")
                  .ok());
  EXPECT_EQ(fixture.port, 2);
  EXPECT_EQ(fixture.host, "in");
}

// Commands may give one name different types; a value must fit the command that runs.
TEST(Settings, TypesOfOtherCommandsDoNotDisturb) {
  Fixture list;
  std::string text;
  FlagSet other;
  other.Text("model", &text, "DIR", "one model");
  const auto config = ParseConfigFile("f.toml", "model = ['a', 'b']\n");
  ASSERT_TRUE(config.ok());
  EXPECT_TRUE(CheckConfig(*config, {{"serve", &list.flags}, {"bench", &other}}).ok());
  EXPECT_TRUE(CheckConfig(*config, {{"bench", &other}, {"serve", &list.flags}}).ok());
  const EnvironmentLookup none = [](const std::string&) { return std::nullopt; };
  EXPECT_TRUE(ApplySettings({"serve", &list.flags}, none, *config).ok());
  EXPECT_THAT(ApplySettings({"bench", &other}, none, *config).message(),
              HasSubstr("f.toml:1: 'model' must be a string in quotes, not a list"));
}

TEST(Settings, ErrorsNameTheirSource) {
  Fixture flag;
  flag.Give("port", {"99999"});
  EXPECT_THAT(flag.Apply({}, "").message(), HasSubstr("--port: '99999' is not accepted"));
  Fixture variable;
  EXPECT_THAT(variable.Apply({{"PHOTOVEC_PORT", "many"}}, "").message(), HasSubstr("PHOTOVEC_PORT: 'many'"));
  Fixture file;
  EXPECT_THAT(file.Apply({}, "\n\nport = 99999\n").message(), HasSubstr("photovec.toml:3: port: '99999'"));
}

TEST(Settings, BadConfigNamesLineAndRemedy) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"host = 'x'\nprot = 1\n", "photovec.toml:2: unknown key 'prot'; did you mean 'port'?"},
      {"\nport = 'eight'\n", "photovec.toml:2: 'port' must be an integer, not a string"},
      {"host = 5\n", "photovec.toml:1: 'host' must be a string in quotes, not an integer"},
      {"json = 'yes'\n", "photovec.toml:1: 'json' must be true or false, not a string"},
      {"model = [1]\n", "photovec.toml:1: 'model' must be a list of strings only"},
      {"[sevre]\nport = 1\n", "photovec.toml:2: unknown section [sevre]; did you mean 'serve'?"},
      {"[models]\nclip = 7\n", "photovec.toml:2: model 'clip' must be a directory in quotes"},
      {"a = 1\nport = \n", "photovec.toml:2: "},
      {"port = 1\nport = 2\n", "photovec.toml:2: "},
      {"max-body = 5\nmax_body = 6\n", "was already set on line"},
      {"config = 'other.toml'\n", "unknown key 'config'"},
      {"port = 1979-05-27\n", "date or time"},
  };
  for (const auto& [toml, expected] : cases) {
    Fixture fixture;
    const Status status = fixture.Apply({}, toml);
    EXPECT_EQ(status.code(), Code::kInvalidRequest) << toml;
    EXPECT_THAT(status.message(), HasSubstr(expected)) << toml;
  }
}

TEST(Settings, MissingConfigFileIsNamed) {
  const auto loaded = LoadConfigFile("/nonexistent/photovec.toml");
  ASSERT_FALSE(loaded.ok());
  EXPECT_THAT(loaded.status().message(), HasSubstr("/nonexistent/photovec.toml"));
}

TEST(Settings, MistypedVariablesAreReported) {
  Fixture fixture;
  const auto lines = UnknownEnvironment({"PHOTOVEC_PROT", "PHOTOVEC_HOST", "PHOTOVEC_BINARY", "HOME"},
                                        {{"serve", &fixture.flags}});
  ASSERT_EQ(lines.size(), 1U);
  EXPECT_THAT(lines[0], HasSubstr("PHOTOVEC_PROT is no setting of photovec; did you mean 'PHOTOVEC_PORT'?"));
}

TEST(Suggest, NearestWord) {
  const std::vector<std::string> known = {"port", "host", "max-body"};
  EXPECT_EQ(Nearest("prot", known), "port");
  EXPECT_EQ(Nearest("maxbody", known), "max-body");
  EXPECT_EQ(Nearest("fingerprint", known), "");
  EXPECT_EQ(DidYouMean("hots", known, "--"), "; did you mean '--host'?");
}

TEST(FlagSet, ChoicesAreTheWordsOfTheirEnum) {
  Fixture fixture;
  const Flag& colour = *fixture.flags.Find("colour");
  EXPECT_EQ(colour.value_name, "red|green");
  EXPECT_EQ(colour.default_text, "green");
  EXPECT_EQ(colour.assign({"blue"}).message(), "'blue' is not accepted; give red, green");
  EXPECT_EQ(fixture.colour, Colour::kGreen);
  const Flag& hedge = *fixture.flags.Find("hedge");
  EXPECT_EQ(hedge.value_name, "on|off");
  EXPECT_EQ(hedge.default_text, "on");
  EXPECT_EQ(hedge.assign({"true"}).message(), "'true' is not accepted; give on, off");
  EXPECT_TRUE(fixture.hedge);
}

TEST(FlagSet, RefusesWhatIsOutOfRange) {
  Fixture fixture;
  for (const Flag& flag : fixture.flags.flags()) {
    if (flag.name == "port") {
      EXPECT_FALSE(flag.assign({"-1"}).ok());
      EXPECT_FALSE(flag.assign({"1x"}).ok());
      EXPECT_FALSE(flag.assign({""}).ok());
      EXPECT_FALSE(flag.assign({"1", "2"}).ok());
    } else if (flag.name == "max-body") {
      EXPECT_FALSE(flag.assign({"1"}).ok());
      EXPECT_FALSE(flag.assign({"lots"}).ok());
    } else if (flag.name == "drain-timeout") {
      EXPECT_FALSE(flag.assign({"nan"}).ok());
      EXPECT_FALSE(flag.assign({"-0.5"}).ok());
    } else if (flag.name == "json") {
      EXPECT_FALSE(flag.assign({"maybe"}).ok());
    }
  }
  EXPECT_EQ(fixture.port, 8080);
}

}  // namespace
}  // namespace photovec::cli
