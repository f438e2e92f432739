// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <vector>

#include "experiment/report/report.h"
#include "synthetic_data.h"

namespace photovec::experiment {
namespace {

// What breaks the nesting of tags or the quoting of attributes; "" when nothing does. Void elements are
// written with "/>", so that any XML reader takes the page.
std::string FirstFault(std::string_view page) {
  std::vector<std::string> open;
  size_t at = page.find("<html");
  while (at < page.size()) {
    if (page[at] != '<') {
      const size_t next = page.find('<', at);
      const std::string_view text = page.substr(at, next == std::string_view::npos ? next : next - at);
      const bool style = !open.empty() && open.back() == "style";
      if (!style && text.find('>') != std::string_view::npos) return "bare > in: " + std::string(text);
      for (size_t i = text.find('&'); !style && i != std::string_view::npos; i = text.find('&', i + 1)) {
        if (text.find(';', i) == std::string_view::npos) return "bare & in: " + std::string(text);
      }
      if (next == std::string_view::npos) break;
      at = next;
    }
    const size_t end = page.find('>', at);
    if (end == std::string_view::npos) return "a tag without end";
    const std::string tag(page.substr(at + 1, end - at - 1));
    if (tag.find('<') != std::string::npos) return "< inside tag: " + tag;
    if (std::count(tag.begin(), tag.end(), '"') % 2 != 0) return "odd quotes: " + tag;
    if (tag.starts_with('/')) {
      if (open.empty() || open.back() != tag.substr(1)) return "wrong end: " + tag;
      open.pop_back();
    } else if (!tag.ends_with('/')) {
      open.push_back(tag.substr(0, tag.find_first_of(" \n")));
    }
    at = end + 1;
  }
  return open.empty() ? "" : "never ended: " + open.back();
}

ExperimentData Nasty() {
  SyntheticSpec one;
  one.name = "<script>alert(1)</script> & \"x\" 'y'";
  SyntheticSpec two = one;
  two.name = "two\xFF\x01</td>";
  two.seed = 2;
  ExperimentData data = MakeSyntheticData({one, two});
  data.command = {"photovec", "<b>", "&amp;"};
  data.options = {{"<i>", "</i>"}};
  data.versions = {{"<u>", "\"</u>"}};
  data.machine_json = "<img src=x>";
  data.created = "<s>";
  data.variants[1].runs[0].failure = "<code>failed</code>";
  data.variants[1].runs[0].log_tail = {"</pre><script src=\"http://example.com/x.js\"></script>"};
  data.variants[1].capacity.push_back({"p95<800ms", 0, {{1, 900, false}}});
  return data;
}

TEST(ReportHtml, IsWellFormedWhateverComesFromOutside) {
  for (const Language language : {Language::kEnglish, Language::kKorean}) {
    for (const ExperimentData& data : {MakeShowcase(), Nasty(), ExperimentData{}}) {
      const std::string page = ReportHtml(data, language);
      EXPECT_EQ(FirstFault(page), "");
      EXPECT_EQ(page.find("<script"), std::string::npos) << "nothing needs a script, and none comes in";
      EXPECT_EQ(page.find("<img"), std::string::npos);
      EXPECT_EQ(page.find('\xFF'), std::string::npos);
    }
  }
}

TEST(ReportHtml, TheCheckItselfSeesFaults) {
  EXPECT_NE(FirstFault("<html><b></html>"), "");
  EXPECT_NE(FirstFault("<html>a & b</html>"), "");
  EXPECT_NE(FirstFault("<html><a x=\"></a></html>"), "");
  EXPECT_EQ(FirstFault("<html><a x=\"1\">&amp;</a><br/></html>"), "");
}

TEST(ReportHtml, AsksNobodyForAnything) {
  const std::string page = ReportHtml(MakeShowcase(), Language::kEnglish);
  for (const char* fetch :
       {"http://", "https://", "url(", "@import", "src=", "//fonts", "<link rel=\"stylesheet"}) {
    EXPECT_EQ(page.find(fetch), std::string::npos) << fetch;
  }
}

TEST(ReportHtml, HasItsPartsInBothLanguages) {
  const std::string korean = ReportHtml(MakeShowcase(), Language::kKorean);
  for (const char* text :
       {"lang=\"ko\"", "이미지 로딩", "변화율", "차이 없음", "분석", "측정 방법", "처리량"}) {
    EXPECT_NE(korean.find(text), std::string::npos) << text;
  }
  const std::string english = ReportHtml(MakeShowcase(), Language::kEnglish);
  for (const char* text :
       {"lang=\"en\"", "image load", "streams=4", "Where a request", "Findings", "bootstrap", "<svg",
        "prefers-color-scheme: dark", "p99", "p95&lt;800ms", "6 of 18,000"}) {
    EXPECT_NE(english.find(text), std::string::npos) << text;
  }
}

TEST(ReportHtml, IsSmallEnoughToMail) {
  EXPECT_LT(ReportHtml(MakeShowcase(), Language::kEnglish).size(), 400'000U);
}

TEST(ReportMarkdown, HasTablesAndKeepsThemWhole) {
  const std::string text = ReportMarkdown(MakeShowcase(), Language::kEnglish);
  EXPECT_EQ(text.find("# photovec experiment"), 0U);
  EXPECT_NE(text.find("| stage | streams=1 | streams=2 | change |"), std::string::npos);
  EXPECT_NE(text.find("\xE2\x96\xBC \xE2\x80\x93"), std::string::npos);
  const std::string nasty = ReportMarkdown(Nasty(), Language::kEnglish);
  EXPECT_EQ(nasty.find("<script>alert"), std::string::npos);
  EXPECT_EQ(ReportMarkdown(ExperimentData{}, Language::kKorean).find("# photovec"), 0U);
  EXPECT_FALSE(ReportText(ExperimentData{}, Language::kKorean).empty());
}

// Renders pages to look at: PHOTOVEC_REPORT_DIR=DIR experiment_test --gtest_filter=*WritesPages*
TEST(ReportHtml, WritesPagesToLookAt) {
  const char* wanted = std::getenv("PHOTOVEC_REPORT_DIR");
  const std::string dir = wanted != nullptr ? wanted : testing::TempDir();
  for (const auto& [name, language] : {std::pair{"en", Language::kEnglish}, {"ko", Language::kKorean}}) {
    const std::string path = dir + "/photovec_report_" + name + ".html";
    std::ofstream file(path, std::ios::binary);
    file << ReportHtml(MakeShowcase(), language);
    file.close();
    EXPECT_TRUE(file.good()) << path;
    if (wanted == nullptr) std::remove(path.c_str());
  }
}

}  // namespace
}  // namespace photovec::experiment
