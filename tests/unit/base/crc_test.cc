// SPDX-License-Identifier: MIT
#include "base/checksum/crc.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "base/bytes.h"

namespace photovec {
namespace {

// The check values of the CRC catalogue; the NVM specification's own vectors of 4096 bytes.
TEST(Crc, KnownValues) {
  EXPECT_EQ(Crc32(AsBytes("")), 0u);
  EXPECT_EQ(Crc32(AsBytes("123456789")), 0xCBF43926u);
  EXPECT_EQ(Crc64Nvme(AsBytes("")), 0u);
  EXPECT_EQ(Crc64Nvme(AsBytes("123456789")), 0xAE8B14860A799888u);
  EXPECT_EQ(Crc64Nvme(std::vector<uint8_t>(4'096, 0x00)), 0x6482D367EB22B64Eu);
  EXPECT_EQ(Crc64Nvme(std::vector<uint8_t>(4'096, 0xFF)), 0xC0DDBA7302ECA3ACu);
}

template <typename T>
T BitByBit(std::span<const uint8_t> bytes, T reflected) {
  T crc = ~T{0};
  for (const uint8_t byte : bytes) {
    crc ^= byte;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? reflected : T{0});
  }
  return ~crc;
}

TEST(Crc, EveryLengthAndOffset) {
  std::vector<uint8_t> bytes(300);
  uint32_t state = 1;
  for (uint8_t& byte : bytes) byte = static_cast<uint8_t>((state = state * 1'664'525 + 1'013'904'223) >> 24);
  for (size_t offset = 0; offset < 8; ++offset) {
    for (size_t length = 0; length < 80; ++length) {
      const auto part = std::span<const uint8_t>(bytes).subspan(offset, length);
      ASSERT_EQ(Crc32(part), BitByBit<uint32_t>(part, 0xEDB88320));
      ASSERT_EQ(Crc64Nvme(part), BitByBit<uint64_t>(part, 0x9A6C9329AC4BC9B5));
    }
  }
}

// Source of the values: RFC 3720 appendix B.4, and the check value of CRC-32C.
TEST(Crc32c, KnownAnswers) {
  std::vector<uint8_t> rising(32);
  for (size_t i = 0; i < rising.size(); ++i) rising[i] = static_cast<uint8_t>(i);
  const std::vector<uint8_t> falling(rising.rbegin(), rising.rend());
  for (const auto of : {&Crc32c, &Crc32cPortable}) {
    const auto crc = [&](std::span<const uint8_t> bytes) { return of(bytes, 0); };
    EXPECT_EQ(crc({}), 0U);
    EXPECT_EQ(crc(AsBytes("123456789")), 0xE3069283U);
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

TEST(Crc32c, GoesOnWhereTheLastPieceEnded) {
  std::vector<uint8_t> bytes(20'000);
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<uint8_t>(i * i >> 3);
  const std::span<const uint8_t> all(bytes);
  for (const auto of : {&Crc32c, &Crc32cPortable}) {
    for (const size_t cut : {0, 1, 7, 6'144, 6'145, 19'999, 20'000}) {
      EXPECT_EQ(of(all.subspan(cut), of(all.first(cut), 0)), Crc32c(all)) << cut;
    }
  }
}

}  // namespace
}  // namespace photovec
