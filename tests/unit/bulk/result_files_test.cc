// SPDX-License-Identifier: MIT
#include "bulk/result_files.h"

#include <gmock/gmock.h>

#include "bulk/output_lock.h"
#include "unit/bulk/temporary_folder.h"

namespace photovec::bulk {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class ResultFilesTest : public FolderTest {
 protected:
  void SetUp() override {
    FolderTest::SetUp();
    auto names = OutputNames::Of(Path("v.npy"));
    ASSERT_TRUE(names.ok());
    names_ = *names;
  }
  // A finished result of that many rows in run/.
  void MakeFinished(int rows) {
    fs::create_directories(names_.partial);
    auto partial = PartialResult::Create(names_.RunFolder(), {}, 1);
    ASSERT_TRUE(partial.ok()) << partial.status().ToString();
    for (int i = 0; i < rows; ++i) {
      pipeline::ItemResult result;
      result.embedding = {static_cast<float>(i)};
      ASSERT_TRUE((*partial)->Add({"a.jpg", {}, {}}, result).ok());
    }
    const auto digests = (*partial)->Seal(0);
    ASSERT_TRUE(digests.ok()) << digests.status().ToString();
    const auto file = [](const FileDigest& digest) {
      return "{\"bytes\":" + std::to_string(digest.bytes) + ",\"sha256\":\"" + digest.sha256 + "\"}";
    };
    ASSERT_TRUE((*partial)
                    ->Finish("{\"generation\":\"" + digests->Generation() + "\",\"files\":{\"npy\":" +
                             file(digests->npy) + ",\"jsonl\":" + file(digests->jsonl) +
                             "},\"vectors\":" + std::to_string(rows) + "}")
                    .ok());
  }
  void PutInPlaceAndClear() {
    const Status placed = PutInPlace(names_);
    ASSERT_TRUE(placed.ok()) << placed.ToString();
    ASSERT_TRUE(RemoveLeftover(names_).ok());
  }
  int64_t Rows() const {
    const auto checked = CheckResult(names_);
    return checked.ok() ? checked->vectors : -1;
  }
  OutputNames names_;
};

TEST_F(ResultFilesTest, ANewResultTakesThePlaceOfAnOlderOne) {
  for (const int rows : {3, 5}) {
    MakeFinished(rows);
    PutInPlaceAndClear();
    EXPECT_EQ(Rows(), rows);
    EXPECT_FALSE(Exists("v.partial/run"));
    EXPECT_FALSE(Exists("v.partial/replaced"));
  }
}

// A folder in the way of the third file lets its rename fail after two are done.
TEST_F(ResultFilesTest, WhenAStepFailsTheOlderResultIsPutBack) {
  MakeFinished(3);
  PutInPlaceAndClear();
  const std::string meta = Read("v.meta.json");
  MakeFinished(5);
  fs::remove(root_ / "v.meta.json");
  fs::create_directory(root_ / "v.meta.json");
  const Status placed = PutInPlace(names_);
  EXPECT_THAT(placed.message(),
              HasSubstr("v.meta.json: a folder has that name; what was there before is as it was"));
  fs::remove(root_ / "v.meta.json");
  Write("v.meta.json", meta);
  EXPECT_EQ(Rows(), 3);
  const auto leftover = FindLeftover(names_);
  ASSERT_TRUE(leftover.ok());
  EXPECT_TRUE(leftover->finished);
  PutInPlaceAndClear();
  EXPECT_EQ(Rows(), 5);
}

TEST_F(ResultFilesTest, WithoutAnOlderResultAFailureLeavesNothing) {
  MakeFinished(5);
  fs::create_directory(root_ / "v.jsonl");
  EXPECT_FALSE(PutInPlace(names_).ok());
  EXPECT_FALSE(Exists("v.npy"));
  EXPECT_FALSE(Exists("v.meta.json"));
  fs::remove(root_ / "v.jsonl");
  PutInPlaceAndClear();
  EXPECT_EQ(Rows(), 5);
}

// What a kill leaves between any two steps: the next run finishes it.
TEST_F(ResultFilesTest, CutBetweenStepsItIsToldAndFinished) {
  for (int steps = 0; steps <= 3; ++steps) {
    MakeFinished(3);
    PutInPlaceAndClear();
    MakeFinished(5);
    fs::create_directory(names_.ReplacedFolder());
    const std::string made[] = {"v.partial/run/vectors.npy", "v.partial/run/vectors.jsonl",
                                "v.partial/run/vectors.meta.json"};
    const std::string wanted[] = {"v.npy", "v.jsonl", "v.meta.json"};
    for (int i = 0; i < steps; ++i) {
      fs::create_hard_link(root_ / wanted[i], root_ / ("v.partial/replaced/vectors" + wanted[i].substr(1)));
      fs::rename(root_ / made[i], root_ / wanted[i]);
    }
    if (steps == 1 || steps == 2) {
      EXPECT_EQ(CheckResult(names_).status().code(), Code::kChecksumMismatch) << steps;
    } else {
      EXPECT_EQ(Rows(), steps == 0 ? 3 : 5);
    }
    const auto leftover = FindLeftover(names_);
    ASSERT_TRUE(leftover.ok()) << leftover.status().ToString();
    EXPECT_TRUE(leftover->finished);
    PutInPlaceAndClear();
    EXPECT_EQ(Rows(), 5) << steps;
  }
}

TEST_F(ResultFilesTest, InPlaceButNotTidiedItIsLeftInPlace) {
  MakeFinished(5);
  ASSERT_TRUE(PutInPlace(names_).ok());
  fs::remove_all(names_.ReplacedFolder());
  ASSERT_TRUE(FindLeftover(names_)->finished);
  PutInPlaceAndClear();
  EXPECT_EQ(Rows(), 5);
  EXPECT_TRUE(fs::is_empty(names_.partial));
}

TEST_F(ResultFilesTest, ARewrittenCheckpointReplacesTheOlderOne) {
  MakeFinished(3);
  fs::rename(names_.RunFolder(), names_.NextFolder());
  Write("v.partial/run/old", "x");
  ASSERT_TRUE(TakeNext(names_).ok());
  EXPECT_FALSE(Exists("v.partial/run/old"));
  EXPECT_TRUE(Exists("v.partial/run/journal"));
  // Cut between its two renames.
  fs::rename(names_.RunFolder(), names_.NextFolder());
  Write("v.partial/old/rest", "x");
  EXPECT_TRUE(FindLeftover(names_)->finished);
  EXPECT_TRUE(Exists("v.partial/run/journal"));
  EXPECT_FALSE(Exists("v.partial/old"));
  // Cut before them: what is in next/ is not whole.
  Write("v.partial/next/journal", "x");
  EXPECT_TRUE(FindLeftover(names_)->finished);
  EXPECT_FALSE(Exists("v.partial/next"));
}

TEST_F(ResultFilesTest, WhatDoesNotBelongTogetherIsNamed) {
  MakeFinished(3);
  PutInPlaceAndClear();
  const std::string jsonl = Read("v.jsonl");
  Write("v.jsonl", jsonl + "\n");
  EXPECT_THAT(CheckResult(names_).status().message(), HasSubstr("is not the file that its .meta.json names"));
  Write("v.jsonl", jsonl);
  EXPECT_EQ(Rows(), 3);
  std::string meta = Read("v.meta.json");
  const size_t at = meta.find("generation") + 14;
  meta[at] = meta[at] == '0' ? '1' : '0';
  Write("v.meta.json", meta);
  EXPECT_THAT(CheckResult(names_).status().message(), HasSubstr("its generation is not that of its files"));
  Write("v.meta.json", R"({"complete":true})");
  EXPECT_EQ(CheckResult(names_).status().code(), Code::kInvalidRequest);
  fs::remove(root_ / "v.meta.json");
  EXPECT_EQ(CheckResult(names_).status().code(), Code::kNotFound);
}

TEST_F(ResultFilesTest, OneRunAtATime) {
  auto first = OutputLock::Take(names_);
  ASSERT_TRUE(first.ok()) << first.status().ToString();
  const Status second = OutputLock::Take(names_).status();
  EXPECT_EQ(second.code(), Code::kUnavailable);
  EXPECT_THAT(second.message(),
              HasSubstr("another run (process " + std::to_string(getpid()) + ") is writing"));
  first->reset();
  EXPECT_FALSE(Exists("v.partial")) << "nothing is left of it";
  EXPECT_TRUE(OutputLock::Take(names_).ok());
  EXPECT_THAT(OutputLock::Take(*OutputNames::Of(Path("no/v.npy"))).status().message(),
              HasSubstr("no/v.partial: No such file"));
}

TEST_F(ResultFilesTest, OutputsAreNpyFilesAndNoFolders) {
  EXPECT_EQ(OutputNames::Of("v.csv").status().code(), Code::kInvalidRequest);
  EXPECT_EQ(OutputNames::Of(".npy").status().code(), Code::kInvalidRequest);
  EXPECT_EQ(OutputNames::Of("a/.npy").status().code(), Code::kInvalidRequest);
  EXPECT_EQ(OutputNames::Of("a/v.npy")->meta, "a/v.meta.json");
  fs::create_directory(root_ / "v.jsonl");
  EXPECT_THAT(OutputNames::Of(Path("v.npy")).status().message(), HasSubstr("v.jsonl is a folder"));
}

}  // namespace
}  // namespace photovec::bulk
