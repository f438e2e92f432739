// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/text/ascii.h"
#include "base/text/base64.h"
#include "base/text/image_names.h"
#include "base/text/percent.h"
#include "base/text/sizes.h"
#include "base/text/utf8.h"

namespace photovec {
namespace {

TEST(Base64, RoundTripsAllLengths) {
  std::string data;
  for (int n = 0; n < 260; ++n) {
    const std::span bytes(reinterpret_cast<const uint8_t*>(data.data()), data.size());
    EXPECT_EQ(*Base64Decode(Base64Encode(bytes)), data);
    data.push_back(static_cast<char>(n * 37));
  }
}

TEST(Base64, KnownVectorsAndErrors) {
  const auto encode = [](std::string_view s) {
    return Base64Encode({reinterpret_cast<const uint8_t*>(s.data()), s.size()});
  };
  EXPECT_EQ(encode("foob"), "Zm9vYg==");  // RFC 4648 section 10
  EXPECT_EQ(encode("foobar"), "Zm9vYmFy");
  EXPECT_EQ(*Base64Decode("Zm9vYg"), "foob");
  EXPECT_EQ(*Base64Decode("Zm9v\nYg==\n"), "foob");
  EXPECT_EQ(*Base64Decode("-_-_"), *Base64Decode("+/+/"));
  EXPECT_FALSE(Base64Decode("Zm9v*g==").ok());
  EXPECT_FALSE(Base64Decode("Zm==9v").ok());
  EXPECT_FALSE(Base64Decode("Z").ok());
}

TEST(Sizes, ParsesAndPrintsSizes) {
  EXPECT_EQ(*ParseBytes("64MiB"), 64ULL << 20);
  EXPECT_EQ(*ParseBytes("1.5G"), 3ULL << 29);
  EXPECT_EQ(*ParseBytes("4096"), 4096U);
  EXPECT_EQ(*ParseBytes("10 KB"), 10240U);
  for (const char* bad : {"", "x", "-1", "1Q", "1MiBx", "nan", "1e300"})
    EXPECT_FALSE(ParseBytes(bad).ok()) << bad;
  EXPECT_EQ(HumanBytes(640), "640 B");
  EXPECT_EQ(HumanBytes(3ULL << 29), "1.5 GiB");
}

TEST(Ascii, LowerTrimEqual) {
  EXPECT_EQ(LowerAscii("AZaz[@\xC3\x84"), "azaz[@\xC3\x84") << "only A to Z";
  EXPECT_TRUE(EqualIgnoringCase("Content-TYPE", "content-type"));
  EXPECT_FALSE(EqualIgnoringCase("content-type", "content-typ"));
  EXPECT_EQ(TrimAscii(" \t a b\r\n"), "a b");
  EXPECT_EQ(TrimAscii(" \n"), "");
  EXPECT_EQ(TrimAscii("x"), "x");
}

TEST(Ascii, HexDigits) {
  for (int value = 0; value < 16; ++value) {
    EXPECT_EQ(HexValue(kLowerHexDigits[static_cast<size_t>(value)]), value);
    EXPECT_EQ(HexValue(kUpperHexDigits[static_cast<size_t>(value)]), value);
  }
  for (const char bad : {'g', 'G', '/', ':', '@', '`', '\x10', ' '}) EXPECT_EQ(HexValue(bad), -1) << bad;
  EXPECT_EQ(HexEncode(AsBytes(std::string_view("\x00\x9F\xff", 3))), "009fff");
}

TEST(Percent, DecodesStrictly) {
  EXPECT_EQ(PercentDecode("a%2Fb%2fc%00").value(), std::string("a/b/c\0", 6));
  EXPECT_EQ(PercentDecode("%E2%82%AC").value(), "\xe2\x82\xac");
  EXPECT_EQ(PercentDecode("+").value(), "+");
  for (const char* bad : {"%", "%1", "a%g0", "%%41"}) EXPECT_FALSE(PercentDecode(bad).ok()) << bad;
}

TEST(Percent, EncodeIsUndoneByPercentDecode) {
  EXPECT_EQ(PercentEncode(""), "");
  EXPECT_EQ(PercentEncode("aZ09-._~"), "aZ09-._~");
  EXPECT_EQ(PercentEncode("a b/c+d=e?f#g%"), "a%20b%2Fc%2Bd%3De%3Ff%23g%25");
  EXPECT_EQ(PercentEncode("a b/c", "/"), "a%20b/c");
  std::string every;
  for (int byte = 0; byte < 256; ++byte) every += static_cast<char>(byte);
  const auto back = PercentDecode(PercentEncode(every));
  ASSERT_TRUE(back.ok());
  EXPECT_EQ(*back, every);
}

TEST(Percent, LenientDecodingKeepsWhatIsNoEscape) {
  EXPECT_EQ(PercentDecodeLeniently("a%20b+c", Plus::kSpace), "a b c");
  EXPECT_EQ(PercentDecodeLeniently("a%20b+c", Plus::kLiteral), "a b+c");
  for (const char* odd : {"a+b%2", "%", "%%", "%zz", "%4"}) {
    EXPECT_EQ(PercentDecodeLeniently(odd, Plus::kLiteral), odd);
  }
  EXPECT_EQ(PercentDecodeLeniently("%%41%4", Plus::kLiteral), "%A%4");
}

TEST(Utf8, Validity) {
  for (const char* good : {"", "a", "\xC2\x80", "\xEC\x82\xAC", "\xF0\x9F\x98\xBA"}) {
    EXPECT_TRUE(IsValidUtf8(good)) << good;
  }
  for (const char* bad : {"\x80", "\xC0\x80", "\xC2", "a\xED\xA0\x80", "\xF5\x80\x80\x80"}) {
    EXPECT_FALSE(IsValidUtf8(bad)) << bad;
  }
}

TEST(Utf8, BadBytesAreReplacedOneByOne) {
  const std::string bad(kReplacementCharacter);
  EXPECT_EQ(ToValidUtf8("ok\xFF"), "ok" + bad);
  EXPECT_EQ(ToValidUtf8("\xED\xA0\x80"), bad + bad + bad);
  EXPECT_EQ(ToValidUtf8("\xF0\x9F\x98\xBA"), "\xF0\x9F\x98\xBA");
}

TEST(ImageNames, InAnyCase) {
  for (const char* name : {"a.b.JPeG", "x.HIF", "x.heics", "x.AVIFS", "x.mpo", "x.jxl", "x.jp2", "x.dng",
                           "x.CR3", "x.dib", "x.pbm", "x.jfif", "x.apng", ".jpg"}) {
    EXPECT_TRUE(HasImageName(name)) << name;
  }
  for (const char* name : {"jpg", "a.jpg.txt", "a.", "", "a.mp4", "jpg.gz"})
    EXPECT_FALSE(HasImageName(name)) << name;
}

TEST(ImageNames, ExtensionsAndKinds) {
  EXPECT_EQ(ExtensionOf("A.Tar.GZ"), ".gz");
  EXPECT_EQ(ExtensionOf("none"), "");
  EXPECT_EQ(ExtensionOf("a.b c"), "");
  EXPECT_EQ(ExtensionOf("a.averyverylongone"), "");
  EXPECT_EQ(MediaKindOf(".mov"), "videos");
  EXPECT_EQ(MediaKindOf(".mp3"), "sounds");
  EXPECT_EQ(MediaKindOf(".txt"), "");
}

}  // namespace
}  // namespace photovec
