// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <string>

#include "api/pickle_writer.h"
#include "base/json/writer.h"
#include "base/text/utf8.h"

namespace photovec::api {
namespace {

std::string Json(std::string_view text) {
  std::string out;
  json::AppendString(out, text);
  return out;
}

std::string Number(float value) {
  std::string out;
  json::AppendFloat(out, value);
  return out;
}

TEST(TextWriterTest, StringsAreEscaped) {
  EXPECT_EQ(Json("a\"b\\c\n\r\t\x01\x7f"), R"("a\"b\\c\n\r\t\u0001\u007f")");
  EXPECT_EQ(Json(std::string_view("\0", 1)), R"("\u0000")");
  EXPECT_EQ(Json("h\xC3\xA9 \xE2\x82\xAC \xF0\x9F\x98\x80"), "\"h\xC3\xA9 \xE2\x82\xAC \xF0\x9F\x98\x80\"");
}

TEST(TextWriterTest, BytesThatAreNotUtf8AreReplaced) {
  const std::string bad = "\xEF\xBF\xBD";
  EXPECT_EQ(Json("a\x80z"), "\"a" + bad + "z\"");
  EXPECT_EQ(Json("\xC3"), "\"" + bad + "\"");
  EXPECT_EQ(Json("\xC0\xAF"), "\"" + bad + bad + "\"");                      // overlong
  EXPECT_EQ(Json("\xED\xA0\x80"), "\"" + bad + bad + bad + "\"");            // surrogate
  EXPECT_EQ(Json("\xF4\x90\x80\x80"), "\"" + bad + bad + bad + bad + "\"");  // above U+10FFFF
  EXPECT_EQ(ToValidUtf8("ok\xFF"), "ok" + bad);
}

TEST(TextWriterTest, FloatsReadBackExactlyAndAreShort) {
  EXPECT_EQ(Number(0.1F), "0.1");
  EXPECT_EQ(Number(-0.0F), "-0");
  EXPECT_EQ(Number(1.0F), "1");
  EXPECT_EQ(Number(NAN), "null");
  EXPECT_EQ(Number(-INFINITY), "null");
  std::mt19937 random(7);
  for (int i = 0; i < 100'000; ++i) {
    const auto bits = static_cast<uint32_t>(random());
    float value = 0;
    std::memcpy(&value, &bits, sizeof(value));
    if (!std::isfinite(value)) continue;
    const std::string text = Number(value);
    EXPECT_EQ(std::strtof(text.c_str(), nullptr), value) << text;
    EXPECT_LE(text.size(), 16U) << text;
  }
}

TEST(TextWriterTest, ListsOfFloatsFitTheirBuffer) {
  std::string out = "x";
  const std::array values = {-std::numeric_limits<float>::max(),
                             -std::numeric_limits<float>::denorm_min(),
                             -std::numeric_limits<float>::min(),
                             0.5F,
                             static_cast<float>(NAN),
                             -1.23456789e-30F};
  json::AppendFloats(out, values);
  EXPECT_EQ(out, "x[-3.4028235e+38,-1e-45,-1.1754944e-38,0.5,null,-1.2345679e-30]");
  out.clear();
  json::AppendFloats(out, {});
  EXPECT_EQ(out, "[]");
}

// Compared byte for byte with what CPython's pickletools explain; that pickle.loads agrees is shown by
// tests/integration.
TEST(PickleWriterTest, Opcodes) {
  PickleWriter pickle;
  pickle.BeginDict();
  pickle.Text("k");
  pickle.BeginList();
  pickle.Int(-2);
  pickle.Text("\xC3\xA9");
  pickle.EndList();
  pickle.Text("v");
  const std::array values = {1.5F, -0.25F};
  pickle.Floats(values);
  pickle.EndDict();
  using std::string_view_literals::operator""sv;
  constexpr std::string_view kExpected =
      "\x80\x02}("
      "X\x01\x00\x00\x00k"
      "](J\xFE\xFF\xFF\xFFX\x02\x00\x00\x00\xC3\xA9"
      "e"
      "X\x01\x00\x00\x00v"
      "](G\x3F\xF8\x00\x00\x00\x00\x00\x00G\xBF\xD0\x00\x00\x00\x00\x00\x00"
      "e"
      "u."sv;
  EXPECT_EQ(std::move(pickle).Finish(), kExpected);
}

}  // namespace
}  // namespace photovec::api
