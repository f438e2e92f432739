// SPDX-License-Identifier: MIT
#include "fetch/s3/aws_text.h"

#include <gtest/gtest.h>

#include <chrono>
#include <optional>
#include <string>

namespace photovec::fetch {
namespace {

TEST(XmlText, FindsElements) {
  const char* error =
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>NoSuchKey</Code><Message>It&apos;s not "
      "there</Message><CodeName>x</CodeName></Error>";
  EXPECT_EQ(XmlText(error, "Code"), "NoSuchKey");
  EXPECT_EQ(XmlText(error, "Message"), "It's not there");
  EXPECT_EQ(XmlText(error, "Region"), std::nullopt);
  EXPECT_EQ(XmlText("<CodeName>x</CodeName><Code>y</Code>", "Code"), "y");
  EXPECT_EQ(XmlText("<a xmlns=\"u\">1</a>", "a"), "1");
  EXPECT_EQ(XmlText("<a>1</a><a>2</a>", "a"), "1");
  EXPECT_EQ(XmlText("<a/>", "a"), "");
  EXPECT_EQ(XmlText("<a></a>", "a"), "");
}

TEST(XmlText, Entities) {
  EXPECT_EQ(XmlText("<a>&lt;&gt;&amp;&quot;&#65;&#x1F63A;&#xE9;&#x2713;</a>", "a"),
            "<>&\"A\xF0\x9F\x98\xBA\xC3\xA9\xE2\x9C\x93");
  EXPECT_EQ(XmlText("<a>&amp;lt;</a>", "a"), "&lt;");
  for (const char* kept :
       {"&nope;", "&#0;", "&#xD800;", "&#x110000;", "&#99999999;", "&#;", "&#x;", "&", "&amp", "&#65x;"}) {
    EXPECT_EQ(XmlText("<a>" + std::string(kept) + "</a>", "a"), kept);
  }
}

TEST(XmlText, WhatIsCutOffIsNotThere) {
  const std::string whole = "<Error><Code a=\"b\">NoSuchKey</Code>";
  for (size_t length = 0; length < whole.size(); ++length) {
    EXPECT_EQ(XmlText(whole.substr(0, length), "Code"), std::nullopt) << length;
  }
  EXPECT_EQ(XmlText(whole, "Code"), "NoSuchKey");
}

TEST(AwsText, Times) {
  const auto hour = std::chrono::sys_days(std::chrono::year(2026) / 11 / 27) + std::chrono::hours(1);
  EXPECT_EQ(ParseAwsTime("2026-11-27T01:00:00Z"), hour);
  EXPECT_EQ(ParseAwsTime("2026-11-27T01:00:00.123456Z"), hour);
  EXPECT_EQ(ParseAwsTime("2026-11-27T01:00:00+00:00"), hour);
  for (const char* text :
       {"", "2026-11-27", "2026-11-27T01:00:00", "2026-02-30T01:00:00Z", "2026-11-27T25:00:00Z",
        "2026-11-27T01:00:00+09:00", "soon", "2026-11-27T01:00:00Zx"}) {
    EXPECT_EQ(ParseAwsTime(text), std::nullopt) << text;
  }
}

TEST(AwsText, CodesOfOthersAreMadeSafe) {
  EXPECT_EQ(SafeCode("NoSuchKey"), "NoSuchKey");
  EXPECT_EQ(SafeCode("a b\n<script>"), "a?b??script?");
  EXPECT_EQ(SafeCode(std::string(500, 'x')).size(), 64u);
}

}  // namespace
}  // namespace photovec::fetch
