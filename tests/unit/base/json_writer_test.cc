// SPDX-License-Identifier: MIT
#include "base/json/writer.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <limits>
#include <string>

namespace photovec::json {
namespace {

TEST(JsonWriter, NestsAndSeparates) {
  std::string out;
  Writer json(out);
  json.BeginObject();
  json.Field("name", "a \"b\"\n").Field("count", 3).Field("big", uint64_t{1} << 63).Field("on", true);
  json.Field("share", 0.25, 3);
  json.Key("list").BeginArray().Value(-1).Value("x").Null().BeginObject().EndObject().EndArray();
  json.Key("made").Raw("[1]");
  json.EndObject();
  EXPECT_EQ(
      out,
      "{\"name\":\"a \\\"b\\\"\\n\",\"count\":3,\"big\":9223372036854775808,\"on\":true,\"share\":0.250,"
      "\"list\":[-1,\"x\",null,{}],\"made\":[1]}");
}

TEST(JsonWriter, NumbersThatJsonDoesNotHaveBecomeNull) {
  std::string out;
  Writer json(out);
  json.BeginArray().Fixed(std::nan(""), 2).Fixed(std::numeric_limits<double>::infinity(), 2).Fixed(1e300, 0);
  json.EndArray();
  EXPECT_EQ(out.substr(0, 13), "[null,null,10");
  out.clear();
  AppendFloats(out, std::array{1.5F, std::nanf(""), -1.17549435e-38F});
  EXPECT_EQ(out, "[1.5,null,-1.1754944e-38]");
}

// One policy for bytes that are not UTF-8.
TEST(JsonWriter, BadUtf8BecomesTheReplacementCharacter) {
  EXPECT_EQ(String("caf\xC3\xA9"), "\"caf\xC3\xA9\"");
  EXPECT_EQ(String("\xFF\xC0\xAF|\xED\xA0\x80|\xF4\x90\x80\x80|\xE2\x82"),
            "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD|\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD|"
            "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD|\xEF\xBF\xBD\xEF\xBF\xBD\"");
  EXPECT_EQ(String(std::string_view("\0\x1f\x7f", 3)), "\"\\u0000\\u001f\\u007f\"");
}

TEST(JsonWriter, LinesNumbersAndErrors) {
  std::string out;
  Writer writer(out);
  writer.BeginObject().Line(2).Key("x").Number(0.1).Line(2).Key("inf").Number(1e300 * 1e300);
  writer.Line(2).Key("ok").Error(Status::Ok()).Line(2).Key("bad").Error({Code::kImageCorrupt, "cut"});
  writer.Line(0).EndObject();
  EXPECT_EQ(out,
            "{\n  \"x\":0.1,\n  \"inf\":null,\n  \"ok\":null,\n"
            "  \"bad\":{\"code\":\"image_corrupt\",\"message\":\"cut\"}\n}");
}

}  // namespace
}  // namespace photovec::json
