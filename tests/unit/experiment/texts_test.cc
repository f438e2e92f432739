// SPDX-License-Identifier: MIT
// texts.toml against the code that uses it.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <regex>
#include <set>
#include <string>

#include "experiment/analyse/critical_path.h"
#include "experiment/analyse/stage_rows.h"
#include "experiment/report/text.h"

namespace photovec::experiment {
namespace {

/// All string literals of the experiment's sources, and what their calls ask a text for.
class Sources {
 public:
  Sources() {
    const auto top = std::filesystem::path(PHOTOVEC_TEST_DATA).parent_path().parent_path();
    for (const auto& entry : std::filesystem::recursive_directory_iterator(top / "src" / "experiment")) {
      if (entry.path().filename().string().starts_with("json_")) continue;  // report.json's keys are no texts
      if (entry.path().extension() != ".cc") continue;
      std::ifstream file(entry.path());
      text_.append(std::istreambuf_iterator<char>(file), {});
    }
  }
  std::set<std::string> All(const std::string& pattern) const {
    std::set<std::string> found;
    const std::regex regex(pattern);
    for (std::sregex_iterator at(text_.begin(), text_.end(), regex), end; at != end; ++at) {
      found.insert((*at)[1].str());
    }
    return found;
  }

 private:
  std::string text_;
};

TEST(Texts, PlacesAreTheSameInBothLanguages) {
  ASSERT_GT(TextTable().size(), 100U);
  for (const auto& [key, entry] : TextTable()) {
    EXPECT_FALSE(entry.english.empty()) << key;
    EXPECT_FALSE(entry.korean.empty()) << key;
    for (char digit = '0'; digit <= '9'; ++digit) {
      const std::string place = std::string("{") + digit + "}";
      EXPECT_EQ(entry.english.find(place) == std::string::npos, entry.korean.find(place) == std::string::npos)
          << key << " " << place;
    }
  }
}

TEST(Texts, NoneIsMissing) {
  const Sources sources;
  for (const char* call : {R"(\b(?:T|Section|TableHead|Filled|Charts|heading)\("([a-z_0-9]+)\"[,)])",
                           R"(\bText\(\w+, "([a-z_0-9]+)\"\))", R"(\bCharts\("\w+", "([a-z_0-9]+)\")"}) {
    const std::set<std::string> keys = sources.All(call);
    EXPECT_GT(keys.size(), 2U) << call;
    for (const std::string& key : keys) EXPECT_TRUE(HasText(key)) << key;
  }
}

TEST(Texts, NoneIsLeftOver) {
  std::set<std::string> words = Sources().All(R"(\"([a-z_0-9]+)\")");
  for (const StageRow& row : StageRows()) words.insert(std::string(row.key));
  for (const auto& [key, entry] : TextTable()) {
    bool used = words.count(key) > 0;
    for (const std::string prefix : {"row_", "finding_", "finding_next_"}) {
      used = used || (key.starts_with(prefix) && words.count(key.substr(prefix.size())) > 0);
    }
    EXPECT_TRUE(used) << key << " stands in texts.toml, and nothing asks for it";
  }
}

}  // namespace
}  // namespace photovec::experiment
