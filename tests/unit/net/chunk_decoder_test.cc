// SPDX-License-Identifier: MIT
#include "net/chunk_decoder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace photovec::net {
namespace {

using ::testing::HasSubstr;

struct Outcome {
  std::string body;
  std::string rest;  // behind the body
  Status status;
  bool done = false;
};

/// Feeds `piece` bytes at a time into a buffer of `room` bytes.
Outcome Decode(std::string_view text, size_t piece = 1000, size_t room = 1000) {
  Outcome outcome;
  ChunkDecoder decoder;
  std::vector<uint8_t> dest(room);
  while (!decoder.done() && !text.empty() && outcome.status.ok()) {
    const ChunkDecoder::Progress progress = decoder.Feed(text.substr(0, piece), dest);
    outcome.body.append(reinterpret_cast<const char*>(dest.data()), progress.written);
    outcome.status = progress.status;
    text.remove_prefix(progress.used);
  }
  outcome.done = decoder.done();
  outcome.rest = text;
  return outcome;
}

TEST(ChunkDecoder, TakesTheFramingOffHoweverTheBytesAreCut) {
  const std::string text =
      "5\r\nhello\r\n00a ;name=\"a value\";x\r\n, brave ne\r\n7;y\r\nw world\r\n0\r\nTrailer: "
      "v\r\nB:\r\n\r\nGET /";
  for (size_t piece = 1; piece < 30; ++piece) {
    for (const size_t room : {1, 2, 5, 100}) {
      const Outcome outcome = Decode(text, piece, room);
      EXPECT_TRUE(outcome.done && outcome.status.ok()) << outcome.status.ToString();
      EXPECT_EQ(outcome.body, "hello, brave new world");
      EXPECT_EQ(outcome.rest, "GET /");
    }
  }
}

TEST(ChunkDecoder, RefusesWhatTwoReadersCouldUnderstandDifferently) {
  const std::vector<std::string> broken = {
      "5\nhello\r\n0\r\n\r\n",           // lines ended by LF alone
      "5\r\nhello\n0\r\n\r\n",           //
      "5;x\nhello\r\n0\r\n\r\n",         //
      "0\n\n",                           //
      "0\r\n\n",                         //
      "0\r\nA: b\n\r\n",                 //
      "5\rhello\r\n",                    // by CR alone
      "5\r\nhelloo\r\n0\r\n\r\n",        // longer than its size
      "\r\n",                            // no size
      ";x\r\n",                          //
      " 5\r\nhello\r\n",                 //
      "0x5\r\nhello\r\n",                //
      "+5\r\nhello\r\n",                 //
      "-1\r\n",                          //
      "5 \r\nhello\r\n",                 // a blank and nothing behind it
      "5 5\r\nhello\r\n",                //
      "5;a\x01\r\nhello\r\n",            //
      "8000000000000000\r\n",            // 2^63
      "FFFFFFFFFFFFFFFF\r\n",            //
      "00000000000000005\r\nhello\r\n",  // 17 digits
      "0\r\n A: folded\r\n\r\n",         // trailers that are no fields
      "0\r\n: x\r\n\r\n",                //
      "0\r\nA : x\r\n\r\n",              //
      "0\r\nno colon\r\n\r\n",           //
      "0\r\nA: x\r\r\n\r\n",             //
      std::string("5;") + std::string(5000, 'x') + "\r\nhello\r\n",
      "0\r\nA: " + std::string(17'000, 'x') + "\r\n\r\n",
  };
  for (const std::string& text : broken) {
    for (const size_t piece : {1, 3, 100'000}) {
      EXPECT_EQ(Decode(text, piece).status.code(), Code::kInvalidRequest) << text.substr(0, 60);
    }
  }
  EXPECT_TRUE(Decode("7fffffffffffffff\r\nabc").status.ok()) << "the largest size; limits are others' work";
  EXPECT_THAT(Decode("8000000000000000\r\n").status.message(), HasSubstr("2^63"));
}

TEST(ChunkDecoder, BoundsTheNumberOfPieces) {
  std::string text;
  for (size_t i = 0; i < ChunkDecoder::kMaxChunks; ++i) text += "1\r\nx\r\n";
  EXPECT_TRUE(Decode(text + "0\r\n\r\n").done);
  EXPECT_THAT(Decode(text + "1\r\nx\r\n0\r\n\r\n").status.message(), HasSubstr("more than 65536 chunks"));
}

}  // namespace
}  // namespace photovec::net
