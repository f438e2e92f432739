// SPDX-License-Identifier: MIT
#include "request_log/writer.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <spdlog/sinks/ostream_sink.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "base/log.h"
#include "unit/pipeline/fixture.h"

namespace photovec::request_log {
namespace {

using std::chrono::microseconds;
using testing::Answer;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::Photo;
using testing::PipelineFixture;
using ::testing::StartsWith;

class RequestLogTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = ::testing::TempDir() + "request-log-XXXXXX";
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
  static RequestLogEntry Entry() {
    RequestLogEntry entry;
    entry.model = "clip";
    entry.route = "/embed";
    entry.status = 200;
    entry.started = TimePoint(microseconds(1'000'000));
    entry.opened = TimePoint(microseconds(1'000'350));
    return entry;
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
    spdlog::set_default_logger(std::make_shared<spdlog::logger>(
        "captured", std::make_shared<spdlog::sinks::ostream_sink_mt>(text_)));
  }
  ~CapturedLog() { spdlog::set_default_logger(before_); }
  std::vector<std::string> Lines() const {
    std::istringstream text(text_.str());
    std::vector<std::string> lines;
    for (std::string line; std::getline(text, line);) lines.push_back(line);
    return lines;
  }

 private:
  std::ostringstream text_;
  std::shared_ptr<spdlog::logger> before_ = spdlog::default_logger();
};

TEST_F(RequestLogTest, ALineHasEverythingOfItsRequest) {
  pipeline::RequestResult result;
  result.items.resize(2);
  const RequestLogEntry base = Entry();
  pipeline::ItemResult& good = result.items[0];
  for (int i = 0; i < kBorderCount; ++i) {
    good.times.MarkAt(static_cast<Border>(i), base.opened + microseconds(10 * i));
  }
  good.trail = {true, 151'234, 1, 0, 345, 8};
  pipeline::ItemResult& bad = result.items[1];
  bad.status = Status(Code::kImageCorrupt, "no matter");
  bad.times.MarkAt(Border::kAdmitted, base.opened + microseconds(3));
  bad.times.MarkAt(Border::kCollected, base.opened + microseconds(5));
  result.finished = base.opened + microseconds(80);
  RequestLogEntry entry = base;
  entry.model = "a \"b\"\n";
  entry.receive_us = 310;
  entry.parse_us = 40;
  entry.serialise_us = 120;
  entry.total_us = 61'400;
  entry.result = &result;
  auto log = Open();
  log->Write(entry);
  log->Stop();
  EXPECT_EQ(
      Text(),
      "{\"id\":0,\"model\":\"a \\u0022b\\u0022\\u000a\",\"route\":\"/embed\",\"status\":200,"
      "\"started\":1000000,\"opened\":350,\"finished\":430,\"receive\":310,\"parse\":40,\"serialise\":120,"
      "\"total\":61400,\"items\":[{\"code\":\"ok\",\"ref\":true,\"bytes\":151234,"
      "\"at\":[350,360,370,380,390,400,410,420,430],\"decoder\":1,\"stream\":0,\"batch\":345,\"batch_size\":"
      "8},"
      "{\"code\":\"image_corrupt\",\"ref\":false,\"bytes\":0,\"at\":[353,-1,-1,-1,-1,-1,-1,-1,355],"
      "\"decoder\":-1,\"stream\":-1,\"batch\":-1,\"batch_size\":0}]}\n");
}

TEST_F(RequestLogTest, AnImageFromTheCacheSaysSo) {
  pipeline::RequestResult result;
  result.items.resize(1);
  const RequestLogEntry base = Entry();
  pipeline::ItemResult& hit = result.items[0];
  for (const Border border : {Border::kAdmitted, Border::kFetchStart, Border::kFetchEnd, Border::kDecodeStart,
                              Border::kCollected}) {
    hit.times.MarkAt(border, base.opened + microseconds(10 * static_cast<int>(border)));
  }
  hit.trail.bytes = 5;
  hit.trail.looked_up = hit.trail.cached = true;
  RequestLogEntry entry = base;
  entry.result = &result;
  auto log = Open();
  log->Write(entry);
  log->Stop();
  EXPECT_THAT(Text(), HasSubstr("\"at\":[350,360,370,380,-1,-1,-1,-1,430],\"decoder\":-1,\"stream\":-1,"
                                "\"batch\":-1,\"batch_size\":0,\"cached\":true}]}"));
}

TEST_F(RequestLogTest, ARequestThatWasGivenUpHasNoItems) {
  auto log = Open();
  RequestLogEntry entry = Entry();
  entry.status = 499;
  log->Write(entry);
  log->Stop();
  EXPECT_THAT(Text(), HasSubstr("\"status\":499,\"started\":1000000,\"opened\":350,\"finished\":-1,"));
  EXPECT_THAT(Text(), HasSubstr("\"total\":-1,\"items\":[]}\n"));
}

// Moments are rounded before they are subtracted: one moment in two lines adds up to the same figure.
TEST_F(RequestLogTest, TheSameMomentIsTheSameInEveryLine) {
  using std::chrono::nanoseconds;
  const TimePoint moment(nanoseconds(5'000'000'100));
  auto log = Open();
  for (const int64_t started_ns : {999'999'900, 1'000'000'000, 1'000'000'999}) {
    RequestLogEntry entry = Entry();
    entry.started = TimePoint(nanoseconds(started_ns));
    entry.opened = moment;
    log->Write(entry);
  }
  log->Stop();
  const auto lines = Lines();
  ASSERT_EQ(lines.size(), 3U);
  EXPECT_THAT(lines[0], HasSubstr("\"started\":999999,\"opened\":4000001,"));
  EXPECT_THAT(lines[1], HasSubstr("\"started\":1000000,\"opened\":4000000,"));
  EXPECT_THAT(lines[2], HasSubstr("\"started\":1000000,\"opened\":4000000,"));
}

TEST_F(RequestLogTest, LinesKeepTheirOrderAndAreWholeWhenSeveralThreadsWrite) {
  constexpr int kThreads = 4;
  constexpr int kEach = 2000;
  auto log = Open();
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&log, t] {
      RequestLogEntry entry = Entry();
      for (int i = 0; i < kEach; ++i) {
        entry.status = t;
        entry.total_us = i;
        log->Write(entry);
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
  EXPECT_THAT(next, ::testing::Each(kEach));
  EXPECT_EQ(log->lost(), 0U);
}

TEST_F(RequestLogTest, AppendsToWhatIsThere) {
  for (int i = 0; i < 2; ++i) Open()->Write(Entry());
  const auto lines = Lines();
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_EQ(lines[0], lines[1]);
}

TEST_F(RequestLogTest, TheHalfLineOfAKilledServerIsRemoved) {
  const std::string half = "{\"id\":1,\"items\":[" + std::string(10'000, ' ');
  std::ofstream(path_) << "{\"id\":0}\n" << half;
  Open()->Write(Entry());
  const auto lines = Lines();
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_EQ(lines[0], "{\"id\":0}");
  EXPECT_THAT(lines[1], StartsWith("{\"id\":0,\"model\""));
  std::ofstream(path_) << half;  // a file that is nothing but half a line
  Open()->Write(Entry());
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
  for (int i = 0; i < 100; ++i) (*log)->Write(Entry());
  (*log)->Stop();
  EXPECT_EQ((*log)->lost(), 100U);
  const auto warnings = captured.Lines();
  ASSERT_GE(warnings.size(), 1U);
  EXPECT_LE(warnings.size(), 2U) << "one at once, and one at the end for those after it";
  EXPECT_THAT(warnings.back(), HasSubstr("/dev/full: 100 lines lost so far: No space left on device"));
}

// The rest of a line that the disk took half of is written when there is room, before anything else.
TEST_F(RequestLogTest, ADiskThatFillsInsideALineDamagesNone) {
  const CapturedLog captured;
  signal(SIGXFSZ, SIG_IGN);
  Open()->Write(Entry());
  const auto bytes = static_cast<rlim_t>(Text().size());
  std::filesystem::remove(path_);
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  auto log = Open();
  rlimit small = before;
  small.rlim_cur = bytes + bytes / 2;
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  for (int i = 0; i < 3; ++i) log->Write(Entry());
  while (log->lost() == 0) std::this_thread::yield();  // the third: it began behind the end of the disk
  EXPECT_EQ(Text().size(), bytes + bytes / 2);
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
  log->Write(Entry());
  log->Stop();
  signal(SIGXFSZ, SIG_DFL);
  const auto lines = Lines();
  ASSERT_EQ(lines.size(), 3U);
  EXPECT_EQ(IdOf(lines[0]), "{\"id\":0");
  EXPECT_EQ(IdOf(lines[1]), "{\"id\":1");
  EXPECT_EQ(IdOf(lines[2]), "{\"id\":3") << "a gap between ids: that many were lost";
  for (const std::string& line : lines) EXPECT_THAT(line, ::testing::EndsWith("\"items\":[]}"));
  EXPECT_EQ(log->lost(), 1U);
}

// A pipe that nobody reads stands for a disk that has stopped.
TEST_F(RequestLogTest, AFullQueueLosesLinesAndBlocksNobody) {
  const CapturedLog captured;
  ASSERT_EQ(mkfifo(path_.c_str(), 0600), 0);
  const int reader = open(path_.c_str(), O_RDONLY | O_NONBLOCK);
  ASSERT_GE(reader, 0);
  auto log = Open({size_t{32} << 10});
  uint64_t written = 0;
  while (log->lost() == 0 && written < 1'000'000) {
    log->Write(Entry());
    ++written;
  }
  EXPECT_GT(log->lost(), 0U);
  std::thread stopper([&] { log->Stop(); });
  fcntl(reader, F_SETFL, 0);
  std::string text;
  std::vector<char> block(1 << 16);
  for (ssize_t got = 0; (got = read(reader, block.data(), block.size())) > 0;) {
    text.append(block.data(), static_cast<size_t>(got));
  }
  stopper.join();
  close(reader);
  EXPECT_EQ(static_cast<uint64_t>(std::count(text.begin(), text.end(), '\n')), written - log->lost());
  EXPECT_EQ(text.back(), '\n');
  ASSERT_EQ(captured.Lines().size(), 1U);
  EXPECT_THAT(captured.Lines()[0],
              HasSubstr("1 lines lost so far: they came faster than the disk took them"));
}

class ItemTrailTest : public PipelineFixture {};

TEST_F(ItemTrailTest, SaysWhereAnImageCameFromAndWhoWorkedOnIt) {
  Make(2, 1);
  fetcher.automatic = true;
  Answer answer;
  auto request = Open(answer);
  request->Add(Photo("upload"));
  request->Add(pipeline::Reference{"reference"});
  request->Add(pipeline::Reference{"missing"});
  request->Add(Photo("corrupt"));
  request->AddFailed(Status(Code::kBodyTooLarge, "too large"));
  request->Finish();
  const pipeline::RequestResult result = answer.Get();
  ASSERT_EQ(result.items.size(), 5U);
  const auto trail = [&](size_t i) -> const pipeline::ItemTrail& { return result.items[i].trail; };
  const auto sources = [&](auto member) {
    return std::vector{trail(0).*member, trail(1).*member, trail(2).*member, trail(3).*member,
                       trail(4).*member};
  };
  EXPECT_THAT(sources(&pipeline::ItemTrail::by_reference), ElementsAre(false, true, true, false, false));
  EXPECT_THAT(sources(&pipeline::ItemTrail::bytes), ElementsAre(6U, 9U, 0U, 7U, 0U));
  for (const size_t i : {0U, 1U}) {
    EXPECT_THAT(trail(i).decoder, ::testing::AllOf(::testing::Ge(0), ::testing::Lt(2)));
    EXPECT_EQ(trail(i).stream, 0);
    EXPECT_GE(trail(i).batch, 0);
  }
  // Together in one batch or one after the other, as the streams found them.
  const bool together = trail(0).batch == trail(1).batch;
  EXPECT_EQ(trail(0).batch_size, together ? 2 : 1);
  EXPECT_EQ(trail(1).batch_size, together ? 2 : 1);
  EXPECT_EQ(trail(2).decoder, -1);
  EXPECT_GE(trail(3).decoder, 0);
  for (const size_t i : {2U, 3U, 4U}) {
    EXPECT_EQ(trail(i).stream, -1);
    EXPECT_EQ(trail(i).batch, -1);
    EXPECT_EQ(trail(i).batch_size, 0);
  }
}

}  // namespace
}  // namespace photovec::request_log
