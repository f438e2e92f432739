// SPDX-License-Identifier: MIT
#include "base/json/reader.h"

#include <gtest/gtest.h>

#include <string>

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

}  // namespace
}  // namespace photovec::json
