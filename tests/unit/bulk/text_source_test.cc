// SPDX-License-Identifier: MIT
#include "bulk/text_source.h"

#include <gmock/gmock.h>

#include "unit/bulk/temporary_folder.h"

namespace photovec::bulk {
namespace {

using ::testing::HasSubstr;

class TextSourceTest : public FolderTest {
 protected:
  /// "name=words|name!error|..."
  std::string Texts(const std::string& content, TextSource::Form form = TextSource::Form::kLines) {
    Write("texts", content);
    auto source = TextSource::Open(Path("texts"), form);
    EXPECT_TRUE(source.ok()) << source.status().ToString();
    std::string texts;
    while (auto found = (*source)->Next()) {
      EXPECT_EQ(found->status.ok(), found->words.has_value());
      texts += found->path + (found->words ? "=" + *found->words : "!" + found->status.message()) + "|";
    }
    status_ = (*source)->status();
    empty_lines_ = (*source)->passed_over().empty_lines;
    return texts;
  }
  /// Which state the only text is in.
  FileId IdOf(const std::string& content) {
    Write("texts", content);
    auto source = TextSource::Open(Path("texts"), TextSource::Form::kLines);
    EXPECT_TRUE(source.ok());
    return (*source)->Next()->id;
  }
  Status status_;
  int64_t empty_lines_ = 0;
};

TEST_F(TextSourceTest, LinesNameThemselves) {
  const std::string nul("a\0b", 3);
  EXPECT_EQ(Texts("\xEF\xBB\xBF" "a cat\r\n\n \t\n" + nul + "\nhttp://h/x\n\xFF"),
            "a cat=a cat|" + nul + "=" + nul + "|http://h/x=http://h/x|\xFF=\xFF|");
  EXPECT_EQ(empty_lines_, 2);
  EXPECT_TRUE(status_.ok());
  EXPECT_EQ(Texts(""), "");
}

TEST_F(TextSourceTest, ALongTextIsAnErrorOfItsOwn) {
  const std::string longest(64 << 10, 'x');
  EXPECT_EQ(Texts(longest), longest + "=" + longest + "|");
  EXPECT_EQ(Texts(longest + "y\nnext"),
            longest.substr(0, 64) + "...!the text is longer than 64 KiB|next=next|");
  EXPECT_EQ(Texts("first\n" + std::string(2 << 20, 'x')), "first=first|");
  EXPECT_THAT(status_.message(), HasSubstr("more than 1 MiB at byte"));
}

TEST_F(TextSourceTest, JsonLinesAreNamedByTheirIds) {
  const auto kJson = TextSource::Form::kJson;
  EXPECT_EQ(Texts(R"({"id":"a","text":"one"})"
                  "\r\n\n"
                  R"({"text":"two","likes":[7]})"
                  "\n"
                  R"({"id":-17,"text":"three\n"})",
                  kJson),
            "a=one|3=two|-17=three\n|");
  EXPECT_THAT(Texts("a cat\n[1]\n", kJson), testing::MatchesRegex("1!.*line 1.*[|]2!not a JSON object[|]"));
  EXPECT_EQ(Texts(R"({"id":"a"})", kJson), "a!field \"text\" is missing|");
  EXPECT_THAT(Texts(R"({"id":"a","text":7})", kJson), HasSubstr("a!field \"text\" must be a string"));
  EXPECT_THAT(Texts(R"({"id":1.5,"text":"x"})", kJson), HasSubstr("1!field \"id\" must be a whole number"));
  EXPECT_EQ(Texts(R"({"id":"a","text":" "})", kJson), "a!the text is empty|");
  const std::string id(5000, 'i');
  EXPECT_THAT(Texts(R"({"id":")" + id + R"(","text":"x"})", kJson), HasSubstr("1!the id is longer"));
  EXPECT_TRUE(status_.ok());
}

TEST_F(TextSourceTest, AChangedTextIsSeen) {
  EXPECT_EQ(IdOf("a cat"), IdOf("a cat\r\n"));
  EXPECT_NE(IdOf("a cat"), IdOf("a rat"));
}

TEST_F(TextSourceTest, TheNameTellsTheForm) {
  EXPECT_EQ(TextSource::FormOf("-"), TextSource::Form::kLines);
  EXPECT_EQ(TextSource::FormOf("a.txt"), TextSource::Form::kLines);
  EXPECT_EQ(TextSource::FormOf("A.JSONL"), TextSource::Form::kJson);
  EXPECT_EQ(TextSource::FormOf("a.ndjson"), TextSource::Form::kJson);
  EXPECT_EQ(TextSource::Open(Path("none"), TextSource::Form::kLines).status().code(), Code::kNotFound);
}

}  // namespace
}  // namespace photovec::bulk
