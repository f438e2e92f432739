// SPDX-License-Identifier: MIT
#include "experiment/load/load_generator.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <boost/json.hpp>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/quantile.h"
#include "experiment/load/load_schedule.h"
#include "testing/test_client.h"
#include "unit/experiment/stub_server.h"

namespace photovec::experiment {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;
namespace bjson = boost::json;

const std::atomic<bool> kGoOn{false};

std::vector<std::string> Names(const StubRequest& request) {
  std::vector<std::string> names;
  const bjson::value body = bjson::parse(request.body);
  for (const bjson::value& name : body.at("images").as_array()) {
    names.emplace_back(name.as_string());
  }
  return names;
}

int CountImages(const StubRequest& request) { return static_cast<int>(Names(request).size()); }

/// Answers every request well, `ms` after it came.
StubServer::Handler After(int ms) {
  return [ms](const StubRequest& request) {
    return StubReply{.at_us = request.received_us + ms * 1000, .bytes = VectorReply(CountImages(request))};
  };
}

LoadOptions Options(uint16_t port, Arrival arrival = Arrival::kClosed) {
  LoadOptions options;
  options.port = port;
  options.arrival = arrival;
  options.clients = 4;
  options.think_min_s = options.think_max_s = 0;
  options.requests_per_s = 200;
  options.images_min = 2;
  options.images_max = 5;
  options.warmup_s = 0.1;
  options.seconds = 0.5;
  options.drain_s = 5;
  for (int i = 0; i < 20; ++i) options.references.push_back("http://store/" + std::to_string(i) + ".jpg");
  return options;
}

LoadResult Drive(const LoadOptions& options) {
  auto result = RunLoad(options, kGoOn);
  EXPECT_TRUE(result.ok()) << result.status().ToString();
  return result.ok() ? *std::move(result) : LoadResult{};
}

double LatencyMs(const ClientSample& sample) {
  return static_cast<double>(sample.done_us - sample.intended_us) / 1e3;
}

double MedianLatencyMs(const LoadResult& result) {
  std::vector<double> values;
  for (const ClientSample& sample : result.samples) values.push_back(LatencyMs(sample));
  return Median(std::move(values));
}

void ExpectWhole(const LoadResult& result, const LoadOptions& options) {
  int64_t last_us = result.began_us;
  for (const ClientSample& sample : result.samples) {
    EXPECT_GE(sample.intended_us, last_us) << "in order, and none of the warm-up";
    last_us = sample.intended_us;
    EXPECT_LT(sample.intended_us, result.began_us + static_cast<int64_t>(options.seconds * 1e6) + 50'000);
    EXPECT_GE(sample.sent_us, sample.intended_us);
    EXPECT_GE(sample.done_us, sample.sent_us);
    EXPECT_GE(sample.images, options.images_min);
    EXPECT_LE(sample.images, options.images_max);
  }
  EXPECT_DOUBLE_EQ(result.seconds, options.seconds);
}

TEST(LoadGenerator, ClosedLoopReportsTheServersDelay) {
  StubServer server(After(10));
  const LoadOptions options = Options(server.port());
  const LoadResult result = Drive(options);
  ExpectWhole(result, options);
  EXPECT_NEAR(MedianLatencyMs(result), 10, 1);
  EXPECT_GT(result.samples.size(), 4 * 30U);  // 4 clients, 0.5 s, 10 ms and the machine's own time
  EXPECT_LE(result.samples.size(), 4 * 51U);
  EXPECT_GT(server.requests().size(), result.samples.size());  // the warm-up's are not in the samples
  EXPECT_EQ(server.connections(), 5U);                         // kept; one looked whether somebody listens
  for (const ClientSample& sample : result.samples) {
    EXPECT_EQ(sample.status, 200);
    EXPECT_EQ(sample.failed_images, 0);
    EXPECT_EQ(sample.error, "");
    EXPECT_EQ(sample.intended_us, sample.sent_us);
  }
}

TEST(LoadGenerator, ClosedLoopThinks) {
  StubServer server(After(0));
  LoadOptions options = Options(server.port());
  options.clients = 10;
  options.think_min_s = 0.05;
  options.think_max_s = 0.15;
  const LoadResult result = Drive(options);
  // A cycle is 0.1 s of thinking in the mean: 50 requests of 10 clients in 0.5 s.
  EXPECT_GE(result.samples.size(), 35U);
  EXPECT_LE(result.samples.size(), 65U);
}

TEST(LoadGenerator, OpenLoopStartsAtTheScheduledTimesAndReportsTheDelay) {
  for (const Arrival arrival : {Arrival::kPoisson, Arrival::kConstant}) {
    StubServer server(After(10));
    const LoadOptions options = Options(server.port(), arrival);
    const LoadResult result = Drive(options);
    ExpectWhole(result, options);
    std::vector<int64_t> expected;
    for (const int64_t at_us : LoadSchedule(options).Arrivals()) {
      if (at_us >= 100'000) expected.push_back(at_us - 100'000);
    }
    std::vector<int64_t> got;
    for (const ClientSample& sample : result.samples) got.push_back(sample.intended_us - result.began_us);
    EXPECT_EQ(got, expected);
    EXPECT_NEAR(MedianLatencyMs(result), 10, 1);
    std::vector<double> late;
    for (const ClientSample& sample : result.samples) {
      late.push_back(static_cast<double>(sample.sent_us - sample.intended_us) / 1e3);
    }
    EXPECT_LT(Median(late), 1.0);
    EXPECT_NEAR(result.late_p99_ms, Quantile(late, 0.99), 1e-9);
  }
}

/// A server that works normally, but for 300 ms from the 30th request on answers nobody.
class Stall {
 public:
  StubReply operator()(const StubRequest& request) {
    if (request.n == 30) {
      begin_us = request.received_us;
      end_us = begin_us + 300'000;
    }
    return {.at_us = end_us.load(), .bytes = VectorReply(CountImages(request))};
  }
  std::atomic<int64_t> begin_us{0};
  std::atomic<int64_t> end_us{0};
};

TEST(LoadGenerator, OpenLoopShowsAStallInEveryRequestThatWasDueInIt) {
  Stall stall;
  StubServer server([&](const StubRequest& request) { return stall(request); });
  LoadOptions options = Options(server.port(), Arrival::kConstant);
  options.seconds = 0.8;
  options.max_connections = 100;
  const LoadResult result = Drive(options);
  int in_stall = 0;
  for (const ClientSample& sample : result.samples) {
    if (sample.intended_us < stall.begin_us || sample.intended_us >= stall.end_us) continue;
    ++in_stall;
    EXPECT_GE(sample.done_us, stall.end_us);
    EXPECT_GE(LatencyMs(sample), static_cast<double>(stall.end_us - sample.intended_us) / 1e3);
  }
  EXPECT_NEAR(in_stall, 60, 1);  // 200 a second, 0.3 s
}

TEST(LoadGenerator, AClosedLoopOmitsTheStall) {
  Stall stall;
  StubServer server([&](const StubRequest& request) { return stall(request); });
  LoadOptions options = Options(server.port());
  options.clients = 1;
  options.think_min_s = options.think_max_s = 0.005;
  options.seconds = 0.8;
  int slow = 0;
  for (const ClientSample& sample : Drive(options).samples) slow += LatencyMs(sample) >= 50 ? 1 : 0;
  EXPECT_EQ(slow, 1);
}

TEST(LoadGenerator, TheSameSeedAsksForTheSameImages) {
  std::vector<std::vector<std::string>> bodies;
  for (const uint64_t seed : {7U, 7U, 8U}) {
    StubServer server(After(0));
    LoadOptions options = Options(server.port(), Arrival::kConstant);
    options.requests_per_s = 50;
    options.seed = seed;
    const LoadResult result = Drive(options);
    std::vector<std::string> asked;
    for (const StubRequest& request : server.requests()) asked.push_back(request.body);
    ASSERT_EQ(asked.size(), 30U);  // 0.6 s
    bodies.push_back(asked);
    LoadSchedule schedule(options);
    for (uint64_t n = 0; n < asked.size(); ++n) {
      std::vector<std::string> expected;
      for (const uint32_t image : schedule.Images(n)) expected.push_back(options.references[image]);
      EXPECT_EQ(Names(server.requests()[n]), expected);
    }
  }
  EXPECT_EQ(bodies[0], bodies[1]);
  EXPECT_NE(bodies[0], bodies[2]);
}

TEST(LoadGenerator, NativeRequestsHaveTheirForm) {
  StubServer server(After(0));
  LoadOptions options = Options(server.port());
  options.model = "open/clip b32";
  options.references = {"file with \"quotes\" and 눈.jpg", "b.jpg"};
  options.images_min = options.images_max = 2;
  Drive(options);
  const StubRequest request = server.requests().at(0);
  EXPECT_EQ(request.target, "/embed?model=open%2Fclip%20b32");
  EXPECT_EQ(request.content_type, "application/json");
  EXPECT_EQ(request.accept, "application/octet-stream");
  EXPECT_THAT(Names(request), ::testing::UnorderedElementsAreArray(options.references));
}

TEST(LoadGenerator, OriginalRequestsHaveTheirFormAndTakeAnyBody) {
  StubServer server([](const StubRequest& request) {
    return StubReply{.bytes = HttpReply(200, request.n % 2 == 0 ? "pickle" : "")};
  });
  LoadOptions options = Options(server.port());
  options.api = LoadApi::kOriginal;
  options.clients = 1;
  const LoadResult result = Drive(options);
  EXPECT_EQ(server.requests().at(0).target, "/clip/embedding");
  EXPECT_EQ(server.requests().at(0).accept, "");
  int good = 0;
  int bad = 0;
  for (const ClientSample& sample : result.samples) {
    EXPECT_EQ(sample.status, 200);
    EXPECT_EQ(sample.error, sample.failed_images == 0 ? "" : "HTTP 200 without a body");
    (sample.failed_images == 0 ? good : bad) += 1;
  }
  EXPECT_NEAR(good, bad, 1);
  EXPECT_GT(good, 10);
}

TEST(LoadGenerator, UploadsCarryThePhotosBytes) {
  const std::vector<std::string> photos = {std::string("\xFF\xD8\0one", 6), std::string(200'000, '2'),
                                           "\r\n--three"};
  std::atomic<int> wrong{0};
  StubServer server([&](const StubRequest& request) {
    const std::string boundary =
        "--" + request.content_type.substr(request.content_type.find("boundary=") + 9);
    std::vector<std::string> parts;
    size_t at = request.body.find(boundary);
    while (true) {
      const size_t begin = request.body.find("\r\n\r\n", at);
      const size_t next = request.body.find("\r\n" + boundary, at + 1);
      if (begin == std::string::npos || next == std::string::npos) break;
      parts.push_back(request.body.substr(begin + 4, next - begin - 4));
      at = next + 2;
    }
    std::sort(parts.begin(), parts.end());
    std::vector<std::string> expected = photos;
    std::sort(expected.begin(), expected.end());
    if (parts != expected || !request.body.ends_with(boundary + "--\r\n")) ++wrong;
    return StubReply{.bytes = VectorReply(3)};
  });
  LoadOptions options = Options(server.port());
  options.api = LoadApi::kUpload;
  options.photos = photos;
  options.references.clear();
  options.images_min = options.images_max = 3;
  const LoadResult result = Drive(options);
  EXPECT_GT(result.samples.size(), 10U);
  EXPECT_EQ(wrong, 0);
  for (const ClientSample& sample : result.samples) EXPECT_EQ(sample.error, "");
}

/// What the stub does when a request names one of these.
StubReply Misbehave(const std::string& name) {
  if (name == "500") return {.bytes = HttpReply(500, "it\nbroke")};
  if (name == "503-empty") return {.bytes = HttpReply(503, "")};
  if (name == "reset") return {.reset = true};
  if (name == "garbage") return {.bytes = "BLAH 200 OK\r\n\r\n", .close = true};
  if (name == "cut") return {.bytes = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc", .close = true};
  if (name == "one-float-short") {
    return {.bytes =
                HttpReply(200, std::string(28, 'v') + "xyz", "Content-Type: application/octet-stream\r\n")};
  }
  if (name == "empty") return {.bytes = HttpReply(200, "", "Content-Type: application/octet-stream\r\n")};
  if (name == "json") return {.bytes = HttpReply(200, "{} x", "Content-Type: application/json\r\n")};
  if (name == "image-failed") return {.bytes = VectorReply(1, "X-Photovec-Error-Count: 1\r\n")};
  if (name == "none-failed") return {.bytes = VectorReply(1, "X-Photovec-Error-Count: 0\r\n")};
  if (name == "odd-count") return {.bytes = VectorReply(1, "X-Photovec-Error-Count: 2\r\n")};
  if (name == "closing") return {.bytes = VectorReply(1, "Connection: close\r\n"), .close = true};
  return {.bytes = VectorReply(1), .close = name == "closing-silently"};
}

TEST(LoadGenerator, BadRepliesAreCountedAndNotFatal) {
  struct Expected {
    int status;
    int failed_images;
    std::string error;  // begins with
  };
  const std::map<std::string, Expected> expected = {
      {"500", {500, 1, "it broke"}},
      {"503-empty", {503, 1, "HTTP 503 without a body"}},
      {"reset", {0, 1, "the connection "}},
      {"garbage", {0, 1, "the reply is not HTTP/1.1: "}},
      {"cut", {0, 1, "the connection ended within the reply"}},
      {"one-float-short", {200, 1, "31 bytes are not 1 vectors"}},
      {"empty", {200, 1, "HTTP 200 without a body"}},
      {"json",
       {200, 1, "vectors were asked for as application/octet-stream, and came as 'application/json'"}},
      {"image-failed", {200, 1, ""}},
      {"none-failed", {200, 0, ""}},
      {"odd-count", {200, 1, "X-Photovec-Error-Count is '2' for 1 images"}},
      {"closing", {200, 0, ""}},
      {"closing-silently", {200, 0, ""}},
      {"good", {200, 0, ""}},
  };
  StubServer server([](const StubRequest& request) { return Misbehave(Names(request).at(0)); });
  LoadOptions options = Options(server.port(), Arrival::kConstant);
  options.images_min = options.images_max = 1;
  options.warmup_s = 0;
  options.seconds = 1;
  options.references.clear();
  for (const auto& [name, unused] : expected) options.references.push_back(name);
  const LoadResult result = Drive(options);
  ASSERT_EQ(result.samples.size(), 200U);
  const LoadSchedule schedule(options);
  std::map<std::string, int> seen;
  for (uint64_t n = 0; n < 200; ++n) {
    const ClientSample& sample = result.samples[n];
    const std::string& name = options.references[schedule.Images(n).at(0)];
    ++seen[name];
    EXPECT_EQ(sample.status, expected.at(name).status) << name << ": " << sample.error;
    EXPECT_EQ(sample.failed_images, expected.at(name).failed_images) << name;
    EXPECT_THAT(sample.error, StartsWith(expected.at(name).error)) << name;
    EXPECT_EQ(sample.error.empty(), expected.at(name).error.empty()) << name << ": " << sample.error;
  }
  EXPECT_EQ(seen.size(), expected.size());
}

TEST(LoadGenerator, AServerThatDiesGivesFailedSamplesAtABoundedRate) {
  StubServer server([](const StubRequest& request) {
    return StubReply{.bytes = VectorReply(CountImages(request)), .die = request.n == 20};
  });
  LoadOptions options = Options(server.port());
  const LoadResult result = Drive(options);
  int failed = 0;
  for (const ClientSample& sample : result.samples) {
    if (sample.status == 200) continue;
    ++failed;
    EXPECT_EQ(sample.status, 0);
    EXPECT_EQ(sample.failed_images, sample.images);
    EXPECT_FALSE(sample.error.empty());
  }
  EXPECT_GE(failed, 4);            // each client has seen it
  EXPECT_LE(failed, 4 * (6 + 1));  // and asks every 100 ms
  EXPECT_THAT(result.samples.back().error, StartsWith("cannot connect to port"));
}

TEST(LoadGenerator, RequestsWithoutReplyEndWithTheDrain) {
  StubServer server([](const StubRequest& request) {
    return StubReply{.bytes = VectorReply(CountImages(request)), .never = request.n == 15};
  });
  LoadOptions options = Options(server.port(), Arrival::kConstant);
  options.requests_per_s = 40;
  options.drain_s = 0.3;
  const int64_t begin = NowMicros();
  const LoadResult result = Drive(options);
  EXPECT_GE(NowMicros() - begin, 900'000);
  EXPECT_LT(NowMicros() - begin, 1'500'000);
  ASSERT_EQ(result.samples.size(), 20U);
  int missing = 0;
  for (const ClientSample& sample : result.samples) {
    if (sample.status == 200) continue;
    ++missing;
    EXPECT_EQ(sample.status, 0);
    EXPECT_EQ(sample.error, "no reply within 0.3 s after the end of the load");
    EXPECT_EQ(sample.failed_images, sample.images);
  }
  EXPECT_EQ(missing, 1);
}

TEST(LoadGenerator, LateRepliesOfMeasuredRequestsAreAwaited) {
  StubServer server(After(400));
  LoadOptions options = Options(server.port(), Arrival::kConstant);
  const LoadResult result = Drive(options);
  EXPECT_EQ(result.samples.size(), 100U);
  for (const ClientSample& sample : result.samples) EXPECT_EQ(sample.status, 200) << sample.error;
}

TEST(LoadGenerator, ArrivalsBeyondTheConnectionsFailAtOnce) {
  StubServer server(After(10'000));
  LoadOptions options = Options(server.port(), Arrival::kConstant);
  options.max_connections = 3;
  options.warmup_s = 0;
  options.drain_s = 0;
  const LoadResult result = Drive(options);
  ASSERT_EQ(result.samples.size(), 100U);
  for (size_t i = 0; i < 100; ++i) {
    const ClientSample& sample = result.samples[i];
    EXPECT_EQ(sample.status, 0);
    EXPECT_EQ(sample.failed_images, sample.images);
    EXPECT_GE(sample.images, 2);
    if (i < 3) continue;
    EXPECT_EQ(sample.error, "not sent: all 3 connections are busy");
    EXPECT_LT(LatencyMs(sample), 100);
  }
  EXPECT_EQ(server.requests().size(), 3U);
}

TEST(LoadGenerator, StopsSoonWithWhatWasMeasured) {
  for (const Arrival arrival : {Arrival::kClosed, Arrival::kPoisson}) {
    std::atomic<bool> stop{false};
    std::atomic<int64_t> stopped_us{0};
    StubServer server([&](const StubRequest& request) {
      if (request.n == 50) {
        stopped_us = NowMicros();
        stop = true;
      }
      return StubReply{.bytes = VectorReply(CountImages(request)), .never = request.n == 45};
    });
    LoadOptions options = Options(server.port(), arrival);
    options.warmup_s = 0;
    options.seconds = options.drain_s = 600;
    const auto result = RunLoad(options, stop);
    EXPECT_LT(NowMicros() - stopped_us, 150'000);
    ASSERT_TRUE(result.ok());
    EXPECT_GE(result->samples.size(), 49U);
    EXPECT_LT(result->seconds, 60);
    for (const ClientSample& sample : result->samples) EXPECT_EQ(sample.status, 200) << sample.error;
  }
}

TEST(LoadGenerator, CostsLittle) {
  StubServer server([](const StubRequest& request) {
    return StubReply{
        .bytes = HttpReply(200, std::string(40 * 512 * 4, 'v'), "Content-Type: application/octet-stream\r\n"),
        .never = CountImages(request) != 40};
  });
  LoadOptions options = Options(server.port(), Arrival::kPoisson);
  options.images_min = options.images_max = 40;
  for (int i = 20; i < 300; ++i) options.references.push_back("http://store/" + std::to_string(i) + ".jpg");
  const LoadResult result = Drive(options);
  ASSERT_GT(result.samples.size(), 50U);
  // 300 photos a second are 7.5 such requests; 10% of two cores would be 27 ms for each.
  EXPECT_GT(result.cpu_seconds, 0);
  RecordProperty("cpu_us_per_request",
                 static_cast<int>(result.cpu_seconds * 1e6 / static_cast<double>(result.samples.size())));
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
  constexpr double kMostSeconds = 20e-3;  // instrumented code is up to ten times slower
#else
  constexpr double kMostSeconds = 2e-3;
#endif
  EXPECT_LT(result.cpu_seconds / static_cast<double>(result.samples.size()), kMostSeconds);
}

TEST(LoadGenerator, NoServerAndWrongOptionsAreErrors) {
  uint16_t port = 0;
  {
    StubServer server(After(0));
    port = server.port();
  }
  const auto absent = RunLoad(Options(port), kGoOn);
  ASSERT_FALSE(absent.ok());
  EXPECT_EQ(absent.status().code(), Code::kUnavailable);
  EXPECT_THAT(absent.status().message(), HasSubstr("127.0.0.1:" + std::to_string(port)));
  LoadOptions wrong = Options(port);
  wrong.clients = 0;
  const auto invalid = RunLoad(wrong, kGoOn);
  ASSERT_FALSE(invalid.ok());
  EXPECT_EQ(invalid.status().code(), Code::kInvalidRequest);
}

}  // namespace
}  // namespace photovec::experiment
