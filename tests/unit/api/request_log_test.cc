// SPDX-License-Identifier: MIT
// Which requests get a line in the request log, and what it says of them.
#include "request_log/writer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "unit/api/server_fixture.h"

namespace photovec::api {
namespace {

namespace bjson = boost::json;

class HttpRequestLogTest : public ServerTest {
 protected:
  void SetUp() override {
    std::string name = testing::TempDir() + "http-request-log-XXXXXX";
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    folder_ = name;
    auto log = request_log::RequestLog::Open(folder_ / "log");
    ASSERT_TRUE(log.ok());
    log_ = std::move(*log);
    HttpApiOptions options;
    options.request_log = log_.get();
    Launch({}, 256ULL << 20, options);
  }
  void TearDown() override {
    ServerTest::TearDown();
    log_.reset();
    std::filesystem::remove_all(folder_);
  }
  /// Ends the server and reads everything it logged.
  std::vector<bjson::object> Lines() {
    pipeline_->ReleaseHeld();
    server_->Stop(Deadline());
    log_->Stop();
    std::ifstream file(folder_ / "log");
    std::vector<bjson::object> lines;
    for (std::string line; std::getline(file, line);) lines.push_back(bjson::parse(line).as_object());
    return lines;
  }
  static int64_t Number(const bjson::object& line, const char* key) { return line.at(key).as_int64(); }

  std::filesystem::path folder_;
  std::unique_ptr<request_log::RequestLog> log_;
};

TEST_F(HttpRequestLogTest, EveryRouteAndFormWritesOneLine) {
  test::TestClient client(port());
  EXPECT_EQ(client.Ask(test::Post("/embed", "raw photo")).status, 200);
  EXPECT_EQ(client.Ask(test::Post("/embed", R"({"images":["a.jpg","b.jpg"]})", test::kJsonType)).status, 200);
  EXPECT_EQ(
      client.Ask(test::Post("/embed", test::Multipart({"one", "two", "three"}), test::kMultipartType)).status,
      200);
  EXPECT_EQ(client.Ask(test::Post("/v1/embeddings", R"({"model":"clip","input":["a.jpg"]})", test::kJsonType))
                .status,
            200);
  EXPECT_EQ(client.Ask(test::Post("/clip/embedding", R"({"images":["a.jpg"]})", test::kJsonType)).status,
            200);
  EXPECT_EQ(client.Ask(test::Get("/healthz")).status, 200);
  const auto lines = Lines();
  ASSERT_EQ(lines.size(), 5U);
  const std::vector<std::pair<std::string, size_t>> expected = {
      {"/embed", 1}, {"/embed", 2}, {"/embed", 3}, {"/v1/embeddings", 1}, {"/clip/embedding", 1}};
  for (size_t i = 0; i < lines.size(); ++i) {
    const bjson::object& line = lines[i];
    EXPECT_EQ(line.at("route").as_string(), expected[i].first.c_str());
    EXPECT_EQ(line.at("model").as_string(), "clip");
    EXPECT_EQ(line.at("items").as_array().size(), expected[i].second);
    EXPECT_EQ(Number(line, "id"), static_cast<int64_t>(i));
    EXPECT_EQ(Number(line, "status"), 200);
    const int64_t total = Number(line, "total");
    EXPECT_LE(0, Number(line, "opened"));
    EXPECT_LE(Number(line, "opened"), Number(line, "finished"));
    EXPECT_LE(Number(line, "finished") + Number(line, "serialise"), total + 2);
    EXPECT_LE(Number(line, "receive") + Number(line, "parse") + Number(line, "serialise"), total);
  }
}

TEST_F(HttpRequestLogTest, RequestsThatNeverReachThePipelineWriteNone) {
  test::TestClient client(port());
  EXPECT_EQ(client.Ask(test::Post("/embed", "{", test::kJsonType)).status, 400);
  EXPECT_EQ(client.Ask(test::Post("/embed", R"({"images":[]})", test::kJsonType)).status, 400);
  EXPECT_EQ(client.Ask(test::Post("/embed?model=none", "x")).status, 404);
  EXPECT_EQ(client.Ask(test::Post("/nowhere", "x")).status, 404);
  EXPECT_TRUE(Lines().empty());
}

TEST_F(HttpRequestLogTest, ARequestWhoseImagesAllFailedWritesOne) {
  EXPECT_EQ(Ask(test::Post("/embed", "BAD photo")).status, 422);
  const auto lines = Lines();
  ASSERT_EQ(lines.size(), 1U);
  EXPECT_EQ(Number(lines[0], "status"), 422);
  EXPECT_EQ(lines[0].at("items").as_array().at(0).as_object().at("code").as_string(), "image_corrupt");
  EXPECT_GT(Number(lines[0], "total"), 0) << "until the error's body was written";
  EXPECT_GE(Number(lines[0], "total"), Number(lines[0], "finished") - 1);
}

TEST_F(HttpRequestLogTest, AClientThatLeavesWhileItWaitsWritesOne) {
  {
    test::TestClient client(port());
    client.Send(test::Post("/embed", "HOLD photo"));
    ASSERT_TRUE(pipeline_->WaitForImages(1));
  }
  ASSERT_TRUE(pipeline_->WaitForCancelled(1));
  const auto lines = Lines();
  ASSERT_EQ(lines.size(), 1U);
  EXPECT_EQ(Number(lines[0], "status"), 499);
  EXPECT_EQ(lines[0].at("items").as_array().size(), 1U);
}

TEST_F(HttpRequestLogTest, AnUploadThatBreaksOffWritesOneWithoutImages) {
  {
    test::TestClient client(port());
    const std::string whole = test::Post("/embed", test::Multipart({"one", "two"}), test::kMultipartType);
    client.Send(std::string_view(whole).substr(0, whole.size() - 20));
    ASSERT_TRUE(pipeline_->WaitForImages(1));
  }
  ASSERT_TRUE(pipeline_->WaitForCancelled(1));
  const auto lines = Lines();
  ASSERT_EQ(lines.size(), 1U);
  EXPECT_EQ(Number(lines[0], "status"), 499);
  EXPECT_EQ(Number(lines[0], "finished"), -1);
  EXPECT_TRUE(lines[0].at("items").as_array().empty());
}

}  // namespace
}  // namespace photovec::api
