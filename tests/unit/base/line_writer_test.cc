// SPDX-License-Identifier: MIT
#include "base/line_writer.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "base/clock.h"
#include "base/log.h"

namespace photovec {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::HasSubstr;

/// A pipe whose reader reads when it is told to.
class Pipe {
 public:
  Pipe() { EXPECT_EQ(pipe2(ends_.data(), O_CLOEXEC), 0); }
  ~Pipe() {
    if (ends_[0] >= 0) close(ends_[0]);
    close(ends_[1]);
  }
  int writer() const { return ends_[1]; }
  void CloseReader() {
    close(ends_[0]);
    ends_[0] = -1;
  }
  /// Reads until `lines` lines are here.
  std::string Read(size_t lines) {
    std::array<char, 4096> block;
    while (static_cast<size_t>(std::count(text_.begin(), text_.end(), '\n')) < lines) {
      const ssize_t got = read(ends_[0], block.data(), block.size());
      if (got <= 0) break;
      text_.append(block.data(), static_cast<size_t>(got));
    }
    return text_;
  }

 private:
  std::array<int, 2> ends_{-1, -1};
  std::string text_;
};

LineWriterOptions Quick() {
  LineWriterOptions options;
  options.gather = milliseconds(0);
  options.patience = milliseconds(100);
  options.max_waiting_bytes = 64 << 10;
  return options;
}

std::string LineOf(int i) { return std::to_string(i) + std::string(200, '.') + "\n"; }

TEST(LineWriter, APipeThatNobodyReadsHoldsUpNeitherWritersNorTheEnd) {
  Pipe pipe;
  auto lines = LineWriter::To(pipe.writer(), Quick());
  const TimePoint begun = Clock::now();
  for (int i = 0; i < 100'000; ++i) lines->Write(LineOf(i));  // 20 MB; the pipe takes 64 KiB
  EXPECT_FALSE(lines->Flush(milliseconds(20)));
  lines->Stop();
  EXPECT_LT(Clock::now() - begun, seconds(20));
  const uint64_t lost = lines->lost().full;
  EXPECT_GT(lost, 90'000U);
  EXPECT_LE(lines->lost().failed, 1U) << "only the one that the pipe took half of";
  EXPECT_EQ(fcntl(pipe.writer(), F_GETFL) & O_NONBLOCK, 0) << "its flags belong to others, too";
}

TEST(LineWriter, WhenTheReaderComesBackWholeLinesAndALossThatAddsUpCome) {
  Pipe pipe;
  auto lines = LineWriter::To(pipe.writer(), Quick());
  uint64_t accepted = 0;
  for (int i = 0; i < 10'000; ++i) accepted += lines->Write(LineOf(i)) ? 1 : 0;
  EXPECT_EQ(accepted + lines->lost().total(), 10'000U);
  std::istringstream text(pipe.Read(accepted));
  int before = -1;
  uint64_t count = 0;
  for (std::string line; std::getline(text, line); ++count) {
    const int number = std::stoi(line);
    EXPECT_GT(number, before);
    EXPECT_EQ(line + "\n", LineOf(number));
    before = number;
  }
  EXPECT_EQ(count, accepted);
  EXPECT_TRUE(lines->Flush(seconds(10)));
  EXPECT_TRUE(lines->Write("again\n"));
  EXPECT_THAT(pipe.Read(accepted + 1), testing::EndsWith("\nagain\n"));
}

TEST(LineWriter, AReaderThatIsGoneFailsLinesAndNothingElse) {
  const auto before = signal(SIGPIPE, SIG_IGN);
  Pipe pipe;
  pipe.CloseReader();
  auto lines = LineWriter::To(pipe.writer(), Quick());
  EXPECT_TRUE(lines->Write("a\n"));
  lines->Stop();
  EXPECT_EQ(lines->lost().failed, 1U);
  EXPECT_FALSE(lines->Write("late\n"));
  EXPECT_EQ(lines->lost().full, 1U);
  signal(SIGPIPE, before);
}

TEST(LineWriter, TheTickAddsLinesOfItsOwn) {
  Pipe pipe;
  LineWriterOptions options = Quick();
  int ticks = 0;
  options.tick = [&ticks](std::string& out) { out += "tick " + std::to_string(++ticks) + "\n"; };
  auto lines = LineWriter::To(pipe.writer(), std::move(options));
  EXPECT_EQ(pipe.Read(1), "tick 1\n");
  lines->Stop();
}

class LineFile : public testing::Test {
 protected:
  LineFile() {
    std::string folder = testing::TempDir() + "linesXXXXXX";
    folder_ = mkdtemp(folder.data());
    log::SetSink([](std::string_view) {});
  }
  ~LineFile() override {
    log::SetSink({});
    std::filesystem::remove_all(folder_);
  }
  std::string Path(const std::string& name) const { return (folder_ / name).string(); }
  std::string Text(const std::string& name) const {
    std::ifstream file(Path(name));
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
  }
  static LineWriterOptions Named() {
    LineWriterOptions options;
    options.what = "the test log";
    options.flag = "--test-log";
    return options;
  }
  std::filesystem::path folder_;
};

TEST_F(LineFile, AfterItWasRenamedANewOneIsWritten) {
  auto lines = LineWriter::Open(Path("a"), Named());
  ASSERT_TRUE(lines.ok());
  (*lines)->Write("1\n");
  ASSERT_TRUE((*lines)->Flush(seconds(10)));
  std::filesystem::rename(Path("a"), Path("a.1"));
  (*lines)->Write("2\n");
  ASSERT_TRUE((*lines)->Flush(seconds(10)));
  (*lines)->Reopen();
  while (!std::filesystem::exists(Path("a"))) std::this_thread::yield();
  (*lines)->Write("3\n");
  (*lines)->Stop();
  EXPECT_EQ(Text("a.1"), "1\n2\n");
  EXPECT_EQ(Text("a"), "3\n");
}

TEST_F(LineFile, WhenItCannotBeOpenedAnewTheOldOneIsWrittenOn) {
  std::filesystem::create_directory(Path("d"));
  auto lines = LineWriter::Open(Path("d/a"), Named());
  ASSERT_TRUE(lines.ok());
  (*lines)->Write("1\n");
  ASSERT_TRUE((*lines)->Flush(seconds(10)));
  std::filesystem::rename(Path("d"), Path("e"));
  (*lines)->Reopen();
  (*lines)->Write("2\n");
  (*lines)->Stop();
  EXPECT_EQ(Text("e/a"), "1\n2\n");
}

TEST_F(LineFile, AnErrorNamesTheFileTheReasonAndTheFlag) {
  const auto lines = LineWriter::Open(Path("none/a"), Named());
  ASSERT_FALSE(lines.ok());
  EXPECT_EQ(lines.status().code(), Code::kUnavailable);
  EXPECT_THAT(lines.status().message(),
              testing::AllOf(HasSubstr("the test log"), HasSubstr("No such file"), HasSubstr("--test-log")));
}

}  // namespace
}  // namespace photovec
