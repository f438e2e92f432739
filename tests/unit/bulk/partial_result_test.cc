// SPDX-License-Identifier: MIT
#include "bulk/partial_result.h"

#include <gmock/gmock.h>

#include <cstring>

#include "bulk/earlier_lines.h"
#include "bulk/output_names.h"
#include "unit/bulk/temporary_folder.h"

namespace photovec::bulk {
namespace {

using ::testing::HasSubstr;

pipeline::ItemResult Good(std::vector<float> row) {
  pipeline::ItemResult result;
  result.embedding = std::move(row);
  return result;
}

class PartialResultTest : public FolderTest {
 protected:
  // Line i: a file named i, whose row is (i, -i); every third is an error.
  static void AddLines(PartialResult& partial, int from, int to) {
    for (int i = from; i < to; ++i) {
      pipeline::ItemResult result = Good({static_cast<float>(i), static_cast<float>(-i)});
      if (i % 3 == 2) result = {Status(Code::kImageCorrupt, "cut at " + std::to_string(i)), {}, {}, {}};
      ASSERT_TRUE(partial.Add({std::to_string(i) + ".jpg", {}, {1, i, 10 * i}}, result).ok());
    }
  }
  std::unique_ptr<PartialResult> Create() {
    auto partial = PartialResult::Create(Path("p"), {{"a", "b"}}, 2);
    EXPECT_TRUE(partial.ok()) << partial.status().ToString();
    return std::move(*partial);
  }
  std::unique_ptr<PartialResult> Open() {
    const auto journal = ReadJournal(Path("p/journal"));
    EXPECT_TRUE(journal.ok()) << journal.status().ToString();
    auto partial = PartialResult::Open(Path("p"), *journal, 2);
    EXPECT_TRUE(partial.ok()) << partial.status().ToString();
    return std::move(*partial);
  }
};

TEST_F(PartialResultTest, ACheckpointIsAValidNpyFile) {
  auto partial = Create();
  AddLines(*partial, 0, 4);
  ASSERT_TRUE(partial->SaveCheckpoint(5).ok());
  const std::string npy = Read("p/vectors.npy");
  ASSERT_EQ(npy.size(), 128 + 3 * 2 * sizeof(float));
  EXPECT_EQ(npy.substr(0, 8), std::string("\x93NUMPY\x01\x00", 8));
  EXPECT_THAT(npy.substr(0, 128), HasSubstr("'descr': '<f4', 'fortran_order': False, 'shape': (3, 2)"));
  float row[2];
  std::memcpy(row, npy.data() + 128 + 2 * sizeof(row), sizeof(row));
  EXPECT_EQ(row[0], 3);
  EXPECT_EQ(row[1], -3);
}

TEST_F(PartialResultTest, WithoutRowsTheWidthIsKept) {
  auto partial = Create();
  ASSERT_TRUE(partial->Seal(0).ok());
  EXPECT_THAT(Read("p/vectors.npy"), HasSubstr("(0, 2)"));
}

TEST_F(PartialResultTest, ARowOfAnotherWidthIsOurBug) {
  auto partial = Create();
  EXPECT_EQ(partial->Add({"a", {}, {}}, Good({1, 2, 3})).code(), Code::kInternal);
}

TEST_F(PartialResultTest, LinesAreUtf8AndKeepTheBytesOfOddNames) {
  auto partial = Create();
  ASSERT_TRUE(partial->Add({"caf\xc3\xa9 \"1\".jpg", {}, {}}, Good({1, 0})).ok());
  ASSERT_TRUE(partial->Add({"caf\xe9.jpg", {}, {}}, Good({1, 0})).ok());
  ASSERT_TRUE(partial->Add({"b.jpg", {}, {}}, {Status(Code::kImageCorrupt, "cut"), {}, {}, {}}).ok());
  ASSERT_TRUE(partial->SaveCheckpoint(0).ok());
  EXPECT_EQ(Read("p/vectors.jsonl"),
            "{\"path\":\"caf\xc3\xa9 \\\"1\\\".jpg\",\"row\":0,\"error\":null}\n"
            "{\"path\":\"caf\xef\xbf\xbd.jpg\",\"path_base64\":\"Y2Fm6S5qcGc=\",\"row\":1,\"error\":null}\n"
            "{\"path\":\"b.jpg\",\"row\":null,\"error\":{\"code\":\"image_corrupt\",\"message\":\"cut\"}}\n");
}

TEST_F(PartialResultTest, GoesOnAtItsLastCheckpoint) {
  {
    auto whole = Create();
    AddLines(*whole, 0, 100);
    ASSERT_TRUE(whole->Seal(0).ok());
  }
  const std::string npy = Read("p/vectors.npy");
  const std::string lines = Read("p/vectors.jsonl");
  std::filesystem::remove_all(root_ / "p");
  auto partial = Create();
  for (int from = 0; from < 100; from += 10) {
    AddLines(*partial, from, from + 7);
    ASSERT_TRUE(partial->SaveCheckpoint(from).ok());
    AddLines(*partial, from + 7, from + 9);  // lost
    partial.reset();
    Write("p/vectors.jsonl", Read("p/vectors.jsonl") + "{\"torn");
    partial = Open();
    EXPECT_EQ(partial->lines(), from + 7);
    EXPECT_EQ(partial->checkpoint().milliseconds, from);
    AddLines(*partial, from + 7, from + 10);
  }
  const auto digests = partial->Seal(1000);
  ASSERT_TRUE(digests.ok()) << digests.status().ToString();
  EXPECT_EQ(Read("p/vectors.npy"), npy);
  EXPECT_EQ(Read("p/vectors.jsonl"), lines);
  EXPECT_EQ(digests->npy.bytes, npy.size());
  EXPECT_EQ(digests->npy.sha256.size(), 64U);
  EXPECT_EQ(partial->checkpoint().failures.at("image_corrupt"), 33);
}

TEST_F(PartialResultTest, DamageIsFoundAndTheRestIsDoneAgain) {
  for (const char* name : {"p/vectors.npy", "p/vectors.jsonl", "p/files"}) {
    std::filesystem::remove_all(root_ / "p");
    auto partial = Create();
    for (int from = 0; from < 40; from += 10) {
      AddLines(*partial, from, from + 10);
      ASSERT_TRUE(partial->SaveCheckpoint(0).ok());
    }
    partial.reset();
    std::string bytes = Read(name);
    const size_t head = name == std::string("p/vectors.npy") ? 128 : 0;
    bytes[head + (bytes.size() - head) * 6 / 10] ^= 1;  // of the third checkpoint
    Write(name, bytes);
    partial = Open();
    EXPECT_EQ(partial->lines(), 20) << name;
    AddLines(*partial, 20, 50);
    ASSERT_TRUE(partial->SaveCheckpoint(0).ok());
    partial.reset();
    EXPECT_EQ(Open()->lines(), 50) << name;
    std::filesystem::resize_file(root_ / name, Read(name).size() - 1);
    EXPECT_EQ(Open()->lines(), 20) << name;
    std::filesystem::resize_file(root_ / name, 1);
    EXPECT_EQ(Open()->lines(), 0) << name;
  }
}

TEST_F(PartialResultTest, WhatWasOverwrittenMeanwhileIsNotSealed) {
  auto partial = Create();
  AddLines(*partial, 0, 10);
  ASSERT_TRUE(partial->SaveCheckpoint(0).ok());
  std::fstream(root_ / "p/vectors.npy", std::ios::binary | std::ios::in | std::ios::out).seekp(140).put('!');
  EXPECT_THAT(partial->Seal(0).status().message(), HasSubstr("does not hold what was written"));
}

TEST_F(PartialResultTest, EarlierLinesComeBackAsTheyWere) {
  {
    auto partial = Create();
    AddLines(*partial, 0, 9);
    ASSERT_TRUE(partial->Add({"caf\xe9.jpg", {}, {3, -1, 0}}, Good({8, 9})).ok());
    ASSERT_TRUE(partial->SaveCheckpoint(0).ok());
  }
  auto earlier = EarlierLines::Open(Path("p"), 10, 2);
  ASSERT_TRUE(earlier.ok()) << earlier.status().ToString();
  for (int i = 0; i < 9; ++i) {
    const auto found = (*earlier)->NextWithResult();
    ASSERT_TRUE(found.ok() && *found) << found.status().ToString();
    EXPECT_EQ((*found)->path, std::to_string(i) + ".jpg");
    EXPECT_EQ((*found)->id, (FileId{1, i, 10 * i}));
    if (i % 3 == 2) {
      EXPECT_EQ((*found)->kept->status.ToString(), "image_corrupt: cut at " + std::to_string(i));
    } else {
      EXPECT_EQ((*found)->kept->embedding,
                (std::vector<float>{static_cast<float>(i), static_cast<float>(-i)}));
    }
  }
  const auto last = (*earlier)->NextWithResult();
  ASSERT_TRUE(last.ok() && *last);
  EXPECT_EQ((*last)->path, "caf\xe9.jpg");
  EXPECT_EQ((*last)->kept->embedding, (std::vector<float>{8, 9}));
  EXPECT_FALSE((*earlier)->NextWithResult()->has_value());
}

}  // namespace
}  // namespace photovec::bulk
