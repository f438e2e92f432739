// SPDX-License-Identifier: MIT
#include "bulk/reader.h"

#include <gmock/gmock.h>
#include <sys/stat.h>

#include <chrono>
#include <future>

#include "unit/bulk/temporary_folder.h"

namespace photovec::bulk {
namespace {

using ::testing::HasSubstr;

class ReaderTest : public FolderTest {};

TEST_F(ReaderTest, ReadWholeFile) {
  Write("a.bin", "hello");
  const auto bytes = ReadWholeFile(Path("a.bin"), 5);
  ASSERT_TRUE(bytes.ok());
  EXPECT_EQ(std::string(bytes->view().begin(), bytes->view().end()), "hello");
  EXPECT_EQ(ReadWholeFile(Path("a.bin"), 4).status().code(), Code::kBodyTooLarge);
  EXPECT_EQ(ReadWholeFile(Path("b.bin"), 4).status().code(), Code::kNotFound);
  EXPECT_EQ(ReadWholeFile(root_.string(), 4).status().code(), Code::kSourceFailed);
  ASSERT_EQ(mkfifo(Path("pipe").c_str(), 0600), 0);
  const Status pipe = ReadWholeFile(Path("pipe"), 4).status();
  EXPECT_EQ(pipe.code(), Code::kSourceFailed);
  EXPECT_THAT(pipe.message(), HasSubstr("pipe: it is not a regular file"));
}

TEST_F(ReaderTest, AFileThatChangesIsReadAgainAndThenAnError) {
  Write("a.bin", "hello");
  int changes = 0;
  int times = 0;
  const auto change = [&] {  // asked once a reading, since it is a small file
    if (++times <= changes) Write("a.bin", "hello" + std::string(static_cast<size_t>(times), '!'));
    return Status::Ok();
  };
  changes = 2;
  const auto third = ReadWholeFile(Path("a.bin"), 100, change);
  ASSERT_TRUE(third.ok()) << third.status().ToString();
  EXPECT_EQ(third->size(), 7U);
  EXPECT_EQ(times, 3);
  times = 0;
  changes = 100;
  const Status never = ReadWholeFile(Path("a.bin"), 1000, change).status();
  EXPECT_EQ(never.code(), Code::kSourceChanged);
  EXPECT_THAT(never.message(), HasSubstr("a.bin was changed while it was read, 4 times in a row"));
}

TEST_F(ReaderTest, AFileThatWasWrittenJustNowIsReadABitLater) {
  Write("a.bin", "hello");
  const auto written = std::filesystem::last_write_time(root_ / "a.bin");
  ASSERT_TRUE(ReadWholeFile(Path("a.bin"), 100).ok());
  const auto age = std::chrono::file_clock::now() - written;
  EXPECT_GE(age, std::chrono::milliseconds(20)) << "else a second write in the same tick would not show";
}

TEST_F(ReaderTest, AnswersOnceAndHonoursCancellation) {
  Write("a.bin", "hello");
  PathReader reader(2, 16);
  std::promise<Result<Bytes>> read;
  reader.Fetch({Path("a.bin"), {}, nullptr, 100}, [&](Result<Bytes> got) { read.set_value(std::move(got)); });
  EXPECT_TRUE(read.get_future().get().ok());
  auto cancel = std::make_shared<CancelFlag>();
  cancel->Cancel();
  std::promise<Result<Bytes>> cancelled;
  reader.Fetch({Path("a.bin"), {}, cancel, 100},
               [&](Result<Bytes> got) { cancelled.set_value(std::move(got)); });
  EXPECT_EQ(cancelled.get_future().get().status().code(), Code::kCancelled);
}

}  // namespace
}  // namespace photovec::bulk
