// SPDX-License-Identifier: MIT
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <future>
#include <iterator>
#include <string>
#include <vector>

#include "bulk/npy.h"
#include "bulk/output.h"
#include "bulk/reader.h"
#include "bulk/walker.h"

namespace photovec::bulk {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class Files : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto* info = ::testing::UnitTest::GetInstance()->current_test_info();
    root_ = fs::path(::testing::TempDir()) / ("photovec_" + std::string(info->name()));
    fs::remove_all(root_);
    fs::create_directories(root_);
  }
  void TearDown() override { fs::remove_all(root_); }

  std::string Path(const std::string& name) const { return (root_ / name).string(); }
  void Touch(const std::string& name, const std::string& content = "x") const {
    fs::create_directories((root_ / name).parent_path());
    std::ofstream(root_ / name, std::ios::binary) << content;
  }
  static std::string Read(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  std::vector<std::string> Walk(const std::vector<std::string>& inputs, bool all_files) const {
    PathWalker walker(inputs, all_files);
    std::vector<std::string> names;
    while (auto found = walker.Next()) {
      names.push_back((found->status.ok() ? "" : "!") +
                      fs::path(found->path).lexically_relative(root_).string());
    }
    return names;
  }
  fs::path root_;
};

TEST_F(Files, NpyReadsBack) {
  const std::string path = Path("v.npy");
  auto writer = NpyWriter::Create(path);
  ASSERT_TRUE(writer.ok()) << writer.status().ToString();
  std::vector<float> expected;
  for (int row = 0; row < 1000; ++row) {
    std::vector<float> values(300);
    for (size_t i = 0; i < values.size(); ++i)
      values[i] = static_cast<float>(row) + 0.001F * static_cast<float>(i);
    ASSERT_TRUE((*writer)->Append(values).ok());
    expected.insert(expected.end(), values.begin(), values.end());
  }
  EXPECT_FALSE(fs::exists(path)) << "visible before it is whole";
  ASSERT_TRUE((*writer)->Commit(300).ok());

  const std::string bytes = Read(path);
  ASSERT_GT(bytes.size(), 128U);
  EXPECT_EQ(bytes.substr(0, 8), std::string("\x93NUMPY\x01\x00", 8));
  const size_t header = 10 + static_cast<uint8_t>(bytes[8]) + 256U * static_cast<uint8_t>(bytes[9]);
  EXPECT_EQ(header % 64, 0U);
  EXPECT_EQ(bytes[header - 1], '\n');
  EXPECT_THAT(bytes.substr(0, header),
              HasSubstr("'descr': '<f4', 'fortran_order': False, 'shape': (1000, 300)"));
  ASSERT_EQ(bytes.size() - header, expected.size() * sizeof(float));
  EXPECT_EQ(std::memcmp(bytes.data() + header, expected.data(), expected.size() * sizeof(float)), 0);
}

TEST_F(Files, NpyWithoutRowsKeepsItsWidth) {
  auto writer = NpyWriter::Create(Path("v.npy"));
  ASSERT_TRUE(writer.ok());
  ASSERT_TRUE((*writer)->Commit(512).ok());
  EXPECT_THAT(Read(Path("v.npy")), HasSubstr("(0, 512)"));
}

TEST_F(Files, NpyRefusesRowsOfAnotherWidth) {
  auto writer = NpyWriter::Create(Path("v.npy"));
  ASSERT_TRUE(writer.ok());
  EXPECT_TRUE((*writer)->Append(std::vector<float>(3)).ok());
  EXPECT_EQ((*writer)->Append(std::vector<float>(4)).code(), Code::kInternal);
}

TEST_F(Files, WithoutCommitNothingRemains) {
  {
    auto writer = NpyWriter::Create(Path("v.npy"));
    ASSERT_TRUE(writer.ok());
    EXPECT_FALSE(fs::is_empty(root_));
  }
  EXPECT_TRUE(fs::is_empty(root_));
}

TEST_F(Files, WritingIntoNoFolderIsAnError) {
  const auto writer = NpyWriter::Create(Path("missing/v.npy"));
  ASSERT_FALSE(writer.ok());
  EXPECT_THAT(writer.status().message(), HasSubstr("missing/v.npy: No such file"));
}

TEST_F(Files, WalkIsSortedRecursiveAndFiltered) {
  Touch("b/2.JPG");
  Touch("b/1.jpeg");
  Touch("a.png");
  Touch("c.webp");
  Touch("notes.txt");
  Touch("._c.webp");
  Touch(".thumbs/x.jpg");
  EXPECT_THAT(Walk({root_.string()}, false), ElementsAre("a.png", "b/1.jpeg", "b/2.JPG", "c.webp"));
  EXPECT_THAT(Walk({root_.string()}, true), ElementsAre("._c.webp", ".thumbs/x.jpg", "a.png", "b/1.jpeg",
                                                        "b/2.JPG", "c.webp", "notes.txt"));
  PathWalker walker({root_.string()}, false);
  while (walker.Next()) {
  }
  EXPECT_EQ(walker.skipped(), 3);
}

TEST_F(Files, WalkTakesNamedFilesInTheirOrder) {
  Touch("z.txt");
  Touch("d/a.jpg");
  EXPECT_THAT(Walk({Path("z.txt"), Path("d"), Path("gone.jpg"), Path("d/a.jpg")}, false),
              ElementsAre("z.txt", "d/a.jpg", "!gone.jpg", "d/a.jpg"));
}

TEST_F(Files, WalkFollowsLinksButNoLoops) {
  Touch("d/a.jpg");
  Touch("elsewhere/b.jpg");
  fs::create_directory_symlink(root_ / "d", root_ / "d/loop");
  fs::create_directory_symlink(root_ / "elsewhere", root_ / "d/other");
  fs::create_symlink(root_ / "nowhere", root_ / "d/dangling.jpg");
  ASSERT_EQ(mkfifo(Path("d/pipe.jpg").c_str(), 0600), 0);
  EXPECT_THAT(Walk({Path("d")}, false), ElementsAre("d/a.jpg", "!d/dangling.jpg", "d/other/b.jpg"));
}

TEST_F(Files, ReadWholeFile) {
  Touch("a.bin", "hello");
  const auto bytes = ReadWholeFile(Path("a.bin"), 5);
  ASSERT_TRUE(bytes.ok());
  EXPECT_EQ(std::string(bytes->view().begin(), bytes->view().end()), "hello");
  EXPECT_EQ(ReadWholeFile(Path("a.bin"), 4).status().code(), Code::kBodyTooLarge);
  EXPECT_EQ(ReadWholeFile(Path("b.bin"), 4).status().code(), Code::kNotFound);
  EXPECT_EQ(ReadWholeFile(root_.string(), 4).status().code(), Code::kSourceFailed);
  ASSERT_EQ(mkfifo(Path("pipe").c_str(), 0600), 0);
  EXPECT_EQ(ReadWholeFile(Path("pipe"), 4).status().code(), Code::kSourceFailed);
}

TEST_F(Files, PathReaderAnswersOnceAndHonoursCancellation) {
  Touch("a.bin", "hello");
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

TEST_F(Files, LinesAreUtf8AndKeepTheBytesOfOddNames) {
  auto output = EmbedOutput::Create(Path("v.npy"));
  ASSERT_TRUE(output.ok()) << output.status().ToString();
  pipeline::ItemResult good;
  good.embedding = {1, 0};
  ASSERT_TRUE((*output)->Add("caf\xc3\xa9 \"1\".jpg", good).ok());
  ASSERT_TRUE((*output)->Add("caf\xe9.jpg", good).ok());
  pipeline::ItemResult bad;
  bad.status = {Code::kImageCorrupt, "cut"};
  ASSERT_TRUE((*output)->Add("b.jpg", bad).ok());
  ASSERT_TRUE((*output)->Commit(2, "{}").ok());
  EXPECT_EQ(Read(Path("v.jsonl")),
            "{\"path\":\"caf\xc3\xa9 \\\"1\\\".jpg\",\"row\":0,\"error\":null}\n"
            "{\"path\":\"caf\xef\xbf\xbd.jpg\",\"path_base64\":\"Y2Fm6S5qcGc=\",\"row\":1,\"error\":null}\n"
            "{\"path\":\"b.jpg\",\"row\":null,\"error\":{\"code\":\"image_corrupt\",\"message\":\"cut\"}}\n");
}

TEST(PathWalker, ImageExtensions) {
  EXPECT_TRUE(HasImageExtension("a.b.JPeG"));
  EXPECT_FALSE(HasImageExtension("jpg"));
  EXPECT_FALSE(HasImageExtension("a.jpg.txt"));
}

}  // namespace
}  // namespace photovec::bulk
