// SPDX-License-Identifier: MIT
#include "base/checksum.h"

#include <gtest/gtest.h>

#include <chrono>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace photovec::fetch {
namespace {

std::span<const uint8_t> Span(std::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

// Source of the values: RFC 3720 appendix B.4, and the check value of CRC-32C.
TEST(Crc32c, KnownAnswers) {
  std::vector<uint8_t> rising(32);
  for (size_t i = 0; i < rising.size(); ++i) rising[i] = static_cast<uint8_t>(i);
  const std::vector<uint8_t> falling(rising.rbegin(), rising.rend());
  for (const auto crc : {&Crc32c, &Crc32cPortable}) {
    EXPECT_EQ(crc({}), 0U);
    EXPECT_EQ(crc(Span("123456789")), 0xE3069283U);
    EXPECT_EQ(crc(std::vector<uint8_t>(32, 0)), 0x8A9136AAU);
    EXPECT_EQ(crc(std::vector<uint8_t>(32, 0xFF)), 0x62A8AB43U);
    EXPECT_EQ(crc(rising), 0x46DD794EU);
    EXPECT_EQ(crc(falling), 0x113FDB5CU);
  }
}

TEST(Crc32c, TheFastOneEqualsTheTablesAtEveryLengthAndOffset) {
  std::mt19937 random(7);
  std::vector<uint8_t> bytes(100'000);
  for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random());
  const std::span<const uint8_t> all(bytes);
  for (size_t size = 0; size < 300; ++size) {
    const auto part = all.subspan(size % 9, size);
    ASSERT_EQ(Crc32c(part), Crc32cPortable(part)) << size;
  }
  // Around the borders of what three lanes take at once.
  for (const size_t size : {6'143, 6'144, 6'145, 6'152, 12'287, 12'288, 12'289, 65'536, 99'990}) {
    for (size_t offset = 0; offset < 9; ++offset) {
      const auto part = all.subspan(offset, size);
      ASSERT_EQ(Crc32c(part), Crc32cPortable(part)) << size << "+" << offset;
    }
  }
}

TEST(Crc32c, OneFlippedBitShows) {
  std::vector<uint8_t> bytes(20'000, 0x5A);
  const uint32_t good = Crc32c(bytes);
  for (const size_t at : {0, 2'047, 2'048, 6'144, 13'000, 19'999}) {
    bytes[at] ^= 4;
    EXPECT_NE(Crc32c(bytes), good) << at;
    bytes[at] ^= 4;
  }
  EXPECT_EQ(Crc32c(bytes), good);
}

// Source: RFC 1321 appendix A.5.
TEST(Md5, KnownAnswers) {
  const auto hex = [](std::string_view text) {
    std::string out;
    const auto digest = Md5(Span(text));
    if (!digest.ok()) return digest.status().ToString();
    for (const uint8_t byte : *digest) {
      out += "0123456789abcdef"[byte >> 4];
      out += "0123456789abcdef"[byte & 15];
    }
    return out;
  };
  EXPECT_EQ(hex(""), "d41d8cd98f00b204e9800998ecf8427e");
  EXPECT_EQ(hex("message digest"), "f96b697d7cb7938d525a2f31aaf161d0");
}

}  // namespace
}  // namespace photovec::fetch
