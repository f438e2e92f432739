// SPDX-License-Identifier: MIT
#include "request_log/record.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

#include "unit/experiment/record_maker.h"

namespace photovec::request_log {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class ReadRequestLogTest : public testing::Test {
 protected:
  void SetUp() override {
    path_ = testing::TempDir() + "request-record-XXXXXX";
    const int fd = mkstemp(path_.data());
    ASSERT_GE(fd, 0);
    close(fd);
  }
  void TearDown() override { std::remove(path_.c_str()); }

  Result<std::vector<Record>> Read(const std::string& text) {
    std::ofstream(path_, std::ios::binary) << text;
    return ReadRequestLog(path_);
  }
  std::string path_;
};

TEST_F(ReadRequestLogTest, ReadsEveryFieldOfALine) {
  const auto records = Read(
      R"({"id":12,"model":"clip","route":"/embed","status":200,"started":123456789012,"opened":350,)"
      R"("finished":61234,"receive":310,"parse":40,"serialise":120,"total":61400,"items":[{"code":"ok",)"
      R"("ref":true,"bytes":151234,"at":[351,360,41000,41010,45000,45900,46000,58000,58020],"decoder":1,)"
      R"("stream":2,"batch":345,"batch_size":8},{"code":"image_corrupt","ref":false,"bytes":9,)"
      R"("at":[351,351,351,400,-1,-1,-1,-1,500],"decoder":0,"stream":-1,"batch":-1,"batch_size":0}]})"
      "\n");
  ASSERT_TRUE(records.ok()) << records.status().ToString();
  ASSERT_EQ(records->size(), 1U);
  const Record& record = records->front();
  EXPECT_EQ(record.id, 12U);
  EXPECT_EQ(record.model, "clip");
  EXPECT_EQ(record.status, 200);
  EXPECT_EQ(record.started_us, 123'456'789'012);
  EXPECT_EQ(record.opened_us, 350);
  EXPECT_EQ(record.finished_us, 61'234);
  EXPECT_EQ(record.receive_us, 310);
  EXPECT_EQ(record.parse_us, 40);
  EXPECT_EQ(record.serialise_us, 120);
  EXPECT_EQ(record.total_us, 61'400);
  EXPECT_EQ(record.load_decode_us, -1);
  EXPECT_FALSE(record.MeasuredBySteps());
  ASSERT_EQ(record.items.size(), 2U);
  const ItemRecord& good = record.items[0];
  EXPECT_EQ(good.code, "ok");
  EXPECT_TRUE(good.by_reference);
  EXPECT_EQ(good.bytes, 151'234);
  EXPECT_THAT(good.at_us, ElementsAre(351, 360, 41'000, 41'010, 45'000, 45'900, 46'000, 58'000, 58'020));
  EXPECT_EQ(good.decoder, 1);
  EXPECT_EQ(good.stream, 2);
  EXPECT_EQ(good.batch, 345);
  EXPECT_EQ(good.batch_size, 8);
  EXPECT_EQ(good.Micros(Stage::kFetch), 40'640);
  EXPECT_EQ(good.Micros(Stage::kEncode), 12'000);
  const ItemRecord& bad = record.items[1];
  EXPECT_EQ(bad.code, "image_corrupt");
  EXPECT_EQ(bad.Micros(Stage::kFetch), -1) << "an upload was not fetched";
  EXPECT_EQ(bad.Micros(Stage::kDecodeWait), 49);
  EXPECT_EQ(bad.Micros(Stage::kDecode), -1) << "it did not end";
}

TEST_F(ReadRequestLogTest, ReadsWhatOtherServersKnow) {
  const auto records = Read(
      R"({"status":200,"started":5,"total":903.6,"load_decode":361,"preprocess":162,"embed":292,"gpu":"T4",)"
      R"("items":[{"stages":{"fetch":179,"decode":18.2,"decode_wait":79,"lunch":1}},{}]})"
      "\n");
  ASSERT_TRUE(records.ok()) << records.status().ToString();
  const Record& record = records->front();
  EXPECT_TRUE(record.MeasuredBySteps());
  EXPECT_EQ(record.total_us, 904) << "rounded";
  EXPECT_EQ(record.load_decode_us, 361);
  EXPECT_EQ(record.preprocess_us, 162);
  EXPECT_EQ(record.embed_us, 292);
  EXPECT_EQ(record.opened_us, -1);
  EXPECT_EQ(record.receive_us, -1);
  ASSERT_EQ(record.items.size(), 2U);
  EXPECT_EQ(record.items[0].Micros(Stage::kFetch), 179);
  EXPECT_EQ(record.items[0].Micros(Stage::kDecode), 18);
  EXPECT_EQ(record.items[0].Micros(Stage::kDecodeWait), 79);
  EXPECT_EQ(record.items[0].Micros(Stage::kEncode), -1);
  EXPECT_TRUE(record.items[0].Spans().empty());
  EXPECT_EQ(record.items[1].code, "ok");
}

TEST_F(ReadRequestLogTest, ALastLineWithoutEndIsLeftOut) {
  const std::string line = R"({"status":200,"started":1})";
  EXPECT_EQ(Read(line + "\n" + line + "\n")->size(), 2U);
  EXPECT_EQ(Read(line + "\n" + line)->size(), 1U);
  EXPECT_EQ(Read(line + "\n" + R"({"status":2)")->size(), 1U);
  EXPECT_TRUE(Read("")->empty());
}

TEST_F(ReadRequestLogTest, ErrorsNameFileLineAndKey) {
  const std::string good = R"({"status":200,"started":1})";
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"{\"status\":", "this is no JSON"},
      {"[]", "a line must be a JSON object, not a list"},
      {"{\"status\":200}", "there is no \"started\""},
      {"{\"started\":1}", "there is no \"status\""},
      {R"({"status":"ok","started":1})", "\"status\" must be a whole number, not a string"},
      {R"({"status":99999999999,"started":1})", "\"status\" must be a whole number, not 99999999999"},
      {R"({"status":200,"started":1e300})", "\"started\" must be a whole number"},
      {R"({"status":200,"started":1,"id":-1})", "\"id\" must be a whole number, not -1"},
      {R"({"status":200,"started":1,"items":{}})", "\"items\" must be a list, not an object"},
      {R"({"status":200,"started":1,"items":[1]})", "\"items[0]\" must be an object"},
      {R"({"status":200,"started":1,"items":[{},{"ref":1}]})",
       "\"items[1].ref\" must be true or false, not 1"},
      {R"({"status":200,"started":1,"items":[{"at":[1,2]}]})",
       "\"items[0].at\" must list 9 times, one for each border, not 2"},
      {R"({"status":200,"started":1,"items":[{"at":[1,2,3,4,5,6,7,8,null]}]})",
       "\"items[0].at\" must list whole numbers"},
      {R"({"status":200,"started":1,"items":[{"stages":{"fetch":"long"}}]})",
       "\"items[0].stages.fetch\" must be a whole number, not a string"},
  };
  for (const auto& [line, expected] : cases) {
    const auto records = Read(good + "\n" + line + "\n" + good + "\n");
    ASSERT_FALSE(records.ok()) << line;
    EXPECT_EQ(records.status().code(), Code::kInvalidRequest);
    EXPECT_THAT(records.status().message(), testing::StartsWith(path_ + ":2: ")) << line;
    EXPECT_THAT(records.status().message(), HasSubstr(expected)) << line;
  }
}

TEST_F(ReadRequestLogTest, AMissingFileIsNamed) {
  const auto records = ReadRequestLog(path_ + ".none");
  ASSERT_FALSE(records.ok());
  EXPECT_EQ(records.status().code(), Code::kNotFound);
  EXPECT_THAT(records.status().message(), HasSubstr(path_ + ".none: No such file or directory"));
}

TEST(ItemSpans, FollowEachOtherAndAFailedImageEndsInItsStage) {
  const auto all = experiment::MakeItem({1, 2, 3, 4, 5, 6, 7, 8, 9}).Spans();
  ASSERT_EQ(all.size(), kImageStages.size());
  for (size_t i = 0; i < all.size(); ++i) {
    EXPECT_EQ(all[i].stage, kImageStages[i].stage);
    EXPECT_EQ(all[i].begin_us, static_cast<int64_t>(i) + 1);
    EXPECT_EQ(all[i].end_us, static_cast<int64_t>(i) + 2);
  }
  const auto corrupt = experiment::MakeItem({1, 2, 3, 4, -1, -1, -1, -1, 9}).Spans();
  ASSERT_EQ(corrupt.size(), 4U);
  EXPECT_EQ(corrupt[3].stage, Stage::kDecode);
  EXPECT_EQ(corrupt[3].end_us, 9);
  EXPECT_TRUE(experiment::MakeItem({1, 2, 3, 4, 5, 6, 7, 8, -1}).Spans().empty());
}

TEST(ItemSpans, ATextGoesItsOwnWay) {
  ItemRecord text;
  text.kind = ItemKind::kText;
  text.at_us = {1, -1, -1, 4, -1, 6, 7, 8, 9};
  const auto spans = text.Spans();
  ASSERT_EQ(spans.size(), kTextStages.size());
  for (size_t i = 0; i < spans.size(); ++i) {
    EXPECT_EQ(spans[i].stage, kTextStages[i].stage);
    EXPECT_EQ(spans[i].begin_us, i == 0 ? 1 : spans[i - 1].end_us);
    EXPECT_EQ(text.Micros(spans[i].stage), spans[i].end_us - spans[i].begin_us);
  }
  EXPECT_EQ(spans[1].stage, Stage::kTokenize);
  EXPECT_EQ(text.Micros(Stage::kDecode), -1);
  text.at_us = {1, -1, -1, 4, -1, -1, -1, -1, 9};
  ASSERT_EQ(text.Spans().size(), 2U) << "it was no UTF-8";
  EXPECT_EQ(text.Spans()[1].stage, Stage::kTokenize);
}

TEST_F(ReadRequestLogTest, AnImageFromTheResultCacheIsReadAndItsTimesAddUp) {
  const auto records = Read(
      R"({"status":200,"started":1,"items":[{"code":"ok","ref":true,"bytes":5,)"
      R"("at":[10,20,30,40,-1,-1,-1,-1,41],"decoder":-1,"stream":-1,"batch":-1,"batch_size":0,"cached":true}]})"
      "\n");
  ASSERT_TRUE(records.ok()) << records.status().ToString();
  const ItemRecord& hit = records->front().items[0];
  EXPECT_EQ(hit.Micros(Stage::kDecodeWait), 10);
  for (const Stage stage : {Stage::kDecode, Stage::kPreprocess, Stage::kBatchWait, Stage::kEncode}) {
    EXPECT_EQ(hit.Micros(stage), -1) << StageName(stage);
  }
  int64_t sum = 0;
  for (const StageSpan& span : hit.Spans()) sum += span.end_us - span.begin_us;
  EXPECT_EQ(sum, 31);
}

}  // namespace
}  // namespace photovec::request_log
