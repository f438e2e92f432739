// SPDX-License-Identifier: MIT
#include "base/json/reader.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "base/json/checker.h"

namespace photovec::json {
namespace {

// What bodies may hold is tested with the API's requests.
TEST(JsonReader, ObjectsOfFiles) {
  const auto object = ParseObject(" {\"a\": {\"b\": [1, 2.5, null]}}\n");
  ASSERT_TRUE(object.ok()) << object.status().message();
  EXPECT_EQ(object->at("a").at("b").as_array().size(), 3U);
}

TEST(JsonReader, ErrorsSayWhatAndWhere) {
  const auto error = [](const std::string& text) { return ParseObject(text).status().message(); };
  EXPECT_EQ(error("[]"), "not a JSON object");
  EXPECT_EQ(error("").rfind("not valid JSON at line 1, column 1: ", 0), 0U) << error("");
  EXPECT_EQ(error("{\n \"a\": }").rfind("not valid JSON at line 2, column 7: ", 0), 0U)
      << error("{\n \"a\": }");
  EXPECT_EQ(error("{\"x\":{\"a\":1,\"\\u0061\":2}}"),
            "not valid JSON at line 1, column 20: the key \"a\" occurs twice");
  EXPECT_NE(error(std::string(40, '[') + std::string(40, ']')).find("nested more than 32 levels"),
            std::string::npos);
  EXPECT_NE(error("{\"a\":\"\xff\"}"), "") << "not UTF-8";
  EXPECT_NE(error("{\"a\":NaN}").find("NaN and Infinity are not JSON"), std::string::npos);
}

Status Check(std::string_view text, size_t piece, const Limits& limits = {}, bool whole = false) {
  Checker checker(limits);
  for (size_t at = 0; at < text.size(); at += piece) {
    Status status = checker.Feed(text.substr(at, piece));
    if (!status.ok()) return status;
  }
  return whole ? checker.Finish() : Status::Ok();
}

TEST(JsonChecker, SaysWhatTheParserSaysHoweverTheTextIsCut) {
  for (const std::string_view text :
       {R"({"a":[1,-2.5e3,true,null,"x\u00e9\ud83d\ude00",18446744073709551615],"b":{"c":{}}})",
        "{\n \"a\": }", R"({"x":{"a":1,"\u0061":2}})", "{\"a\":NaN}", "{\"a\":1e999}", "1e999",
        "{\"a\":", "[-", "{} x", "{\"a\":\"\xff\"}", "[1,]"}) {
    const Status parsed = Parse(text).status();
    EXPECT_EQ(Check(text, text.size(), {}, true).message(), parsed.message()) << text;
    for (size_t piece = 1; piece < text.size(); ++piece) {
      EXPECT_EQ(Check(text, piece, {}, true).ok(), parsed.ok()) << text << " in pieces of " << piece;
    }
  }
}

TEST(JsonChecker, LimitsAreHeldAtTheByteThatPassesThem) {
  const auto limits = [](auto set) {
    Limits limits;
    set(limits);
    return limits;
  };
  const Limits values = limits([](Limits& l) { l.values = 4; });
  EXPECT_FALSE(Check("[1,{\"a\":2},3,", 1, values).ok()) << "a list, an object, three numbers";
  EXPECT_TRUE(Check("[1,{\"a\":2}]", 1, values).ok());
  EXPECT_EQ(Check("[1,\n2,3,4]", 1, values).message(),
            "the body goes beyond a limit at line 2, column 6: more than 4 values");
  const Limits members = limits([](Limits& l) { l.members = 2; });
  EXPECT_TRUE(Check(R"({"a":1,"b":{"c":1,"d":2}})", 3, members).ok());
  EXPECT_FALSE(Check(R"({"a":1,"b":2,"c")", 3, members).ok());
  const Limits keys = limits([](Limits& l) { l.key_bytes = 3; });
  EXPECT_TRUE(Check(R"({"abc":1})", 2, keys).ok());
  EXPECT_FALSE(Check(R"({"abcd)", 2, keys).ok() && Check(R"({"abcd":)", 2, keys).ok());
  const Limits strings = limits([](Limits& l) { l.string_bytes = 4; });
  EXPECT_TRUE(Check(R"(["abcd","abcd"])", 1, strings).ok());
  EXPECT_FALSE(Check(R"(["abcdefgh)", 3, strings).ok()) << "before its end has come";
}

TEST(JsonChecker, CountsWhatADocumentTakes) {
  Checker checker({});
  ASSERT_TRUE(checker.Feed(R"({"key":"0123456789",)").ok());
  ASSERT_TRUE(checker.Feed(R"("b":[1,2]})").ok());
  EXPECT_EQ(checker.string_bytes(), 14U);
  EXPECT_GE(checker.DocumentBytes(), 14U + 5 * 24);
}

}  // namespace
}  // namespace photovec::json
