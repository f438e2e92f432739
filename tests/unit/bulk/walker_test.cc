// SPDX-License-Identifier: MIT
#include "bulk/walker.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/stat.h>

#include <algorithm>
#include <string>
#include <vector>

#include "testing/test_images.h"
#include "unit/bulk/temporary_folder.h"

namespace photovec::bulk {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class PathWalkerTest : public FolderTest {
 protected:
  std::vector<std::string> Walk(const std::vector<std::string>& inputs, bool all_files = false) {
    PathWalker walker(inputs, all_files);
    std::vector<std::string> names;
    while (auto found = walker.Next()) {
      names.push_back((found->status.ok() ? "" : "!") +
                      fs::path(found->path).lexically_relative(root_).string());
    }
    passed_over_ = walker.passed_over();
    return names;
  }
  PassedOver passed_over_;
};

TEST_F(PathWalkerTest, SortedRecursiveAndFiltered) {
  Write("b/2.JPG");
  Write("b/1.jpeg");
  Write("a.png");
  Write("c.webp");
  Write("notes.txt");
  Write("._c.webp");
  Write(".thumbs/x.jpg");
  EXPECT_THAT(Walk({root_.string()}), ElementsAre("a.png", "b/1.jpeg", "b/2.JPG", "c.webp"));
  EXPECT_EQ(passed_over_.by_name, 3);
  EXPECT_THAT(Walk({root_.string()}, true), ElementsAre("._c.webp", ".thumbs/x.jpg", "a.png", "b/1.jpeg",
                                                        "b/2.JPG", "c.webp", "notes.txt"));
}

TEST_F(PathWalkerTest, NamedFilesInTheirOrder) {
  Write("z.txt");
  Write("d/a.jpg");
  EXPECT_THAT(Walk({Path("z.txt"), Path("d"), Path("gone.jpg"), Path("d/a.jpg")}),
              ElementsAre("z.txt", "d/a.jpg", "!gone.jpg", "d/a.jpg"));
}

TEST_F(PathWalkerTest, FilesAreKnownBySizeTimeAndInput) {
  Write("a.jpg", "123");
  Write("d/b.jpg", "12345");
  const timespec times[2] = {{100, 7}, {200, 9}};
  ASSERT_EQ(utimensat(AT_FDCWD, Path("a.jpg").c_str(), times, 0), 0);
  PathWalker walker({Path("a.jpg"), Path("d")}, false);
  const auto first = walker.Next();
  ASSERT_TRUE(first);
  EXPECT_EQ(first->id, (FileId{0, 3, 200'000'000'009}));
  const auto second = walker.Next();
  ASSERT_TRUE(second);
  EXPECT_EQ(second->id.input, 1U);
  EXPECT_EQ(second->id.size, 5);
}

TEST_F(PathWalkerTest, LinksAreFollowedButNoLoops) {
  Write("d/a.jpg");
  Write("elsewhere/b.jpg");
  fs::create_directory_symlink(root_ / "d", root_ / "d/loop");
  fs::create_directory_symlink(root_ / "elsewhere", root_ / "d/other");
  fs::create_symlink(root_ / "nowhere", root_ / "d/dangling.jpg");
  fs::create_symlink(root_ / "unmounted", root_ / "d/archive");
  fs::create_symlink("self", root_ / "d/self");
  ASSERT_EQ(mkfifo(Path("d/pipe.jpg").c_str(), 0600), 0);
  EXPECT_THAT(Walk({Path("d")}),
              ElementsAre("d/a.jpg", "!d/archive", "!d/dangling.jpg", "d/other/b.jpg", "!d/self"));
  EXPECT_EQ(passed_over_.loops, 1);
  EXPECT_EQ(passed_over_.not_files, 1);
}

TEST_F(PathWalkerTest, LinksAcrossEachOtherDoNotMultiply) {
  // 2 links in each of 40 folders to the next: 2^30 paths.
  constexpr int kDepth = 30;
  for (int i = 0; i < kDepth; ++i) {
    Write("l" + std::to_string(i) + "/p.jpg");
    for (const char* name : {"/x", "/y"}) {
      fs::create_directory_symlink(root_ / ("l" + std::to_string(i + 1)),
                                   root_ / ("l" + std::to_string(i) + name));
    }
  }
  Write("l" + std::to_string(kDepth) + "/p.jpg");
  const auto names = Walk({Path("l0")});
  EXPECT_EQ(names.size(), kDepth + 1U);
  EXPECT_EQ(passed_over_.seen_folders, kDepth);
  EXPECT_THAT(Walk({Path("l29"), Path("l29")}),
              ElementsAre("l29/p.jpg", "l29/x/p.jpg", "l29/p.jpg", "l29/x/p.jpg"))
      << "each input is searched for itself";
}

TEST_F(PathWalkerTest, AnOrdinaryFolderIsNoLoopAndAWideOneKeepsItsOrder) {
  std::vector<std::string> expected;
  for (int i = 0; i < 2000; ++i) {
    const std::string name = "n" + std::to_string(i) + ".jpg";
    Write("wide/" + name);
    expected.push_back("wide/" + name);
  }
  std::sort(expected.begin(), expected.end());
  EXPECT_EQ(Walk({Path("wide")}), expected);
}

TEST_F(PathWalkerTest, NamesTooLongForTheSystemAreErrors) {
  EXPECT_THAT(Walk({Path(std::string(5000, 'a') + ".jpg")}).at(0), HasSubstr("!"));
  PathWalker walker({Path("none")}, false);
  const auto found = walker.Next();
  ASSERT_TRUE(found);
  EXPECT_EQ(found->status.code(), Code::kNotFound);
  EXPECT_THAT(found->status.message(), HasSubstr("none: No such file"));
}

TEST_F(PathWalkerTest, TheOrderOfTwoPathsIsThatOfTheWalk) {
  for (const char* name :
       {"a/z.jpg", "a-b.jpg", "a.jpg", "aa/b.jpg", "B/a.jpg", "a/b/c.jpg", "a/b.jpg", "\xff.jpg"}) {
    Write(std::string("t/") + name);
  }
  const auto names = Walk({Path("t")});
  ASSERT_EQ(names.size(), 8U);
  for (size_t i = 0; i < names.size(); ++i) {
    for (size_t k = 0; k < names.size(); ++k) EXPECT_EQ(WalkedBefore(names[i], names[k]), i < k) << names[i];
  }
}

TEST_F(PathWalkerTest, OneFolderIsLeftOut) {
  Write("d/a.jpg");
  Write("d/v.partial/b.jpg");
  PathWalker walker({Path("d")}, true);
  walker.LeaveOut(Path("d/v.partial"));
  walker.LeaveOut(Path("none"));
  EXPECT_EQ(walker.Next()->path, Path("d/a.jpg"));
  EXPECT_FALSE(walker.Next());
}

TEST_F(PathWalkerTest, NothingIsInAnEmptyFolder) { EXPECT_THAT(Walk({root_.string()}), IsEmpty()); }

TEST_F(PathWalkerTest, FilesOfOtherNamesAreTakenByContent) {
  const test::Encoded jpeg = test::EncodeJpeg(test::MakePhoto(8, 8, 3));
  const std::string photo(jpeg.begin(), jpeg.end());
  Write("photo", photo);
  Write("photo.txt", photo);
  Write("RAW.CR2", "taken by name");
  Write("qoi.dat", "qoif");
  Write("empty", "");
  Write("poem", "P1 is no picture");
  Write("a.mp4", std::string("\0\0\0\x20"
                             "ftypisom",
                             12));
  Write("b.MP4");
  Write("c.mov");
  Write("d.txt", "hello");
  Write(".hidden", photo);
  EXPECT_THAT(Walk({root_.string()}), ElementsAre("RAW.CR2", "photo", "photo.txt", "qoi.dat"));
  EXPECT_EQ(passed_over_.by_name, 7);
  EXPECT_EQ(passed_over_.KindsText(),
            "7 files passed over: 3 videos (.mp4, .mov), 2 without an extension, 1 .txt, 1 hidden");
}

TEST(PassedOver, KindsAreFew) {
  PassedOver passed_over;
  EXPECT_EQ(passed_over.KindsText(), "");
  for (int i = 0; i < 1000; ++i) passed_over.CountByName("." + std::to_string(i));
  EXPECT_EQ(passed_over.kinds.size(), PassedOver::kMostKinds + 1);
  EXPECT_EQ(passed_over.kinds["others"], 900);
  EXPECT_THAT(passed_over.KindsText(), ::testing::EndsWith(" of other kinds"));
}

}  // namespace
}  // namespace photovec::bulk
