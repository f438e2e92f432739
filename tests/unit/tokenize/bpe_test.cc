// SPDX-License-Identifier: MIT
#include "tokenize/bpe.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "tokenize/added_tokens.h"
#include "tokenize/bpe_files.h"

namespace photovec::tokenize {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::vector<int32_t> Merged(const std::vector<Merge>& merges, std::vector<int32_t> tokens) {
  BpeMerges(merges).Apply(tokens);
  return tokens;
}

TEST(BpeMerges, StrongestRuleFirstAndFromTheLeft) {
  EXPECT_THAT(Merged({{1, 2, 10}, {2, 3, 11}}, {1, 2, 3}), ElementsAre(10, 3));
  EXPECT_THAT(Merged({{2, 3, 11}, {1, 2, 10}}, {1, 2, 3}), ElementsAre(1, 11));
  EXPECT_THAT(Merged({{1, 1, 10}}, {1, 1, 1}), ElementsAre(10, 1));
  EXPECT_THAT(Merged({{1, 1, 10}, {10, 10, 20}}, {1, 1, 1, 1, 1}), ElementsAre(20, 1));
  EXPECT_THAT(Merged({}, {1, 2}), ElementsAre(1, 2));
  EXPECT_THAT(Merged({{1, 2, 3}}, {}), ElementsAre());
}

/// What the heap must give, written down as the definition has it.
std::vector<int32_t> Slowly(const std::vector<Merge>& merges, std::vector<int32_t> tokens) {
  for (bool changed = true; changed;) {
    changed = false;
    for (const Merge& merge : merges) {
      for (size_t at = 0; at + 1 < tokens.size() && !changed; ++at) {
        if (tokens[at] != merge.left || tokens[at + 1] != merge.right) continue;
        tokens[at] = merge.merged;
        tokens.erase(tokens.begin() + static_cast<std::ptrdiff_t>(at) + 1);
        changed = true;
      }
      if (changed) break;
    }
  }
  return tokens;
}

TEST(BpeMerges, IsTheDefinition) {
  std::mt19937 random(7);
  for (int round = 0; round < 300; ++round) {
    std::vector<Merge> merges;
    for (int32_t merged = 4; merged < 20; ++merged) {
      const auto any = [&] { return static_cast<int32_t>(random() % static_cast<uint32_t>(merged)); };
      const Merge merge{any(), any(), merged};
      const auto same = [&](const Merge& other) {
        return other.left == merge.left && other.right == merge.right;
      };
      if (std::none_of(merges.begin(), merges.end(), same)) merges.push_back(merge);
    }
    std::vector<int32_t> tokens(random() % 60);
    for (int32_t& token : tokens) token = static_cast<int32_t>(random() % 4);
    EXPECT_EQ(Merged(merges, tokens), Slowly(merges, tokens));
  }
}

std::vector<std::pair<std::string, int32_t>> Split(std::vector<AddedToken> tokens, std::string_view text) {
  std::vector<std::pair<std::string, int32_t>> parts;
  for (const TextPart& part : AddedTokenSplitter(std::move(tokens)).Split(text))
    parts.emplace_back(part.text, part.id);
  return parts;
}

TEST(AddedTokenSplitter, FindsTheLongestFromTheLeft) {
  using testing::Pair;
  EXPECT_THAT(Split({{"<a>", 1}, {"<a><b>", 2}, {"b", 3}}, "x<a><b>b<a>"),
              ElementsAre(Pair("x", -1), Pair("<a><b>", 2), Pair("b", 3), Pair("<a>", 1)));
  EXPECT_THAT(Split({{"<a>", 1}}, ""), ElementsAre());
  EXPECT_THAT(Split({}, "<a>"), ElementsAre(Pair("<a>", -1)));
  EXPECT_THAT(Split({{"", 1}}, "x"), ElementsAre(Pair("x", -1)));
}

TEST(AddedTokenSplitter, TakesWhiteSpaceAlongWhereAsked) {
  using testing::Pair;
  EXPECT_THAT(Split({{"<a>", 1, true, false, true, true}}, "x \u3000<a>\t \u00A0y <a> <a>"),
              ElementsAre(Pair("x", -1), Pair(" \u3000<a>\t \u00A0", 1), Pair("y", -1), Pair(" <a> ", 1),
                          Pair("<a>", 1)));
}

constexpr std::string_view kJson = R"({"added_tokens":[{"id":4,"content":"<e>","special":true,"lstrip":true}],
  "model":{"type":"BPE","unk_token":"<e>","end_of_word_suffix":"</w>","vocab":{"a":0,"b":1,"ab":2,"c":3,"<e>":4},
  "merges":["a b"]}})";

std::string Replaced(std::string_view from, std::string_view to) {
  std::string text(kJson);
  return text.replace(text.find(from), from.size(), to);
}

TEST(ParseTokenizerJson, ReadsBothSpellingsOfMerges) {
  for (const std::string& text : {std::string(kJson), Replaced(R"("a b")", R"(["a","b"])")}) {
    const auto files = ParseTokenizerJson(text);
    ASSERT_TRUE(files.ok()) << files.status().ToString();
    EXPECT_EQ(files->Size(), 5);
    ASSERT_EQ(files->merges.size(), 1);
    EXPECT_EQ(files->merges[0].merged, 2);
    ASSERT_EQ(files->added.size(), 1);
    EXPECT_TRUE(files->added[0].special && files->added[0].lstrip && !files->added[0].normalized);
  }
}

TEST(ParseTokenizerJson, NamesWhatIsWrong) {
  const auto expect = [](const std::string& text, std::string_view what) {
    const auto files = ParseTokenizerJson(text);
    ASSERT_FALSE(files.ok()) << text;
    EXPECT_EQ(files.status().code(), Code::kInvalidRequest);
    EXPECT_THAT(files.status().message(), HasSubstr(std::string(what)));
  };
  expect("[]", "not a JSON object");
  expect("{}", "\"model\" is missing");
  expect(Replaced("BPE", "Unigram"), "spiece.model");
  expect(Replaced(R"("a":0)", R"("a":-1)"), "the id of \"a\"");
  expect(Replaced(R"("a b")", R"("a")"), "not two tokens");
  expect(Replaced(R"("a b")", R"("a b c")"), "not two tokens");
  expect(Replaced(R"("a b")", R"(["a",1])"), "a merge is neither");
  expect(Replaced(R"("a b")", R"("b a")"), "\"ba\"");
  expect(Replaced(R"("lstrip":true)", R"("single_word":true)"), "single_word");
  expect(Replaced(R"("id":4)", R"("id":"4")"), "without an id");
  expect(Replaced(R"("vocab":{)", R"("vocabulary":{)"), "vocab");
}

TEST(ParseVocabAndMerges, SaysInWhichLine) {
  EXPECT_TRUE(ParseVocabAndMerges(R"({"a":0,"b":1,"ab":2})", "#version: 0.2\r\na b\r\n").ok());
  const auto files = ParseVocabAndMerges(R"({"a":0,"#":1,"a#":2})", "#version: 0.2\na #\n# a\n");
  ASSERT_FALSE(files.ok());
  EXPECT_THAT(files.status().message(), HasSubstr("line 3: a merge names \"#a\""));
}

TEST(ByteSymbols, StandForThemselvesWhereTheyPrint) {
  const std::vector<std::string> symbols = ByteSymbols();
  EXPECT_EQ(symbols['!'], "!");
  EXPECT_EQ(symbols[0], "\u0100");
  EXPECT_EQ(symbols[' '], "\u0120");
  EXPECT_EQ(symbols[0xAD], "\u0143");
  EXPECT_EQ(BytesInOrder().front(), '!');
}

}  // namespace
}  // namespace photovec::tokenize
