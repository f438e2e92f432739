// SPDX-License-Identifier: MIT
#include "fetch/make_fetcher.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <string>
#include <thread>

#include "unit/fetch/fetch_probe.h"
#include "unit/fetch/origin_server.h"
#include "unit/fetch/source_probe.h"

namespace photovec::fetch {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

TEST(MakeFetcher, EverythingIsOffUnlessItIsTurnedOn) {
  const auto fetcher = MakeFetcher({}).value();
  EXPECT_EQ(FetchNow(*fetcher, "data:,hi"), "ok:hi");
  EXPECT_EQ(FetchNow(*fetcher, "\n data:,hi"), "ok:hi");
  EXPECT_EQ(FetchNow(*fetcher, " data:," + std::string(20'000, 'x')).size(), 3U + 20'000U);
  EXPECT_THAT(FetchNow(*fetcher, "cat.jpg"), HasSubstr("--image-root"));
  EXPECT_THAT(FetchNow(*fetcher, " cat.jpg"), HasSubstr("--image-root"));
  EXPECT_THAT(FetchNow(*fetcher, "file:///etc/passwd"), StartsWith("source_not_allowed: "));
  EXPECT_THAT(FetchNow(*fetcher, "http://127.0.0.1/x"), HasSubstr("--allow-host"));
  EXPECT_THAT(FetchNow(*fetcher, "https://example.com/x"), StartsWith("source_not_allowed: "));
  EXPECT_THAT(FetchNow(*fetcher, "gs://bucket/object"), HasSubstr("--gcs-bucket"));
  EXPECT_THAT(FetchNow(*fetcher, "s3://bucket/object"), HasSubstr("--s3-bucket"));
  EXPECT_THAT(FetchNow(*fetcher, "gopher://127.0.0.1:70/x"), StartsWith("source_not_allowed: "));
  EXPECT_THAT(FetchNow(*fetcher, ""), StartsWith("invalid_request: "));
  EXPECT_THAT(FetchNow(*fetcher, std::string(9000, 'x')), StartsWith("invalid_request: "));
}

TEST(MakeFetcher, LongDataUrlsAreDecodedElsewhereAndCapped) {
  FetchOptions options;
  options.max_bytes = 300'000;
  const auto fetcher = MakeFetcher(options).value();
  EXPECT_EQ(FetchNow(*fetcher, "data:," + std::string(300'000, 'x')).size(), 3U + 300'000U);
  EXPECT_THAT(FetchNow(*fetcher, "data:," + std::string(300'001, 'x')), StartsWith("body_too_large: "));
}

TEST(MakeFetcher, BadOptionsAreNamed) {
  const auto message = [](const FetchOptions& options) {
    const auto fetcher = MakeFetcher(options);
    return fetcher.ok() ? "ok" : fetcher.status().ToString();
  };
  EXPECT_THAT(message({.image_root = "/nowhere/at/all"}), HasSubstr("'/nowhere/at/all'"));
  EXPECT_THAT(message({.image_root = "/etc/passwd"}), StartsWith("invalid_request: "));
  EXPECT_THAT(message({.allow_hosts = {"https://x"}}), HasSubstr("'https://x'"));
  EXPECT_THAT(message({.allow_cidrs = {"10/8"}}), HasSubstr("'10/8'"));
  EXPECT_THAT(message({.io_threads = 0}), HasSubstr("io_threads"));
  EXPECT_THAT(message({.max_redirects = -1}), HasSubstr("max_redirects"));
  for (const std::string& agent : {std::string("a\r\nX-Evil: 1"), std::string("a\nb"), std::string("a\0b", 3),
                                   std::string("caf\xC3\xA9"), std::string(), std::string(" a"),
                                   std::string("a\t"), std::string(257, 'a')}) {
    EXPECT_THAT(message({.user_agent = agent}), HasSubstr("--fetch-user-agent")) << agent;
  }
  EXPECT_EQ(message({.user_agent = "Mozilla/5.0 (compatible; photovec/1.0; +https://a.example/bot)"}), "ok");
}

TEST(MakeFetcher, GsIsOffByDefaultAndBareNamesHaveOneMeaning) {
  const auto fetched = [](const FetchOptions& options, const std::string& reference) {
    const auto fetcher = MakeFetcher(options, nullptr, OnlyVariables());
    if (!fetcher.ok()) return fetcher.status();
    std::promise<Status> promise;
    auto future = promise.get_future();
    (*fetcher)->Fetch({.reference = reference},
                      [&](const Result<Bytes>& bytes) { promise.set_value(bytes.status()); });
    return future.get();
  };
  EXPECT_EQ(fetched({}, "gs://photos/x").code(), Code::kSourceNotAllowed);
  FetchOptions options;
  options.gcs = {.default_bucket = "photos", .auth = GcsOptions::Auth::kAnonymous};
  EXPECT_EQ(fetched(options, "gs://other/x").code(), Code::kSourceNotAllowed);
  EXPECT_EQ(fetched(options, "gs://photos").code(), Code::kInvalidRequest);
  EXPECT_EQ(fetched(options, "..").code(), Code::kInvalidRequest) << "a bare name did not reach the bucket";
  EXPECT_EQ(fetched(options, "file:///x").code(), Code::kSourceNotAllowed)
      << "a file: URL is never an object";
  options.image_root = testing::TempDir();
  EXPECT_EQ(fetched(options, "x").code(), Code::kInvalidRequest) << "two meanings of a bare name";
}

TEST(MakeFetcher, TheEndWhileATokenIsAskedForAnswersTheFetch) {
  // The metadata server answers the probe, and the token only when the fetcher is about to end.
  OriginServer metadata;
  std::promise<void> asked;
  std::promise<void> ending;
  const auto end = ending.get_future().share();
  metadata.On("/", [](Connection& client, const std::string&) {
    client.Reply("200 OK", "Metadata-Flavor: Google\r\n", "");
  });
  metadata.OnOnce("/computeMetadata/v1/instance/service-accounts/default/token", [&](Connection& client,
                                                                                     const std::string&) {
    asked.set_value();
    end.wait();
    client.Reply("200 OK", "Metadata-Flavor: Google\r\n", R"({"access_token":"t","expires_in":9})");
  });
  FetchOptions options;
  options.gcs.allowed_buckets = {"photos"};
  auto fetcher =
      MakeFetcher(options, nullptr,
                  OnlyVariables({{"GCE_METADATA_HOST", "127.0.0.1:" + std::to_string(metadata.port())}}));
  ASSERT_TRUE(fetcher.ok()) << fetcher.status().ToString();
  std::promise<Code> outcome;
  auto answered = outcome.get_future();
  (*fetcher)->Fetch({.reference = "gs://photos/x"},
                    [&](const Result<Bytes>& bytes) { outcome.set_value(bytes.status().code()); });
  asked.get_future().wait();
  std::thread ender([&] { fetcher->reset(); });
  EXPECT_EQ(answered.get(), Code::kCancelled) << "the end waited for the token";
  ending.set_value();
  ender.join();
}

}  // namespace
}  // namespace photovec::fetch
