// SPDX-License-Identifier: MIT
#include "base/files.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <utility>

#include "base/vectors.h"

namespace photovec {
namespace {

class ReadFileTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::path(::testing::TempDir()) / ("photovec_files_" + std::to_string(getpid()));
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::string Path(const std::string& name) const { return (folder_ / name).string(); }
  std::filesystem::path folder_;
};

TEST_F(ReadFileTest, WholeFilesUpToTheLimit) {
  const std::string text("a\0b\n", 4);
  std::ofstream(Path("f"), std::ios::binary) << text;
  EXPECT_EQ(ReadFile(Path("f"), 4).value(), text);
  const auto too_large = ReadFile(Path("f"), 3);
  ASSERT_FALSE(too_large.ok());
  EXPECT_EQ(too_large.status().ToString(), "body_too_large: has 4 bytes; at most 3 are allowed");
  std::ofstream(Path("empty"), std::ios::binary).flush();
  EXPECT_EQ(ReadFile(Path("empty"), 0).value(), "");
}

TEST_F(ReadFileTest, PointersOfGitLfsAreNamed) {
  std::ofstream(Path("f")) << "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n";
  const auto read = ReadFile(Path("f"), 1000);
  EXPECT_EQ(read.status().code(), Code::kInvalidRequest);
  EXPECT_NE(read.status().message().find("git lfs pull"), std::string::npos);
}

TEST_F(ReadFileTest, WhatIsNoFile) {
  EXPECT_EQ(ReadFile(Path("none"), 9).status().ToString(), "not_found: No such file or directory");
  EXPECT_EQ(ReadFile(folder_.string(), 9).status().code(), Code::kInvalidRequest);
  EXPECT_EQ(ReadFile(folder_.string(), 9, FileKind::kAny).status().code(), Code::kUnavailable);
  ASSERT_EQ(mkfifo(Path("pipe").c_str(), 0600), 0);
  EXPECT_EQ(ReadFile(Path("pipe"), 9).status().code(), Code::kInvalidRequest) << "and it does not hang";
}

TEST_F(ReadFileTest, PipesAndFilesOfProcSayNoSize) {
  ASSERT_EQ(mkfifo(Path("pipe").c_str(), 0600), 0);
  const std::string text(100'000, 'x');
  std::thread writer([&] { std::ofstream(Path("pipe"), std::ios::binary) << text; });
  EXPECT_EQ(ReadFile(Path("pipe"), 1 << 20, FileKind::kAny).value(), text);
  writer.join();
  EXPECT_FALSE(ReadFile("/proc/self/cmdline", 1 << 20).value().empty());
  EXPECT_EQ(ReadFile("/proc/self/status", 10).status().code(), Code::kBodyTooLarge);
}

TEST(FileDescriptor, ClosesOnceAndMoves) {
  const int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
  ASSERT_GE(fd, 0);
  {
    FileDescriptor first(fd);
    FileDescriptor second(std::move(first));
    EXPECT_FALSE(
        first.valid());  // NOLINT(bugprone-use-after-move): what a move leaves is part of the contract
    FileDescriptor third;
    third = std::move(second);
    EXPECT_EQ(third.get(), fd);
    EXPECT_GE(fcntl(fd, F_GETFD), 0);
  }
  EXPECT_EQ(fcntl(fd, F_GETFD), -1);
}

TEST(Npy, HeadersHaveOneSize) {
  for (const int64_t rows : {int64_t{0}, int64_t{1}, int64_t{123'456'789}, INT64_MAX}) {
    const std::string header = NpyHeader(rows, INT64_MAX);
    EXPECT_EQ(header.size(), 128U);
    EXPECT_EQ(header.substr(0, 10), std::string("\x93NUMPY\x01\x00\x76\x00", 10));
    EXPECT_EQ(header.back(), '\n');
    EXPECT_NE(header.find("'shape': (" + std::to_string(rows) + ", "), std::string::npos);
  }
}

}  // namespace
}  // namespace photovec
