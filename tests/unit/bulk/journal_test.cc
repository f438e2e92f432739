// SPDX-License-Identifier: MIT
#include "bulk/journal.h"

#include <gmock/gmock.h>

#include "unit/bulk/temporary_folder.h"

namespace photovec::bulk {
namespace {

using ::testing::HasSubstr;

class JournalTest : public FolderTest {
 protected:
  static Checkpoint At(int64_t lines) {
    Checkpoint checkpoint;
    checkpoint.lines = lines;
    checkpoint.rows = lines - 1;
    checkpoint.lines_bytes = 100 * static_cast<uint64_t>(lines);
    checkpoint.files_bytes = 30 * static_cast<uint64_t>(lines);
    checkpoint.rows_crc = 0xffffffff;
    checkpoint.lines_crc = 7;
    checkpoint.milliseconds = 1234;
    checkpoint.failures = {{"image_corrupt", 1}};
    return checkpoint;
  }
  // Three checkpoints; returns the journal's bytes.
  std::string Make() {
    auto journal = Journal::Create(Path("j"), {{"--alpha", "drop"}, {"INPUT", "[\"a\\\"b\"]"}});
    EXPECT_TRUE(journal.ok()) << journal.status().ToString();
    for (const int64_t lines : {10, 20, 30}) EXPECT_TRUE((*journal)->Add(At(lines)).ok());
    return Read("j");
  }
  JournalContent ReadBack() {
    auto content = ReadJournal(Path("j"));
    EXPECT_TRUE(content.ok()) << content.status().ToString();
    return content.ok() ? *content : JournalContent();
  }
};

TEST_F(JournalTest, ReadsBack) {
  const std::string bytes = Make();
  const JournalContent content = ReadBack();
  EXPECT_EQ(content.run, (RunFacts{{"--alpha", "drop"}, {"INPUT", "[\"a\\\"b\"]"}}));
  ASSERT_EQ(content.checkpoints.size(), 3U);
  const Checkpoint& last = content.checkpoints[2];
  EXPECT_EQ(last.lines, 30);
  EXPECT_EQ(last.rows, 29);
  EXPECT_EQ(last.lines_bytes, 3000U);
  EXPECT_EQ(last.files_bytes, 900U);
  EXPECT_EQ(last.rows_crc, 0xffffffff);
  EXPECT_EQ(last.lines_crc, 7U);
  EXPECT_EQ(last.milliseconds, 1234);
  EXPECT_EQ(last.failures.at("image_corrupt"), 1);
  EXPECT_EQ(last.journal_end, bytes.size());
  EXPECT_FALSE(content.finished);
}

TEST_F(JournalTest, CutAnywhereItIsWhatWasWholeBefore) {
  const std::string bytes = Make();
  const JournalContent whole = ReadBack();
  for (size_t length = 0; length < bytes.size(); ++length) {
    Write("j", bytes.substr(0, length));
    const auto content = ReadJournal(Path("j"));
    if (length < whole.head_end) {
      EXPECT_EQ(content.status().code(), Code::kUnavailable) << length;
      continue;
    }
    ASSERT_TRUE(content.ok()) << length;
    size_t expected = 0;
    while (whole.checkpoints[expected].journal_end <= length) ++expected;
    EXPECT_EQ(content->checkpoints.size(), expected) << length;
  }
}

TEST_F(JournalTest, AnyByteThatChangedEndsIt) {
  const std::string bytes = Make();
  const JournalContent whole = ReadBack();
  for (size_t at = 0; at < bytes.size(); ++at) {
    std::string damaged = bytes;
    damaged[at] = static_cast<char>(damaged[at] ^ 1);
    Write("j", damaged);
    const auto content = ReadJournal(Path("j"));
    if (at < whole.head_end) {
      EXPECT_FALSE(content.ok()) << at;
      continue;
    }
    ASSERT_TRUE(content.ok()) << at;
    size_t expected = 0;
    while (whole.checkpoints[expected].journal_end <= at) ++expected;
    EXPECT_EQ(content->checkpoints.size(), expected) << at;
  }
}

TEST_F(JournalTest, GarbageBehindItIsCutWhenItGoesOn) {
  const std::string bytes = Make();
  const uint64_t end = ReadBack().checkpoints[1].journal_end;
  for (const std::string& garbage : {std::string("\0\0\0\0", 4), std::string("deadbeef {}\n"),
                                     std::string(2 << 20, 'x'), std::string("\n\n\n")}) {
    Write("j", bytes + garbage);
    EXPECT_EQ(ReadBack().checkpoints.size(), 3U);
  }
  auto journal = Journal::Open(Path("j"), end);
  ASSERT_TRUE(journal.ok()) << journal.status().ToString();
  ASSERT_TRUE((*journal)->Add(At(25)).ok());
  ASSERT_TRUE((*journal)->AddFinished().ok());
  const JournalContent content = ReadBack();
  ASSERT_EQ(content.checkpoints.size(), 3U);
  EXPECT_EQ(content.checkpoints[2].lines, 25);
  EXPECT_TRUE(content.finished);
}

TEST_F(JournalTest, WhatIsNoJournal) {
  EXPECT_EQ(ReadJournal(Path("none")).status().code(), Code::kNotFound);
  Write("j", "");
  EXPECT_THAT(ReadJournal(Path("j")).status().message(), HasSubstr("no journal of this version"));
  EXPECT_EQ(Journal::Open(Path("j"), 10).status().code(), Code::kUnavailable) << "shorter than it should be";
  EXPECT_THAT(Journal::Create(Path("no/j"), {}).status().message(), HasSubstr("no/j: No such file"));
}

}  // namespace
}  // namespace photovec::bulk
