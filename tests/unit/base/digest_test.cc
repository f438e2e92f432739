// SPDX-License-Identifier: MIT
#include "base/checksum/digest.h"

#include <gtest/gtest.h>

#include "base/bytes.h"
#include "base/text/ascii.h"

namespace photovec {
namespace {

TEST(Sha256, KnownVector) {
  Sha256 hash;
  hash.Update(std::string_view("a"));
  hash.Update(std::string_view("bc"));
  EXPECT_EQ(hash.HexDigest(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  Sha256 bytes;
  const auto digest = bytes.Digest();
  ASSERT_TRUE(digest.has_value());
  EXPECT_EQ((*digest)[0], 0xe3) << "of nothing: e3b0c442...";
  EXPECT_EQ((*digest)[31], 0x55);
}

// Source: RFC 1321 appendix A.5.
TEST(EqualInConstantTime, IsEquality) {
  EXPECT_TRUE(EqualInConstantTime("", ""));
  EXPECT_TRUE(EqualInConstantTime(std::string_view("a\0b", 3), std::string_view("a\0b", 3)));
  EXPECT_FALSE(EqualInConstantTime(std::string_view("a\0b", 3), std::string_view("a\0c", 3)));
  EXPECT_FALSE(EqualInConstantTime("abc", "abd"));
  EXPECT_FALSE(EqualInConstantTime("abc", "ab"));
  EXPECT_FALSE(EqualInConstantTime("", "a"));
}

TEST(Md5, KnownAnswers) {
  const auto hex = [](std::string_view text) {
    const auto digest = Md5(AsBytes(text));
    return digest.ok() ? HexEncode(*digest) : digest.status().ToString();
  };
  EXPECT_EQ(hex(""), "d41d8cd98f00b204e9800998ecf8427e");
  EXPECT_EQ(hex("message digest"), "f96b697d7cb7938d525a2f31aaf161d0");
  Md5Hasher pieces;
  pieces.Update("message ");
  pieces.Update("digest");
  EXPECT_EQ(pieces.HexDigest(), "f96b697d7cb7938d525a2f31aaf161d0");
}

}  // namespace
}  // namespace photovec
