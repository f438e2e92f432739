// SPDX-License-Identifier: MIT
// What a decoder process may take for one photo, and that it says so when the photo takes more.
#include <gtest/gtest.h>

#include <fstream>
#include <string>

#include "decode/decode_memory.h"
#include "unit/decode/sandbox/pool_fixture.h"

namespace photovec::decode::testing {
namespace {

constexpr int64_t kMiB = int64_t{1} << 20;

/// 9 MB of pixels in a file of some KB.
Encoded LargePng() {
  constexpr int kSide = 1'732;
  return test::EncodePng(kSide, kSide, std::vector<uint8_t>(size_t{3} * kSide * kSide, 90), {});
}

Answer DecodeGranted(Decoder& decoder, const Encoded& encoded, const DecodeCost& granted,
                     const Limits& limits = {}) {
  const preprocess::Spec spec = SmallSpec();
  std::vector<uint8_t> pixels(spec.slot_bytes());
  DecodeJob job;
  job.encoded = encoded;
  job.spec = &spec;
  job.options.limits = limits;
  job.out = pixels;
  job.granted = granted;
  Result<DecodeReport> report = decoder.Decode(job);
  return {std::move(report), std::move(pixels)};
}

/// The soft limit of "Max address space", in bytes.
uint64_t AddressSpaceOf(int pid) {
  std::ifstream in("/proc/" + std::to_string(pid) + "/limits");
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("Max address space")) return std::strtoull(line.c_str() + 17, nullptr, 10);
  }
  return 0;
}

TEST(Grant, APhotoThatTakesMoreSaysHowMuchInAThreadAndInAProcess) {
  const auto pool = MakePool(PoolOptions(1));
  const auto process = pool->MakeDecoder();
  const auto thread = MakeInProcessDecoder();
  const Encoded png = LargePng();
  const Answer whole = DecodeWith(*thread, png);
  ASSERT_TRUE(whole.report.ok());
  for (Decoder* decoder : {process.get(), thread.get()}) {
    const Answer asks = DecodeGranted(*decoder, png, {4 * kMiB, DecodeCost::kUnlimited});
    ASSERT_TRUE(asks.report.ok()) << asks.report.status().ToString();
    const DecodeCost wants = asks.report->wants;
    EXPECT_GT(wants.bytes, 9'000'000);
    EXPECT_LT(wants.bytes, 10'000'000);
    EXPECT_EQ(wants.cpu_ms, 299) << "0.1 s a megapixel";
    EXPECT_EQ(asks.report->width, 0);
    const Answer granted = DecodeGranted(*decoder, png, wants);
    ExpectSame(granted, whole, "granted");
    EXPECT_EQ(granted.report->wants.bytes, 0);
    EXPECT_TRUE(DecodeGranted(*decoder, Marked(""), {4 * kMiB, DecodeCost::kUnlimited}).report->width > 0);
  }
  for (const int64_t deaths : pool->stats().deaths) EXPECT_EQ(deaths, 0);
}

TEST(Grant, TimeIsTheProcessesOwnAffair) {
  const auto pool = MakePool(PoolOptions(1));
  const auto decoder = pool->MakeDecoder();
  // 25 MP of one bit: 2.5 s, more than a plain photo's.
  test::PngOptions bits;
  bits.color_type = 0;
  bits.bit_depth = 1;
  const Encoded png = test::EncodePng(5'000, 5'000, std::vector<uint8_t>(size_t{625} * 5'000, 0), bits);
  const Answer answer = DecodeWith(*decoder, png);
  ASSERT_TRUE(answer.report.ok()) << answer.report.status().ToString();
  EXPECT_EQ(answer.report->wants.cpu_ms, 0);
  EXPECT_EQ(answer.report->width, 5'000);
  Limits impatient;
  impatient.max_cpu_s = 2;
  const Answer refused =
      DecodeGranted(*decoder, png, {DecodeCost::kUnlimited, DecodeCost::kUnlimited}, impatient);
  EXPECT_EQ(refused.report.status().code(), Code::kDecodeLimit);
  EXPECT_NE(refused.report.status().message().find("--max-decode-cpu"), std::string::npos);
}

TEST(Grant, AddressSpaceFollowsAndFallsBack) {
  DecoderPoolOptions options = PoolOptions(1);
  options.limits.max_decoder_bytes = 3'000 * kMiB;
  const auto pool = MakePool(options);
  const auto decoder = pool->MakeDecoder();
  const auto limit_after = [&](int64_t granted) {
    EXPECT_TRUE(
        DecodeGranted(*decoder, Marked(""), {granted, DecodeCost::kUnlimited}, options.limits).report.ok());
    return AddressSpaceOf(pool->pids().back());
  };
  const uint64_t plain = limit_after(DecodeMemory::kOwnBytes);
  if (plain == 0) GTEST_SKIP() << "sanitizers need all of the address space";
  EXPECT_EQ(plain, uint64_t{1} << 30);
  const uint64_t big = limit_after(2'000 * kMiB);
  EXPECT_GT(big, uint64_t{4'500} << 20);
  EXPECT_LT(big, uint64_t{4'800} << 20);
  EXPECT_EQ(limit_after(DecodeMemory::kOwnBytes), plain);
}

}  // namespace
}  // namespace photovec::decode::testing
