// SPDX-License-Identifier: MIT
#include "experiment/store/object_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <boost/json.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "base/clock.h"
#include "testing/test_client.h"

namespace photovec::experiment {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;
namespace fs = std::filesystem;
namespace bjson = boost::json;

std::string ReadAll(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

class ObjectStoreTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "photovec-store-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    base_ = pattern;
    Write("root/a/b.jpg", photo_);
    Write("root/top.png", "123456789");
    Write("root/empty.jpg", "");
    Write("root/a/눈 & <1>.jpg", "snow");
    Write("secret.jpg", "secret");
    options_.root = (base_ / "root").string();
  }
  void TearDown() override {
    store_.reset();
    fs::permissions(base_, fs::perms::owner_all);
    fs::remove_all(base_);
  }

  void Write(const std::string& name, std::string_view bytes) {
    fs::create_directories((base_ / name).parent_path());
    std::ofstream(base_ / name, std::ios::binary) << bytes;
  }
  uint16_t Start() {
    auto store = ObjectStore::Start(options_);
    EXPECT_TRUE(store.ok()) << store.status().ToString();
    if (!store.ok()) return 0;
    store_ = *std::move(store);
    return store_->port();
  }

  const std::string photo_ = std::string(150'000, 'p') + "end";
  fs::path base_;
  ObjectStoreOptions options_;
  std::unique_ptr<ObjectStore> store_;
};

TEST_F(ObjectStoreTest, ServesAFileOverAllThreeApis) {
  test::TestClient client(Start());
  for (const char* target :
       {"/a/b.jpg", "/any-bucket/a/b.jpg", "/storage/v1/b/any/o/a%2Fb.jpg?alt=media",
        "/storage/v1/b/any/o/a/b.jpg?alt=media&prettyPrint=false",
        "/download/storage/v1/b/any/o/a%2Fb.jpg?alt=media", "http://store:1/a/b.jpg?v=1"}) {
    const test::TestReply reply = client.Get(target);
    EXPECT_EQ(reply.status, 200) << target;
    EXPECT_TRUE(reply.body == photo_) << target;
    EXPECT_EQ(reply.Header("content-type"), "image/jpeg");
    EXPECT_EQ(reply.Header("content-length"), std::to_string(photo_.size()));
    EXPECT_EQ(reply.Header("connection"), "keep-alive");
  }
  EXPECT_EQ(client.Get("/empty.jpg").status, 200);
  EXPECT_EQ(client.Get("/a/%EB%88%88%20&%20%3C1%3E.jpg").body, "snow");
  EXPECT_EQ(store_->requests(), 8U);
}

// The checksums of "123456789" are the published check values of md5 and of crc32c (0xE3069283).
TEST_F(ObjectStoreTest, ChecksumsAreThoseOfThePublishedCheckValue) {
  test::TestClient client(Start());
  const test::TestReply reply = client.Get("/top.png");
  EXPECT_EQ(reply.Header("etag"), "\"25f9e794323b453885f5181f1b624d0b\"");
  EXPECT_EQ(reply.Header("x-goog-hash"), "crc32c=4waSgw==,md5=JfnnlDI7RTiF9RgfG2JNCw==");
}

TEST_F(ObjectStoreTest, HeadHasTheHeadersOfGetAndNoBody) {
  test::TestClient client(Start());
  for (const char* target : {"/a/b.jpg", "/bucket/a/b.jpg", "/storage/v1/b/x/o/a%2Fb.jpg?alt=media",
                             "/storage/v1/b/x/o/a%2Fb.jpg", "/nothing", "/bucket/nothing"}) {
    const test::TestReply head = client.Head(target);
    const test::TestReply get = client.Get(target);  // would read the body of HEAD, had there been one
    EXPECT_EQ(head.status, get.status) << target;
    EXPECT_EQ(head.headers, get.headers) << target;
    EXPECT_TRUE(head.body.empty());
  }
}

TEST_F(ObjectStoreTest, GcsWithoutAltMediaDescribesTheObject) {
  test::TestClient client(Start());
  const test::TestReply reply = client.Get("/storage/v1/b/shelf/o/a%2Fb.jpg");
  ASSERT_EQ(reply.status, 200);
  const bjson::object object = bjson::parse(reply.body).as_object();
  EXPECT_EQ(object.at("kind"), "storage#object");
  EXPECT_EQ(object.at("name"), "a/b.jpg");
  EXPECT_EQ(object.at("bucket"), "shelf");
  EXPECT_EQ(object.at("size").as_string(), std::to_string(photo_.size()));
  EXPECT_EQ("crc32c=" + std::string(object.at("crc32c").as_string()) +
                ",md5=" + std::string(object.at("md5Hash").as_string()),
            client.Get("/a/b.jpg").Header("x-goog-hash"));
}

TEST_F(ObjectStoreTest, AbsentObjectsAre404InTheFormOfTheApi) {
  test::TestClient client(Start());
  const test::TestReply gcs = client.Get("/storage/v1/b/shelf/o/no%2F%22x%22.jpg?alt=media");
  EXPECT_EQ(gcs.status, 404);
  const bjson::object error = bjson::parse(gcs.body).as_object().at("error").as_object();
  EXPECT_EQ(error.at("code"), 404);
  EXPECT_EQ(error.at("errors").at(0).at("reason"), "notFound");
  EXPECT_THAT(std::string(error.at("message").as_string()), HasSubstr("no/\"x\".jpg"));
  const test::TestReply s3 = client.Get("/shelf/n&o.jpg");
  EXPECT_EQ(s3.status, 404);
  EXPECT_EQ(s3.Header("content-type"), "application/xml");
  EXPECT_THAT(s3.body, HasSubstr("<Code>NoSuchKey</Code>"));
  EXPECT_THAT(s3.body, HasSubstr("<Key>n&amp;o.jpg</Key>"));
  for (const char* target : {"/no.jpg", "/a/no.jpg", "/a", "/", "/a//b.jpg", "/a/./b.jpg"}) {
    const test::TestReply plain = client.Get(target);
    EXPECT_EQ(plain.status, 404) << target;
    EXPECT_THAT(plain.Header("content-type"), StartsWith("text/plain")) << target;
  }
  EXPECT_EQ(client.Get("/storage/v1/b/shelf/o").status, 404);  // a listing
}

TEST_F(ObjectStoreTest, NothingLeavesTheRoot) {
  fs::create_symlink(base_ / "secret.jpg", base_ / "root/link.jpg");
  fs::create_symlink("../..", base_ / "root/a/up");
  fs::create_symlink("b.jpg", base_ / "root/a/inside.jpg");
  fs::create_directory(base_ / "root-sibling");
  Write("root-sibling/x.jpg", "secret");
  fs::create_symlink(base_ / "root-sibling", base_ / "root/sibling");
  test::TestClient client(Start());
  for (const char* target : {"/../secret.jpg", "/%2e%2e/secret.jpg", "/a/../../secret.jpg", "/link.jpg",
                             "/a/up/secret.jpg", "/sibling/x.jpg"}) {
    const test::TestReply reply = client.Get(target);
    EXPECT_EQ(reply.status, 403) << target;
    EXPECT_EQ(reply.body.find("secret\n"), std::string::npos);
  }
  const test::TestReply gcs = client.Get("/storage/v1/b/x/o/..%2Fsecret.jpg?alt=media");
  EXPECT_EQ(gcs.status, 403);
  EXPECT_EQ(bjson::parse(gcs.body).at("error").at("errors").at(0).at("reason"), "forbidden");
  const test::TestReply s3 = client.Get("/bucket/link.jpg");
  EXPECT_EQ(s3.status, 403);
  EXPECT_THAT(s3.body, HasSubstr("<Code>AccessDenied</Code>"));
  EXPECT_EQ(client.Get("/a/inside.jpg").status, 200);  // a link that stays inside
}

TEST_F(ObjectStoreTest, NamesThatAreNoneAre400) {
  test::TestClient client(Start());
  for (const char* target :
       {"/a%00b.jpg", "/a%zz", "/a%4", "/%ff.jpg", "/%c0%ae%c0%ae/secret.jpg", "/%ed%a0%80"}) {
    EXPECT_EQ(client.Get(target).status, 400) << target;
  }
  EXPECT_EQ(bjson::parse(client.Get("/storage/v1/b/x/o/%ff?alt=media").body).at("error").at("code"), 400);
}

TEST_F(ObjectStoreTest, RangesFollowRfc9110) {
  test::TestClient client(Start());
  struct Case {
    const char* range;
    int status;
    const char* body;
    const char* content_range;
  };
  const std::vector<Case> cases = {
      {"bytes=0-0", 206, "1", "bytes 0-0/9"},
      {"bytes=2-4", 206, "345", "bytes 2-4/9"},
      {"bytes=7-", 206, "89", "bytes 7-8/9"},
      {"bytes=7-99", 206, "89", "bytes 7-8/9"},
      {"bytes=-2", 206, "89", "bytes 7-8/9"},
      {"bytes=-99", 206, "123456789", "bytes 0-8/9"},
      {"bytes=0-1,3-4", 200, "123456789", ""},
      {"bytes=4-2", 200, "123456789", ""},
      {"lines=1-2", 200, "123456789", ""},
      {"bytes=-", 200, "123456789", ""},
      {"bytes=99999999999999999999-", 200, "123456789", ""},
  };
  for (const Case& c : cases) {
    const test::TestReply reply = client.Get("/top.png", "Range: " + std::string(c.range) + "\r\n");
    EXPECT_EQ(reply.status, c.status) << c.range;
    EXPECT_EQ(reply.body, c.body) << c.range;
    EXPECT_EQ(reply.Header("content-range"), c.content_range) << c.range;
  }
  for (const char* range : {"bytes=9-", "bytes=100-200", "bytes=-0"}) {
    const test::TestReply reply = client.Get("/bucket/top.png", "Range: " + std::string(range) + "\r\n");
    EXPECT_EQ(reply.status, 416) << range;
    EXPECT_EQ(reply.Header("content-range"), "bytes */9");
    EXPECT_THAT(reply.body, HasSubstr("<Code>InvalidRange</Code>"));
  }
  const std::string etag = client.Get("/top.png").Header("etag");
  EXPECT_EQ(client.Get("/top.png", "Range: bytes=0-1\r\nIf-Range: " + etag + "\r\n").status, 206);
  EXPECT_EQ(client.Get("/top.png", "Range: bytes=0-1\r\nIf-Range: \"old\"\r\n").status, 200);
  EXPECT_EQ(client.Head("/top.png", "Range: bytes=0-1\r\n").status, 200);
}

TEST_F(ObjectStoreTest, OtherMethodsAreRefusedAndTheConnectionGoesOn) {
  test::TestClient client(Start());
  client.Send("POST /a/b.jpg HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody");
  const test::TestReply refused = client.Read();
  EXPECT_EQ(refused.status, 405);
  EXPECT_EQ(refused.Header("allow"), "GET, HEAD");
  EXPECT_EQ(client.Get("/a/b.jpg").status, 200);
}

TEST_F(ObjectStoreTest, WhatIsNotHttpGets400AndTheConnectionEnds) {
  const uint16_t port = Start();
  test::TestClient client(port);
  client.Send("garbage\r\n\r\n");
  EXPECT_EQ(client.Read().status, 400);
  EXPECT_TRUE(client.Closed());
  test::TestClient huge(port);
  huge.Send("GET / HTTP/1.1\r\nX: " + std::string(20'000, 'x'));
  EXPECT_EQ(huge.Read().status, 400);
  EXPECT_EQ(test::TestClient(port).Get("/top.png").status, 200);
  EXPECT_EQ(store_->requests(), 1U);  // numbers, and so latencies, belong to requests
}

TEST_F(ObjectStoreTest, PipelinedRequestsAreAnsweredInOrder) {
  test::TestClient client(Start());
  std::string many;
  for (int i = 0; i < 20; ++i) {
    many += i % 2 == 0 ? "GET /top.png HTTP/1.1\r\nHost: x\r\n\r\n"
                       : "GET /bucket/no HTTP/1.1\r\nHost: x\r\n\r\n";
  }
  client.Send(many);
  for (int i = 0; i < 20; ++i) EXPECT_EQ(client.Read().status, i % 2 == 0 ? 200 : 404);
}

TEST_F(ObjectStoreTest, ClosesWhenTheClientAsksForIt) {
  const uint16_t port = Start();
  test::TestClient client(port);
  EXPECT_EQ(client.Get("/top.png", "Connection: close\r\n").Header("connection"), "close");
  EXPECT_TRUE(client.Closed());
  test::TestClient old(port);
  old.Send("GET /top.png HTTP/1.0\r\n\r\n");
  EXPECT_EQ(old.Read().body, "123456789");
  EXPECT_TRUE(old.Closed());
}

TEST_F(ObjectStoreTest, FilesThatComeChangeAndGoAreSeen) {
  test::TestClient client(Start());
  EXPECT_EQ(client.Get("/late.jpg").status, 404);
  Write("root/late.jpg", "first");
  EXPECT_EQ(client.Get("/late.jpg").body, "first");
  const std::string etag = client.Get("/late.jpg").Header("etag");
  Write("root/late.jpg", "second, longer");
  const test::TestReply changed = client.Get("/late.jpg");
  EXPECT_EQ(changed.body, "second, longer");
  EXPECT_NE(changed.Header("etag"), etag);
  fs::remove(base_ / "root/late.jpg");
  EXPECT_EQ(client.Get("/late.jpg").status, 404);
}

TEST_F(ObjectStoreTest, AFileThatMayNotBeReadIs403) {
  Write("root/closed.jpg", "x");
  fs::permissions(base_ / "root/closed.jpg", fs::perms::none);
  if (std::ifstream(base_ / "root/closed.jpg")
          .good()) {  // root reads everything: a link out stands in for it
    fs::remove(base_ / "root/closed.jpg");
    fs::create_symlink(base_ / "secret.jpg", base_ / "root/closed.jpg");
  }
  mkfifo((base_ / "root/fifo").c_str(), 0600);
  test::TestClient client(Start());
  EXPECT_EQ(client.Get("/closed.jpg").status, 403);
  EXPECT_EQ(client.Get("/fifo").status, 404);  // and does not hang
}

TEST_F(ObjectStoreTest, TheLogSaysWhatWasDrawnAndAnswered) {
  options_.latency = {2, 5};
  options_.seed = 11;
  options_.log_path = (base_ / "store.jsonl").string();
  test::TestClient client(Start());
  for (const char* target : {"/top.png", "/bucket/a/b.jpg", "/no.jpg", "/%ff"}) client.Get(target);
  client.Get("/a/%EB%88%88%20&%20%3C1%3E.jpg");
  client.Head("/top.png");
  client.Get("/top.png", "Range: bytes=1-2\r\n");
  store_.reset();
  struct Line {
    const char* object;
    int status;
    size_t bytes;
  };
  const std::vector<Line> expected = {{"top.png", 200, 9},        {"a/b.jpg", 200, photo_.size()},
                                      {"no.jpg", 404, 32},        {"", 400, 43},
                                      {"a/눈 & <1>.jpg", 200, 4}, {"top.png", 200, 0},
                                      {"top.png", 206, 2}};
  std::ifstream in(options_.log_path);
  std::string text;
  int64_t before_us = 0;
  for (size_t n = 0; n < expected.size(); ++n) {
    ASSERT_TRUE(std::getline(in, text)) << n;
    const bjson::object line = bjson::parse(text).as_object();
    EXPECT_EQ(line.at("n").to_number<uint64_t>(), n);
    EXPECT_EQ(line.at("object"), expected[n].object);
    EXPECT_EQ(line.at("status"), expected[n].status);
    EXPECT_EQ(line.at("bytes").to_number<size_t>(), expected[n].bytes) << n;
    EXPECT_GT(line.at("received_us").to_number<int64_t>(), before_us);
    before_us = line.at("received_us").to_number<int64_t>();
    EXPECT_DOUBLE_EQ(line.at("latency_ms").to_number<double>(), InjectedLatencyMs(options_.latency, 11, n));
  }
  EXPECT_FALSE(std::getline(in, text));
}

// From the request until the first byte: what was drawn and, in the median, at most 1 ms more.
TEST_F(ObjectStoreTest, RepliesComeWhenTheDrawnLatencyIsOver) {
  options_.latency = {4, 12};
  test::TestClient client(Start());
  std::vector<double> excess;
  for (uint64_t n = 0; n < 60; ++n) {
    const int64_t sent = NowMicros();
    ASSERT_EQ(client.Get("/a/b.jpg").status, 200);
    const double ms = static_cast<double>(client.first_byte_us() - sent) / 1e3;
    excess.push_back(ms - InjectedLatencyMs(options_.latency, options_.seed, n));
    EXPECT_GT(excess.back(), -0.01) << n;
  }
  std::nth_element(excess.begin(), excess.begin() + 30, excess.end());
  EXPECT_LT(excess[30], 1.0);
}

TEST_F(ObjectStoreTest, WaitingRequestsDoNotHoldUpOthers) {
  options_.latency = {200, 200};
  const uint16_t port = Start();
  std::vector<std::unique_ptr<test::TestClient>> clients;
  for (int i = 0; i < 20; ++i) clients.push_back(std::make_unique<test::TestClient>(port));
  const int64_t begin = NowMicros();
  for (auto& client : clients) client->Send("GET /top.png HTTP/1.1\r\nHost: x\r\n\r\n");
  for (auto& client : clients) EXPECT_EQ(client->Read().status, 200);
  EXPECT_LT(NowMicros() - begin, 20 * 200'000 / 2);  // one after the other would take 4 s
  EXPECT_GE(NowMicros() - begin, 200'000);
}

TEST_F(ObjectStoreTest, BandwidthStretchesTheBody) {
  options_.bandwidth_bytes_per_s = 1'500'000;
  test::TestClient client(Start());
  const int64_t begin = NowMicros();
  const test::TestReply reply = client.Get("/a/b.jpg");
  const double seconds = static_cast<double>(NowMicros() - begin) / 1e6;
  EXPECT_TRUE(reply.body == photo_);
  EXPECT_GE(seconds, 0.1);  // 150,003 bytes
  EXPECT_LT(static_cast<double>(client.first_byte_us() - begin) / 1e6, 0.05);
}

TEST_F(ObjectStoreTest, ErrorRateIsKeptAndSpeaksTheApi) {
  options_.error_rate = 0.25;
  const uint16_t port = Start();
  test::TestClient client(port);
  int failed = 0;
  std::string ones;
  for (int i = 0; i < 2000; ++i) {
    const int status = client.Get("/top.png").status;
    ASSERT_TRUE(status == 200 || status == 503);
    failed += status == 503 ? 1 : 0;
    ones += status == 503 ? '1' : '0';
  }
  EXPECT_NEAR(failed, 500, 58);  // three standard deviations
  std::string again;
  store_.reset();
  test::TestClient second(Start());
  for (int i = 0; i < 100; ++i) again += second.Get("/top.png").status == 503 ? '1' : '0';
  EXPECT_EQ(again, ones.substr(0, 100));  // by the seed
  options_.error_rate = 1;
  store_.reset();
  test::TestClient third(Start());
  EXPECT_EQ(bjson::parse(third.Get("/storage/v1/b/x/o/top.png?alt=media").body).at("error").at("code"), 503);
  EXPECT_THAT(third.Get("/bucket/top.png").body, HasSubstr("<Code>ServiceUnavailable</Code>"));
}

TEST_F(ObjectStoreTest, WrongOptionsAreNamed) {
  const auto failure = [](const ObjectStoreOptions& options) {
    const auto store = ObjectStore::Start(options);
    return store.ok() ? Status::Ok() : store.status();
  };
  ObjectStoreOptions options = options_;
  options.root = (base_ / "none").string();
  EXPECT_EQ(failure(options).code(), Code::kNotFound);
  EXPECT_THAT(failure(options).message(), HasSubstr("none"));
  options.root = (base_ / "root/top.png").string();
  EXPECT_EQ(failure(options).code(), Code::kInvalidRequest);
  options = options_;
  options.port = Start();
  options.log_path = (base_ / "other.jsonl").string();
  Write("other.jsonl", "kept");
  EXPECT_EQ(failure(options).code(), Code::kUnavailable);
  EXPECT_EQ(ReadAll(options.log_path), "kept");
  options = options_;
  options.host = "example";
  EXPECT_EQ(failure(options).code(), Code::kInvalidRequest);
  options = options_;
  options.error_rate = 1.5;
  EXPECT_EQ(failure(options).code(), Code::kInvalidRequest);
  options = options_;
  options.log_path = (base_ / "none/log").string();
  EXPECT_EQ(failure(options).code(), Code::kUnavailable);
}

TEST(Latency, ParsesWhatItSays) {
  const auto spec = ParseLatency("p50=40ms,p95=0.18s");
  ASSERT_TRUE(spec.ok());
  EXPECT_DOUBLE_EQ(spec->p50_ms, 40);
  EXPECT_DOUBLE_EQ(spec->p95_ms, 180);
  EXPECT_DOUBLE_EQ(ParseLatency("p95=2ms,p50=500us")->p50_ms, 0.5);
  ASSERT_TRUE(ParseLatency("0").ok());
  EXPECT_EQ(InjectedLatencyMs(*ParseLatency("0"), 7, 3), 0);
  for (const char* text : {"", "40ms", "p50=40ms", "p50=40ms,p99=180ms", "p50=40,p95=180",
                           "p50=40ms,p95=30ms", "p50=0ms,p95=1ms", "p50=-1ms,p95=1ms", "p50=1ms,p50=1ms",
                           "p50=nanms,p95=1ms", "p50=40ms;p95=180ms", "p50=40ms,p95=180ms,p50=3ms"}) {
    const auto bad = ParseLatency(text);
    ASSERT_FALSE(bad.ok()) << text;
    EXPECT_EQ(bad.status().code(), Code::kInvalidRequest);
    EXPECT_THAT(bad.status().message(), HasSubstr("p50=40ms,p95=180ms"));
  }
}

TEST(Latency, DrawsHaveTheMedianAndThe95thPercentile) {
  const LatencySpec spec{40, 180};
  for (const uint64_t seed : {7U, 8U, 9U}) {
    std::vector<double> draws(20'000);
    for (size_t n = 0; n < draws.size(); ++n) draws[n] = InjectedLatencyMs(spec, seed, n);
    std::sort(draws.begin(), draws.end());
    EXPECT_NEAR(draws[10'000], 40, 40 * 0.02) << seed;
    EXPECT_NEAR(draws[19'000], 180, 180 * 0.02) << seed;
  }
}

TEST(Latency, IsAFunctionOfSeedAndNumber) {
  const LatencySpec spec{40, 180};
  EXPECT_EQ(InjectedLatencyMs(spec, 7, 5), InjectedLatencyMs(spec, 7, 5));
  EXPECT_NE(InjectedLatencyMs(spec, 7, 5), InjectedLatencyMs(spec, 7, 6));
  EXPECT_NE(InjectedLatencyMs(spec, 7, 5), InjectedLatencyMs(spec, 8, 5));
  EXPECT_NEAR(InjectedLatencyMs({25, 25}, 7, 5), 25, 1e-9);
}

}  // namespace
}  // namespace photovec::experiment
