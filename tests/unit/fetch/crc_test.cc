// SPDX-License-Identifier: MIT
#include "base/crc.h"

#include <gtest/gtest.h>

#include <string_view>
#include <vector>

namespace photovec::fetch {
namespace {

std::span<const uint8_t> BytesOf(std::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

// The check values of the CRC catalogue; the NVM specification's own vectors of 4096 bytes.
TEST(Crc, KnownValues) {
  EXPECT_EQ(Crc32(BytesOf("")), 0u);
  EXPECT_EQ(Crc32(BytesOf("123456789")), 0xCBF43926u);
  EXPECT_EQ(Crc64Nvme(BytesOf("")), 0u);
  EXPECT_EQ(Crc64Nvme(BytesOf("123456789")), 0xAE8B14860A799888u);
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

}  // namespace
}  // namespace photovec::fetch
