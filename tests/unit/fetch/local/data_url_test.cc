// SPDX-License-Identifier: MIT
#include "fetch/local/data_url.h"

#include <gtest/gtest.h>

#include <string>

#include "base/text/base64.h"
#include "fetch/reference.h"

namespace photovec::fetch {
namespace {

constexpr int64_t kCap = 1000;

std::string Text(const Result<Bytes>& bytes) {
  if (!bytes.ok()) return bytes.status().ToString();
  const auto view = bytes->view();
  return {reinterpret_cast<const char*>(view.data()), view.size()};
}

TEST(DataUrl, GoodForms) {
  const std::pair<const char*, const char*> kCases[] = {
      {"data:image/png;base64,aGVsbG8=", "hello"},
      {"data:image/png;base64,aGVsbG8", "hello"},
      {"DATA:image/png;BASE64,aGVsbG8=", "hello"},
      {"data:;base64,aGVsbG8=", "hello"},
      {"data:image/png;name=a.png; base64 ,aGVsbG8=", "hello"},
      {"data:image/png;base64,aGVs\r\nbG8=\n", "hello"},
      {"data:image/png;base64,aGVsbG8%3D", "hello"},
      {"data:image/png;base64,aGVsbG8=#part", "hello"},
      {"data:,hello%20there", "hello there"},
      {"data:text/plain,a+b%2Bc", "a+b+c"},
      {"data:text/plain;base64x,aGVsbG8=", "aGVsbG8="},  // another parameter: not base64
      {"data:image/png;base64;charset=utf-8,aGVsbG8=", "hello"},
      {"data:image/png;charset=utf-8;BASE64;name=a.png,aGVsbG8=", "hello"},
      {"data:image/png;name=base64,abc", "abc"},
      {"data:,a,b", "a,b"},
      {"data:image/png;base64,", ""},  // no bytes: the decoder says what it thinks of that
      {"data:image/png;base64,__-_", "\xff\xff\xbf"},
  };
  for (const auto& [url, want] : kCases) EXPECT_EQ(Text(DecodeDataUrl(url, kCap)), want) << url;
}

TEST(DataUrl, BadFormsAreInvalidRequests) {
  for (const char* url :
       {"data:image/png;base64", "data:", "date:,x", "data:;base64,####", "data:;base64,ab!d",
        "data:;base64,a", "data:;base64,ab=cd", "data:,%", "data:,%4", "data:,%zz", "data:;base64,%zz"}) {
    const auto bytes = DecodeDataUrl(url, kCap);
    if (std::string(url) == "data:;base64,####") {  // all fragment, hence empty
      EXPECT_TRUE(bytes.ok());
      continue;
    }
    ASSERT_FALSE(bytes.ok()) << url;
    EXPECT_EQ(bytes.status().code(), Code::kInvalidRequest) << url;
    EXPECT_NE(bytes.status().message().find("data URL"), std::string::npos);
  }
}

TEST(DataUrl, TheCapIsExactInBothForms) {
  const std::string just(kCap, 'x');
  const std::string over(kCap + 1, 'x');
  const auto base64 = [](const std::string& text) {
    return "data:;base64," + Base64Encode({reinterpret_cast<const uint8_t*>(text.data()), text.size()});
  };
  EXPECT_EQ(Text(DecodeDataUrl(base64(just), kCap)), just);
  EXPECT_EQ(DecodeDataUrl(base64(over), kCap).status().code(), Code::kBodyTooLarge);
  EXPECT_EQ(Text(DecodeDataUrl("data:," + just, kCap)), just);
  EXPECT_EQ(DecodeDataUrl("data:," + over, kCap).status().code(), Code::kBodyTooLarge);

  std::string wrapped = base64(just);  // line breaks do not count
  for (size_t i = 20; i < wrapped.size(); i += 21) wrapped.insert(i, "\n");
  EXPECT_EQ(Text(DecodeDataUrl(wrapped, kCap)), just);
  std::string escaped = "data:,";  // nor do the digits of %XX
  for (int i = 0; i < kCap; ++i) escaped += "%78";
  EXPECT_EQ(Text(DecodeDataUrl(escaped, kCap)), just);
  EXPECT_EQ(DecodeDataUrl(escaped + "%78", kCap).status().code(), Code::kBodyTooLarge);
  EXPECT_EQ(DecodeDataUrl("data:,x", 0).status().code(), Code::kBodyTooLarge);
}

TEST(Reference, Schemes) {
  const std::pair<const char*, Scheme> kCases[] = {
      {"data:,x", Scheme::kData},       {"Data:x", Scheme::kData},
      {"http://x", Scheme::kHttp},      {"HTTPS://x", Scheme::kHttp},
      {"http:x", Scheme::kHttp},        {"file:///x", Scheme::kFile},
      {"gs://b/o", Scheme::kGcs},       {"S3://b/o", Scheme::kS3},
      {"cat.jpg", Scheme::kFile},       {"a/b:c.jpg", Scheme::kFile},
      {"2024:01.jpg", Scheme::kFile},   {"httpx", Scheme::kFile},
      {"gopher://x", Scheme::kUnknown}, {"ftp://x", Scheme::kUnknown},
      {"dict://x", Scheme::kUnknown},   {"httpss://x", Scheme::kUnknown},
      {" http://x", Scheme::kFile},     {"://x", Scheme::kFile},
      {"a b://x", Scheme::kFile},       {"", Scheme::kFile},
  };
  for (const auto& [text, scheme] : kCases) EXPECT_EQ(SchemeOf(text), scheme) << text;
}

TEST(Reference, ShownHidesSecretsAndStaysPrintable) {
  EXPECT_EQ(Shown("https://h.org/a.jpg?X-Signature=secret"), "'https://h.org/a.jpg'");
  EXPECT_EQ(Shown("https://h.org/a.jpg#secret"), "'https://h.org/a.jpg'");
  EXPECT_EQ(Shown("https://user:pass@h.org/a@b.jpg"), "'https://h.org/a@b.jpg'");
  EXPECT_EQ(Shown("https://u:p@ss@h.org"), "'https://h.org'");
  EXPECT_EQ(Shown("ftp://user:pass@h/x?secret"), "'ftp://h/x'");
  EXPECT_EQ(Shown("what?.jpg"), "'what?.jpg'");
  EXPECT_EQ(Shown("a\nb\x01\x7f"), "'a?b?\?'");
  EXPECT_EQ(Shown("caf\xc3\xa9 \xf0\x9f\x90\x88"), "'caf\xc3\xa9 \xf0\x9f\x90\x88'");
  EXPECT_EQ(Shown("\xff\xc3(\xc0\xaf\xed\xa0\x80"), "'?\?(?\?\?\?\?'");  // broken, overlong, surrogate
  EXPECT_EQ(Shown("\xc3"), "'?'");
  EXPECT_EQ(Shown("data:image/png;base64,AAAABBBBCCCC").size(), 35U);
  std::string cats;
  for (int i = 0; i < 200; ++i) cats += "\xf0\x9f\x90\x88";
  const std::string shown = Shown(cats);
  EXPECT_LT(shown.size(), 220U);
  EXPECT_EQ(shown.substr(shown.size() - 8), "\xf0\x9f\x90\x88...'");  // cut between characters
}

TEST(Reference, BareNames) {
  for (const char* bare : {"cat.jpg", "a/b", "/srv/x", "files:x", ""}) EXPECT_TRUE(IsBareName(bare)) << bare;
  for (const char* other : {"file:///x", "FILE:x", "gs://a/b", "http://h/", "data:,x", "ftp://h/x"}) {
    EXPECT_FALSE(IsBareName(other)) << other;
  }
}

}  // namespace
}  // namespace photovec::fetch
