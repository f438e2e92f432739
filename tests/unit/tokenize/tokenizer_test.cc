// SPDX-License-Identifier: MIT
#include "tokenize/tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <thread>

#include "testing/tiny_tokenizers.h"

namespace photovec::tokenize {
namespace {

using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr int32_t kStart = 517;
constexpr int32_t kEnd = 518;

class TokenizerTest : public testing::Test {
 protected:
  TokenizerTest() {
    std::string pattern = testing::TempDir() + "photovec-tokenizer-XXXXXX";
    folder_ = mkdtemp(pattern.data());
  }
  ~TokenizerTest() override { std::filesystem::remove_all(folder_); }

  void Write(const std::string& name, std::string_view content) {
    std::ofstream(folder_ + "/" + name, std::ios::binary) << content;
  }
  void WriteSiglip() { Write("spiece.model", test::SentencePieceModel(test::TinyPieces(), true)); }
  void WriteSiglip2() { Write("tokenizer.model", test::SentencePieceModel(test::TinyPieces(), false)); }

  std::unique_ptr<const Tokenizer> Load(TextCleaning cleaning = TextCleaning::kAuto,
                                        SpecialTokens special = SpecialTokens::kParse) {
    auto tokenizer = LoadTokenizer(folder_, cleaning, special);
    EXPECT_TRUE(tokenizer.ok()) << tokenizer.status().ToString();
    return tokenizer.ok() ? std::move(*tokenizer) : nullptr;
  }
  std::string LoadError(Code code) {
    const auto tokenizer = LoadTokenizer(folder_, TextCleaning::kAuto, SpecialTokens::kParse);
    EXPECT_FALSE(tokenizer.ok());
    if (tokenizer.ok()) return {};
    EXPECT_EQ(tokenizer.status().code(), code);
    return tokenizer.status().message();
  }
  /// Without padding.
  static std::vector<int32_t> Ids(const Tokenizer& tokenizer, std::string_view text) {
    auto tokens = tokenizer.Encode(text);
    EXPECT_TRUE(tokens.ok()) << tokens.status().ToString();
    if (!tokens.ok()) return {};
    tokens->ids.resize(tokens->used);
    return tokens->ids;
  }

  std::string folder_;
};

class ClipTest : public TokenizerTest {
 protected:
  ClipTest() { Write("bpe_simple_vocab_16e6.txt", test::kTinyClipVocabulary); }
};

TEST_F(ClipTest, MergesWordsBetweenTheEnds) {
  const auto clip = Load();
  EXPECT_EQ(clip->info().rule, "clip-bpe/hf");
  EXPECT_EQ(clip->info().vocabulary_size, 519);
  EXPECT_EQ(clip->info().max_length, 77);
  EXPECT_FALSE(clip->info().pads);
  EXPECT_EQ(clip->info().pad_id, kEnd);
  EXPECT_THAT(Ids(*clip, "Cat \t dog"), ElementsAre(kStart, 513, 515, kEnd));
  EXPECT_THAT(Ids(*clip, "cats"), ElementsAre(kStart, 512, 't' - '!', 's' - '!' + 256, kEnd));
  EXPECT_THAT(Ids(*clip, ""), ElementsAre(kStart, kEnd));
  EXPECT_THAT(Ids(*clip, " \n\u3000"), ElementsAre(kStart, kEnd));
}

TEST_F(ClipTest, SplitsContractionsDigitsAndSigns) {
  const auto clip = Load();
  const auto last = [](char c) { return c - '!' + 256; };
  EXPECT_THAT(Ids(*clip, "it's"), ElementsAre(kStart, 516, '\'' - '!', last('s'), kEnd));
  EXPECT_THAT(Ids(*clip, "12"), ElementsAre(kStart, last('1'), last('2'), kEnd));
  EXPECT_THAT(Ids(*clip, "cat!?dog"), ElementsAre(kStart, 513, 0, last('?'), 515, kEnd));
}

TEST_F(ClipTest, CutsBeforeTheEnd) {
  Write("tokenizer_config.json", R"({"model_max_length": 5})");
  Write("config.json", R"({"text_config": {"max_position_embeddings": 77}})");
  const auto clip = Load();
  EXPECT_EQ(clip->info().max_length, 5);
  EXPECT_THAT(Ids(*clip, "cat dog cat"), ElementsAre(kStart, 513, 515, 513, kEnd));
  EXPECT_THAT(Ids(*clip, "cat dog cat dog"), ElementsAre(kStart, 513, 515, 513, kEnd));
  EXPECT_THAT(Ids(*clip, "cat 1234567890"), ElementsAre(kStart, 513, '1' - '!' + 256, '2' - '!' + 256, kEnd));
}

TEST_F(ClipTest, ParsesSpecialTokensUnlessLiteral) {
  EXPECT_THAT(Ids(*Load(), "cat<|endoftext|>dog"), ElementsAre(kStart, 513, kEnd, 515, kEnd));
  const auto literal = Load(TextCleaning::kAuto, SpecialTokens::kLiteral);
  EXPECT_EQ(literal->info().rule, "clip-bpe/hf+literal");
  const std::vector<int32_t> ids = Ids(*literal, "cat<|endoftext|>dog");
  EXPECT_EQ(std::count(ids.begin(), ids.end(), kEnd), 1);
  EXPECT_GT(ids.size(), 10);
  EXPECT_EQ(Ids(*literal, "cat < | endoftext | >").front(), kStart);
}

TEST_F(ClipTest, FindsNormalizedTokensInLowerCase) {
  Write(
      "tokenizer_config.json",
      R"({"added_tokens_decoder": {"518": {"content": "<|endoftext|>", "special": true, "normalized": true}}})");
  EXPECT_THAT(Ids(*Load(), "<|ENDOFTEXT|>"), ElementsAre(kStart, kEnd, kEnd));
}

TEST_F(ClipTest, CanonicalizesWhereAsked) {
  const auto clip = Load(TextCleaning::kCanonicalize);
  EXPECT_EQ(clip->info().rule, "clip-bpe/hf+canonicalize");
  EXPECT_THAT(Ids(*clip, "CAT!, \"dog\""), ElementsAre(kStart, 513, 515, kEnd));
  EXPECT_EQ(Load(TextCleaning::kLower)->info().rule, "clip-bpe/hf");
}

TEST_F(ClipTest, RefusesOtherEncodings) {
  const auto tokens = Load()->Encode("\xFF");
  ASSERT_FALSE(tokens.ok());
  EXPECT_EQ(tokens.status().code(), Code::kInvalidRequest);
}

TEST_F(TokenizerTest, SiglipPadsWithItsEnd) {
  WriteSiglip();
  Write("config.json", R"({"model_type": "siglip", "text_config": {"max_position_embeddings": 16}})");
  const auto siglip = Load();
  EXPECT_EQ(siglip->info().rule, "siglip/canonicalize");
  EXPECT_EQ(siglip->info().pad_id, 1);
  const auto tokens = siglip->Encode("A,  CAT");
  ASSERT_TRUE(tokens.ok());
  EXPECT_EQ(tokens->used, 3);
  EXPECT_EQ(tokens->ids.size(), 16);
  EXPECT_THAT(Ids(*siglip, "A,  CAT"), ElementsAre(290, 289, 1));  // "▁a", "▁cat"
  EXPECT_THAT(std::vector(tokens->ids.begin() + 3, tokens->ids.end()), Each(1));
  EXPECT_THAT(Ids(*siglip, ""), ElementsAre(1));
  EXPECT_THAT(Ids(*siglip, "cat<eos>"), ElementsAre(289, 1));  // not a second one
  std::string words;
  for (int word = 0; word < 100; ++word) words += "cat ";
  EXPECT_EQ(Ids(*siglip, words).size(), 16);
  EXPECT_EQ(Ids(*siglip, words).back(), 1);
}

TEST_F(TokenizerTest, Siglip2IsNotCleanedUnlessItsClassDoes) {
  WriteSiglip2();
  EXPECT_EQ(Load()->info().rule, "siglip2/none");
  EXPECT_EQ(Load()->info().max_length, 64);
  EXPECT_EQ(Load()->info().pad_id, 0);
  EXPECT_THAT(Ids(*Load(), "a cat"), ElementsAre(261, 289, 1));
  EXPECT_THAT(Ids(*Load(), "A cat"), ElementsAre(4 + 'A', 289, 1));
  Write("config.json", R"({"model_type": "siglip2"})");
  EXPECT_EQ(Load()->info().rule, "siglip2/lower");
  EXPECT_THAT(Ids(*Load(), "A cat"), ElementsAre(261, 289, 1));
  Write(
      "open_clip_config.json",
      R"({"model_cfg": {"text_cfg": {"context_length": 9, "tokenizer_kwargs": {"clean": "canonicalize"}}}})");
  EXPECT_EQ(Load()->info().rule, "siglip2/canonicalize-underscore");
  EXPECT_EQ(Load()->info().max_length, 9);
  EXPECT_THAT(Ids(*Load(), "A_cat!"), ElementsAre(261, 289, 1));
}

TEST_F(TokenizerTest, GemmasTokenizerJsonIsTheSameAsItsModel) {
  WriteSiglip2();
  const auto theirs = Load();
  std::filesystem::remove(folder_ + "/tokenizer.model");
  Write("tokenizer.json", test::GemmaTokenizerJson(test::TinyPieces()));
  const auto ours = Load();
  EXPECT_EQ(ours->info().rule, theirs->info().rule);
  EXPECT_EQ(ours->info().vocabulary_size, theirs->info().vocabulary_size);
  for (const std::string_view text : {"a cat", "", "  cat  at é😀", "<eos>cat", "Ünï\tcode\n"}) {
    EXPECT_EQ(ours->Encode(text)->ids, theirs->Encode(text)->ids) << text;
  }
}

TEST_F(TokenizerTest, ManyThreadsEncodeAtATime) {
  WriteSiglip();
  const auto tokenizer = Load();
  std::vector<std::string> texts;
  std::vector<std::vector<int32_t>> expected;
  for (int number = 0; number < 50; ++number) {
    texts.push_back(std::string(static_cast<size_t>(number), 'c') + " cat é at" + std::to_string(number));
    expected.push_back(Ids(*tokenizer, texts.back()));
  }
  std::vector<int> wrong(4);
  {
    std::vector<std::jthread> threads;
    for (int& count : wrong) {
      threads.emplace_back([&] {
        for (size_t i = 0; i < texts.size(); ++i) count += Ids(*tokenizer, texts[i]) != expected[i];
      });
    }
  }
  EXPECT_THAT(wrong, Each(0));
}

TEST_F(TokenizerTest, NamesTheMissingFile) {
  EXPECT_THAT(LoadError(Code::kNotFound), HasSubstr("spiece.model"));
  Write("vocab.json", "{}");
  EXPECT_THAT(LoadError(Code::kNotFound), HasSubstr("merges.txt is missing"));
}

TEST_F(TokenizerTest, NamesTheWrongFile) {
  Write("config.json", R"({"text_config": {"max_position_embeddings": 1}})");
  EXPECT_THAT(LoadError(Code::kInvalidRequest),
              HasSubstr("config.json: field \"text_config.max_position_embeddings\""));
  Write("config.json", "{");
  EXPECT_THAT(LoadError(Code::kInvalidRequest), HasSubstr("config.json: "));
  std::filesystem::remove(folder_ + "/config.json");
  Write("tokenizer.json", R"({"model": {"vocab": {}, "merges": []}})");
  EXPECT_THAT(LoadError(Code::kInvalidRequest), HasSubstr("tokenizer.json: not CLIP's BPE"));
  Write("tokenizer.json", R"({"model": {"end_of_word_suffix": "</w>", "vocab": {}, "merges": []}})");
  EXPECT_THAT(LoadError(Code::kInvalidRequest), HasSubstr("the vocabulary has no \"<|startoftext|>\""));
  Write("spiece.model", "not a model");
  EXPECT_THAT(LoadError(Code::kInvalidRequest), HasSubstr("spiece.model: not a SentencePiece model"));
  WriteSiglip();
  Write("tokenizer_config.json", R"({"pad_token": {"content": "<nowhere>"}})");
  EXPECT_THAT(LoadError(Code::kInvalidRequest), HasSubstr("the model has no \"<nowhere>\""));
  Write("bpe_simple_vocab_16e6.txt.gz", "not packed");
  for (const char* name : {"/spiece.model", "/tokenizer.json", "/tokenizer_config.json"})
    std::filesystem::remove(folder_ + name);
  EXPECT_THAT(LoadError(Code::kInvalidRequest),
              HasSubstr("bpe_simple_vocab_16e6.txt.gz: not a whole gzip file"));
}

}  // namespace
}  // namespace photovec::tokenize
