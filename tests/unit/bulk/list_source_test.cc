// SPDX-License-Identifier: MIT
#include "bulk/list_source.h"

#include <gmock/gmock.h>
#include <unistd.h>

#include "unit/bulk/temporary_folder.h"

namespace photovec::bulk {
namespace {

using ::testing::HasSubstr;

class ListSourceTest : public FolderTest {
 protected:
  std::string List(const std::string& text, char separator) {
    Write("list", text);
    auto list = ListSource::Open(Path("list"), separator);
    EXPECT_TRUE(list.ok()) << list.status().ToString();
    std::string names;
    while (auto found = (*list)->Next()) {
      names += (found->status.ok() ? "" : "!" + std::string(found->status.name()) + " ") + found->path + "|";
    }
    status_ = (*list)->status();
    empty_lines_ = (*list)->passed_over().empty_lines;
    return names;
  }
  Status status_;
  int64_t empty_lines_ = 0;
};

TEST_F(ListSourceTest, NamesInTheirOrderWithErrorsAmongThem) {
  Write("b.jpg");
  Write("new\nline.jpg");
  const std::string b = Path("b.jpg");
  EXPECT_EQ(List(b + "\n\nnone.jpg\n" + root_.string() + "\n" + b, '\n'),
            b + "|!not_found none.jpg|!source_failed " + root_.string() + "|" + b + "|");
  EXPECT_EQ(empty_lines_, 1);
  EXPECT_EQ(List(Path("new\nline.jpg") + std::string(1, '\0') + b, '\0'),
            Path("new\nline.jpg") + "|" + b + "|");
  EXPECT_TRUE(status_.ok());
}

TEST_F(ListSourceTest, WhatIsNoListIsAnErrorAndNotItsEnd) {
  Write("b.jpg");
  EXPECT_EQ(List(Path("b.jpg") + std::string("\0\0", 2) + "\n", '\n'), "");
  EXPECT_THAT(status_.message(), HasSubstr("--null"));
  EXPECT_EQ(List(Path("b.jpg") + "\n" + std::string(3 << 20, 'x'), '\n'), Path("b.jpg") + "|");
  EXPECT_THAT(status_.message(), HasSubstr("more than 1 MiB at byte"));
  EXPECT_EQ(ListSource::Open(Path("none"), '\n').status().code(), Code::kNotFound);
  auto folder = ListSource::Open(root_.string(), '\n');
  ASSERT_TRUE(folder.ok());
  EXPECT_FALSE((*folder)->Next());
  EXPECT_THAT((*folder)->status().message(), HasSubstr("Is a directory"));
}

TEST_F(ListSourceTest, LinesAcrossPiecesKeepTheirPlaces) {
  std::string text;
  for (int i = 0; i < 20'000; ++i) text += "line number " + std::to_string(i) + "\n";
  Write("list", text + "rest");
  auto reader = LineReader::Open(Path("list"));
  ASSERT_TRUE(reader.ok());
  uint64_t end = 0;
  for (int i = 0; i < 20'000; ++i) {
    const auto line = reader->Next();
    ASSERT_TRUE(line.ok() && *line);
    const std::string expected = "line number " + std::to_string(i);
    end += expected.size() + 1;
    ASSERT_EQ((*line)->text, expected);
    ASSERT_TRUE((*line)->terminated);
    ASSERT_EQ((*line)->end, end);
  }
  const auto rest = reader->Next();
  ASSERT_TRUE(rest.ok() && *rest);
  EXPECT_FALSE((*rest)->terminated);
  EXPECT_FALSE(reader->Next()->has_value());
}

TEST_F(ListSourceTest, APipeIsReadyWhenALineOrItsEndIsThere) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  LineReader reader(FileDescriptor(ends[0]), "pipe");
  EXPECT_FALSE(reader.Ready());
  ASSERT_EQ(write(ends[1], "abc", 3), 3);
  EXPECT_FALSE(reader.Ready()) << "a part of a line is none";
  ASSERT_EQ(write(ends[1], "d\ne", 3), 3);
  EXPECT_TRUE(reader.Ready());
  EXPECT_EQ((**reader.Next()).text, "abcd");
  EXPECT_FALSE(reader.Ready());
  close(ends[1]);
  EXPECT_TRUE(reader.Ready());
  EXPECT_EQ((**reader.Next()).text, "e");
}

}  // namespace
}  // namespace photovec::bulk
