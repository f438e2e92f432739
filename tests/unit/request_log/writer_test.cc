// SPDX-License-Identifier: MIT
#include "request_log/writer.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <string_view>
#include <thread>
#include <type_traits>
#include <vector>

#include "base/log.h"
#include "request_log/record.h"

namespace photovec::request_log {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

class RequestLogTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = testing::TempDir() + "request-log-XXXXXX";
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    folder_ = name;
    path_ = (folder_ / "requests.jsonl").string();
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::unique_ptr<RequestLog> Open(RequestLogOptions options = {}) {
    auto log = RequestLog::Open(path_, options);
    EXPECT_TRUE(log.ok()) << log.status().ToString();
    return std::move(log).value();
  }
  static Record MakeRecord() {
    Record record;
    record.model = "clip";
    record.route = "/embed";
    record.status = 200;
    record.started_us = 1'000'000;
    record.opened_us = 350;
    return record;
  }
  std::string Text() const {
    std::ifstream file(path_, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  std::vector<std::string> Lines() const {
    std::istringstream text(Text());
    std::vector<std::string> lines;
    for (std::string line; std::getline(text, line);) lines.push_back(line);
    return lines;
  }

  std::filesystem::path folder_;
  std::string path_;
};

std::string IdOf(const std::string& line) { return line.substr(0, line.find(',')); }

// While it lives, what is logged lands here instead of on stderr.
class CapturedLog {
 public:
  CapturedLog() {
    log::SetSink([this](std::string_view line) { text_ += line; });
  }
  ~CapturedLog() { log::SetSink({}); }
  std::vector<std::string> Lines() const {
    std::istringstream text(text_);
    std::vector<std::string> lines;
    for (std::string line; std::getline(text, line);) lines.push_back(line);
    return lines;
  }

 private:
  std::string text_;
};

TEST_F(RequestLogTest, ALineHasEverythingOfItsRequest) {
  Record record = MakeRecord();
  record.id = 77;  // the log counts by itself
  record.model = "a \"b\"\n";
  record.finished_us = 430;
  record.receive_us = 310;
  record.parse_us = 40;
  record.serialise_us = 120;
  record.total_us = 61'400;
  record.items.resize(2);
  ItemRecord& good = record.items[0];
  good.by_reference = true;
  good.bytes = 151'234;
  good.at_us = {350, 360, 370, 380, 390, 400, 410, 420, 430};
  good.decoder = 1;
  good.stream = 0;
  good.batch = 345;
  good.batch_size = 8;
  ItemRecord& bad = record.items[1];
  bad.code = "image_corrupt";
  bad.at_us = {353, -1, -1, -1, -1, -1, -1, -1, 355};
  auto log = Open();
  log->Write(record);
  log->Stop();
  EXPECT_EQ(
      Text(),
      "{\"id\":0,\"model\":\"a \\\"b\\\"\\n\",\"route\":\"/embed\",\"status\":200,"
      "\"started\":1000000,\"opened\":350,\"finished\":430,\"receive\":310,\"parse\":40,\"serialise\":120,"
      "\"total\":61400,\"items\":[{\"code\":\"ok\",\"ref\":true,\"bytes\":151234,"
      "\"at\":[350,360,370,380,390,400,410,420,430],\"decoder\":1,\"stream\":0,\"batch\":345,\"batch_size\":"
      "8},"
      "{\"code\":\"image_corrupt\",\"ref\":false,\"bytes\":0,\"at\":[353,-1,-1,-1,-1,-1,-1,-1,355],"
      "\"decoder\":-1,\"stream\":-1,\"batch\":-1,\"batch_size\":0}]}\n");
}

TEST_F(RequestLogTest, AnImageFromTheCacheSaysSo) {
  Record record = MakeRecord();
  record.items.resize(1);
  record.items[0].at_us = {350, 360, 370, 380, -1, -1, -1, -1, 430};
  record.items[0].cached = true;
  auto log = Open();
  log->Write(record);
  log->Stop();
  EXPECT_THAT(Text(), HasSubstr("\"at\":[350,360,370,380,-1,-1,-1,-1,430],\"decoder\":-1,\"stream\":-1,"
                                "\"batch\":-1,\"batch_size\":0,\"cached\":true}]}"));
}

TEST_F(RequestLogTest, ARequestThatWasGivenUpHasNoItems) {
  auto log = Open();
  Record record = MakeRecord();
  record.status = 499;
  log->Write(record);
  log->Stop();
  EXPECT_THAT(Text(), HasSubstr("\"status\":499,\"started\":1000000,\"opened\":350,\"finished\":-1,"));
  EXPECT_THAT(Text(), HasSubstr("\"total\":-1,\"items\":[]}\n"));
}

TEST_F(RequestLogTest, AModelNameThatIsNoUtf8LeavesTheLineValidJson) {
  auto log = Open();
  Record record = MakeRecord();
  record.model = "cl\xFFip";
  log->Write(record);
  log->Stop();
  EXPECT_THAT(Text(), HasSubstr("\"model\":\"cl\xEF\xBF\xBDip\""));
}

// What is written is what is read, for every member of the record.
TEST_F(RequestLogTest, TheReaderReadsWhatWasWritten) {
  Record record = MakeRecord();
  int64_t next = 1;
  VisitRequest(record, [&]<typename T>(std::string_view, T& member) {
    if constexpr (std::is_arithmetic_v<T>) member = static_cast<T>(next++);
  });
  record.id = 0;
  record.items.resize(1);
  ItemRecord& item = record.items[0];
  VisitItem(item, [&]<typename T>(std::string_view, T& member) {
    if constexpr (std::is_arithmetic_v<T>) member = static_cast<T>(next++);
  });
  item.code = "decode_timeout";
  item.at_us = {1, 2, 3, 4, 5, 6, 7, 8, 9};
  item.cached = true;
  record.request_id = "abc-1";
  record.traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  auto log = Open();
  log->Write(record);
  log->Stop();
  const auto read = ReadRequestLog(path_);
  ASSERT_TRUE(read.ok()) << read.status().ToString();
  ASSERT_EQ(read->size(), 1U);
  const Record& back = read->front();
  EXPECT_EQ(back.model, record.model);
  EXPECT_EQ(back.route, record.route);
  EXPECT_EQ(back.status, record.status);
  EXPECT_EQ(back.started_us, record.started_us);
  EXPECT_EQ(back.opened_us, record.opened_us);
  EXPECT_EQ(back.finished_us, record.finished_us);
  EXPECT_EQ(back.receive_us, record.receive_us);
  EXPECT_EQ(back.parse_us, record.parse_us);
  EXPECT_EQ(back.serialise_us, record.serialise_us);
  EXPECT_EQ(back.total_us, record.total_us);
  EXPECT_EQ(back.request_id, record.request_id);
  EXPECT_EQ(back.traceparent, record.traceparent);
  ASSERT_EQ(back.items.size(), 1U);
  EXPECT_EQ(back.items[0].code, item.code);
  EXPECT_EQ(back.items[0].by_reference, item.by_reference);
  EXPECT_EQ(back.items[0].bytes, item.bytes);
  EXPECT_EQ(back.items[0].at_us, item.at_us);
  EXPECT_EQ(back.items[0].decoder, item.decoder);
  EXPECT_EQ(back.items[0].stream, item.stream);
  EXPECT_EQ(back.items[0].batch, item.batch);
  EXPECT_EQ(back.items[0].batch_size, item.batch_size);
  EXPECT_TRUE(back.items[0].cached);
}

TEST_F(RequestLogTest, LinesKeepTheirOrderAndAreWholeWhenSeveralThreadsWrite) {
  constexpr int kThreads = 4;
  constexpr int kEach = 2000;
  auto log = Open();
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&log, t] {
      Record record = MakeRecord();
      for (int i = 0; i < kEach; ++i) {
        record.status = t;
        record.total_us = i;
        log->Write(record);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  log->Stop();
  std::vector<int> next(kThreads, 0);
  for (const std::string& line : Lines()) {
    const auto number = [&](const std::string& key) {
      return std::stoi(line.substr(line.find(key) + key.size()));
    };
    const auto thread = static_cast<size_t>(number("\"status\":"));
    EXPECT_EQ(number("\"total\":"), next.at(thread)++);
  }
  EXPECT_THAT(next, testing::Each(kEach));
  EXPECT_EQ(log->lost().total(), 0U);
}

TEST_F(RequestLogTest, AppendsToWhatIsThere) {
  for (int i = 0; i < 2; ++i) Open()->Write(MakeRecord());
  const auto lines = Lines();
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_EQ(lines[0], lines[1]);
}

TEST_F(RequestLogTest, TheHalfLineOfAKilledServerIsRemoved) {
  const std::string half = "{\"id\":1,\"items\":[" + std::string(10'000, ' ');
  std::ofstream(path_) << "{\"id\":0}\n" << half;
  Open()->Write(MakeRecord());
  const auto lines = Lines();
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_EQ(lines[0], "{\"id\":0}");
  EXPECT_THAT(lines[1], StartsWith("{\"id\":0,\"model\""));
  std::ofstream(path_) << half;  // a file that is nothing but half a line
  Open()->Write(MakeRecord());
  EXPECT_EQ(Lines().size(), 1U);
}

TEST_F(RequestLogTest, AFileThatCannotBeWrittenIsAnErrorAtOnce) {
  const auto nowhere = RequestLog::Open((folder_ / "none" / "x.jsonl").string());
  ASSERT_FALSE(nowhere.ok());
  EXPECT_EQ(nowhere.status().code(), Code::kUnavailable);
  EXPECT_THAT(nowhere.status().message(), HasSubstr("none/x.jsonl: No such file or directory"));
  EXPECT_THAT(nowhere.status().message(), HasSubstr("--request-log"));
  const auto folder = RequestLog::Open(folder_.string());
  ASSERT_FALSE(folder.ok());
  EXPECT_THAT(folder.status().message(), HasSubstr("Is a directory"));
}

TEST_F(RequestLogTest, AFullDiskLosesLinesAndSaysSoOnce) {
  const CapturedLog captured;
  auto log = RequestLog::Open("/dev/full");
  ASSERT_TRUE(log.ok());
  for (int i = 0; i < 100; ++i) (*log)->Write(MakeRecord());
  (*log)->Stop();
  EXPECT_EQ((*log)->lost().total(), 100U);
  const auto warnings = captured.Lines();
  ASSERT_GE(warnings.size(), 1U);
  EXPECT_LE(warnings.size(), 2U) << "one at once, and one at the end for those after it";
  EXPECT_THAT(warnings.back(), HasSubstr("/dev/full: 100 lines lost so far: No space left on device"));
}

// The rest of a line that the disk took half of is written when there is room, before anything else.
TEST_F(RequestLogTest, ADiskThatFillsInsideALineDamagesNone) {
  const CapturedLog captured;
  signal(SIGXFSZ, SIG_IGN);
  Open()->Write(MakeRecord());
  const auto bytes = static_cast<rlim_t>(Text().size());
  std::filesystem::remove(path_);
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  auto log = Open();
  rlimit small = before;
  small.rlim_cur = bytes + bytes / 2;
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  for (int i = 0; i < 3; ++i) log->Write(MakeRecord());
  while (log->lost().total() == 0)
    std::this_thread::yield();  // the third: it began behind the end of the disk
  EXPECT_EQ(Text().size(), bytes + bytes / 2);
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
  log->Write(MakeRecord());
  log->Stop();
  signal(SIGXFSZ, SIG_DFL);
  const auto lines = Lines();
  ASSERT_EQ(lines.size(), 3U);
  EXPECT_EQ(IdOf(lines[0]), "{\"id\":0");
  EXPECT_EQ(IdOf(lines[1]), "{\"id\":1");
  EXPECT_EQ(IdOf(lines[2]), "{\"id\":3") << "a gap between ids: that many were lost";
  for (const std::string& line : lines) EXPECT_THAT(line, testing::EndsWith("\"items\":[]}"));
  EXPECT_EQ(log->lost().total(), 1U);
}

// A pipe that nobody reads stands for a disk that has stopped.
TEST_F(RequestLogTest, AFullQueueLosesLinesAndBlocksNobody) {
  const CapturedLog captured;
  ASSERT_EQ(mkfifo(path_.c_str(), 0600), 0);
  const int reader = open(path_.c_str(), O_RDONLY | O_NONBLOCK);
  ASSERT_GE(reader, 0);
  auto log = Open({size_t{32} << 10});
  uint64_t written = 0;
  while (log->lost().total() == 0 && written < 1'000'000) {
    log->Write(MakeRecord());
    ++written;
  }
  EXPECT_GT(log->lost().total(), 0U);
  std::thread stopper([&] { log->Stop(); });
  fcntl(reader, F_SETFL, 0);
  std::string text;
  std::vector<char> block(1 << 16);
  for (ssize_t got = 0; (got = read(reader, block.data(), block.size())) > 0;) {
    text.append(block.data(), static_cast<size_t>(got));
  }
  stopper.join();
  close(reader);
  EXPECT_EQ(static_cast<uint64_t>(std::count(text.begin(), text.end(), '\n')), written - log->lost().total());
  EXPECT_EQ(text.back(), '\n');
  ASSERT_EQ(captured.Lines().size(), 1U);
  EXPECT_THAT(captured.Lines()[0], HasSubstr("1 lines lost so far: they came faster than they were taken"));
}

}  // namespace
}  // namespace photovec::request_log
