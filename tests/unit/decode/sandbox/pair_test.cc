// SPDX-License-Identifier: MIT
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <thread>

#include "testing/list_feed.h"
#include "unit/decode/sandbox/pool_fixture.h"

// Two images at a time in one decoder process.
namespace photovec::decode {
namespace {

using namespace testing;
using test::ListFeed;

Encoded Photo(const std::string& text, uint32_t seed) {
  Encoded jpeg = test::EncodeJpeg(test::MakePhoto(900, 700, 3, seed));
  jpeg.insert(jpeg.end(), text.begin(), text.end());
  return jpeg;
}

Encoded SmallPng() { return test::EncodePng(80, 60, test::MakePhoto(80, 60, 3).samples, {}); }

class SandboxPair : public ::testing::Test {
 protected:
  ListFeed Run(DecoderPool& pool, const std::vector<Encoded>& files) {
    ListFeed feed(files, spec_, {});
    const auto decoder = pool.MakeDecoder();
    feed.RunAll(*decoder);
    EXPECT_TRUE(feed.complete());
    return feed;
  }
  /// That file has the pixels that it has alone, in this process.
  void ExpectRight(const ListFeed& feed, const std::vector<Encoded>& files, size_t i) {
    const auto oracle = MakeInProcessDecoder();
    ASSERT_TRUE(feed.report(i).ok()) << i << ": " << feed.report(i).status().ToString();
    EXPECT_EQ(feed.pixels(i), DecodeWith(*oracle, files[i], spec_).pixels) << i;
  }
  /// Of these files those with EVIL end their process as `fault` says; no other one is lost.
  void ExpectOnlyEvilLost(const std::string& fault, Code code, Death death, DecoderPoolOptions options = {}) {
    const std::vector<Encoded> files = {Photo("", 1), Photo("EVIL", 2), Photo("", 3),
                                        Photo("", 4), Photo("EVIL", 5), Photo("EVIL", 6)};
    DecoderPoolOptions ours = PoolOptions(1, fault + "@EVIL");
    ours.attempt = options.attempt;
    const auto pool = MakePool(ours);
    const ListFeed feed = Run(*pool, files);
    for (const size_t honest : {0U, 2U, 3U}) ExpectRight(feed, files, honest);
    for (const size_t evil : {1U, 4U, 5U}) EXPECT_EQ(feed.report(evil).status().code(), code) << evil;
    // Each twice alone, and not more than once beside another one.
    EXPECT_GE(Deaths(*pool, death), 6);
    EXPECT_LE(Deaths(*pool, death), 9);
    EXPECT_EQ(pool->stats().quarantined, 3U);
  }

  const preprocess::Spec spec_ = SmallSpec();
};

TEST_F(SandboxPair, GivesWhatEachAloneGives) {
  const auto pool = MakePool(PoolOptions(1));
  std::vector<Encoded> files;
  for (uint32_t seed = 0; seed < 20; ++seed) files.push_back(Photo("", seed));
  files.push_back(SmallPng());
  files.push_back(Encoded{1, 2, 3});
  const ListFeed feed = Run(*pool, files);
  int pairs = 0;
  for (size_t i = 0; i < 21; ++i) {
    ExpectRight(feed, files, i);
    pairs += feed.report(i)->in_pair ? 1 : 0;
  }
  EXPECT_GE(pairs, 2);
  EXPECT_EQ(feed.report(21).status().code(), Code::kUnsupportedFormat);
  for (const int64_t deaths : pool->stats().deaths) EXPECT_EQ(deaths, 0);
  EXPECT_EQ(pool->stats().restarts, 0);
}

TEST_F(SandboxPair, ACrashLosesTheImageThatCausedIt) {
  ExpectOnlyEvilLost("segv", Code::kDecoderCrashed, Death::kCrashed);
  ExpectOnlyEvilLost("die_reply", Code::kDecoderCrashed, Death::kCrashed);
}

TEST_F(SandboxPair, ALieLosesTheImageThatToldIt) {
  ExpectOnlyEvilLost("lie_format", Code::kDecoderCrashed, Death::kProtocol);
  ExpectOnlyEvilLost("lie_size", Code::kDecoderCrashed, Death::kProtocol);
}

TEST_F(SandboxPair, AHangLosesTheImageThatHangs) {
  DecoderPoolOptions options;
  options.attempt.wall = std::chrono::milliseconds(150);
  ExpectOnlyEvilLost("hang", Code::kDecodeTimeout, Death::kTimeout, options);
  options.attempt = {};
  options.attempt.cpu = std::chrono::milliseconds(150);
  ExpectOnlyEvilLost("loop", Code::kDecodeTimeout, Death::kCpu, options);
}

TEST_F(SandboxPair, AProcessThatIsKilledSpeaksAgainstNobody) {
  const std::vector<Encoded> files = {Photo("", 1), Photo("EVIL", 2)};
  DecoderPoolOptions options = PoolOptions(1, "hang@EVIL");
  options.attempt.wall = std::chrono::milliseconds(500);
  const auto pool = MakePool(options);
  std::thread killer([&] {
    std::vector<int> busy;
    while ((busy = pool->busy_pids()).empty()) std::this_thread::yield();
    kill(busy.front(), SIGKILL);
  });
  const ListFeed feed = Run(*pool, files);
  killer.join();
  ExpectRight(feed, files, 0);
  EXPECT_EQ(feed.report(1).status().code(), Code::kDecodeTimeout) << "it hangs alone, too, twice";
  EXPECT_EQ(Deaths(*pool, Death::kKilled), 1);
  EXPECT_EQ(pool->stats().quarantined, 1U);
}

TEST_F(SandboxPair, AWorkerIsReplacedWhenItHasDoneItsShare) {
  DecoderPoolOptions options = PoolOptions(1);
  options.recycle_images = 4;
  const auto pool = MakePool(options);
  std::vector<Encoded> files;
  for (uint32_t seed = 0; seed < 13; ++seed) files.push_back(Photo("", seed));
  const ListFeed feed = Run(*pool, files);
  for (size_t i = 0; i < files.size(); ++i) ExpectRight(feed, files, i);
  while (pool->stats().restarts < 3) std::this_thread::yield();  // the last one may be starting
  EXPECT_EQ(pool->stats().restarts, 3);
}

}  // namespace
}  // namespace photovec::decode
