// SPDX-License-Identifier: MIT
#include "model/safetensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <deque>
#include <filesystem>
#include <fstream>
#include <limits>
#include <string>
#include <vector>

namespace photovec::model {
namespace {

using testing::AllOf;
using testing::HasSubstr;

std::string File(const std::string& header, size_t data_bytes) {
  std::string file;
  for (size_t i = 0; i < 8; ++i) file += static_cast<char>(header.size() >> (8 * i));
  return file + header + std::string(data_bytes, '\1');
}

Result<SafetensorsHeader> Parse(const std::string& file) {
  return ParseSafetensors({reinterpret_cast<const uint8_t*>(file.data()), file.size()});
}

void ExpectError(const std::string& file, const std::string& first, const std::string& second = "") {
  const auto header = Parse(file);
  ASSERT_FALSE(header.ok()) << file;
  EXPECT_EQ(header.status().code(), Code::kInvalidRequest);
  EXPECT_THAT(header.status().message(), AllOf(HasSubstr(first), HasSubstr(second)));
}

TEST(ParseSafetensors, ReadsShapesAndBytes) {
  const std::string file = File(R"({"__metadata__":{"format":"pt"},
      "b":{"dtype":"I64","shape":[1,2],"data_offsets":[12,28]},
      "a":{"dtype":"F32","shape":[3],"data_offsets":[0,12]}})",
                                28);
  const auto header = Parse(file);
  ASSERT_TRUE(header.ok()) << header.status().ToString();
  ASSERT_EQ(header->size(), 2U);
  EXPECT_EQ(header->at("a").shape, (std::vector<int64_t>{3}));
  EXPECT_EQ(header->at("a").data.size(), 12U);
  EXPECT_EQ(header->at("b").dtype, "I64");
  EXPECT_EQ(header->at("b").data.data() - header->at("a").data.data(), 12);
}

TEST(ParseSafetensors, UnknownDtypesAreOnlyRangeChecked) {
  EXPECT_TRUE(Parse(File(R"({"a":{"dtype":"F4","shape":[3],"data_offsets":[0,2]}})", 2)).ok());
}

TEST(ParseSafetensors, RefusesBadHeaders) {
  ExpectError("", "0 bytes", "too short");
  ExpectError("1234567", "7 bytes", "too short");
  ExpectError(std::string(8, '\xff'), "18446744073709551615", "at most 0");
  ExpectError(File("{}", 0).substr(0, 9), "claims 2 bytes", "at most 1");
  ExpectError(std::string("PK\3\4 this is a zip file, not tensors"), "header claims");
  ExpectError(File("[]", 0), "header", "not a JSON object");
  ExpectError(File("{", 0), "header", "not valid JSON");
  ExpectError(File(R"({"a":1,"a":1})", 0), "\"a\"", "twice");
}

TEST(ParseSafetensors, RefusesBadTensorsByName) {
  const auto one = [](const std::string& entry, size_t bytes) {
    return File("{\"w\":" + entry + "}", bytes);
  };
  ExpectError(one("7", 0), "'w'", "not an object");
  ExpectError(one(R"({"shape":[1],"data_offsets":[0,4]})", 4), "'w'", "dtype");
  ExpectError(one(R"({"dtype":"F32","shape":[-1],"data_offsets":[0,4]})", 4), "'w'", "shape");
  ExpectError(one(R"({"dtype":"F32","shape":1,"data_offsets":[0,4]})", 4), "'w'", "shape");
  ExpectError(one(R"({"dtype":"F32","shape":[1],"data_offsets":[0]})", 4), "'w'", "data_offsets");
  ExpectError(one(R"({"dtype":"F32","shape":[1],"data_offsets":[0.5,4]})", 4), "'w'", "data_offsets");
  ExpectError(one(R"({"dtype":"F32","shape":[1],"data_offsets":[4,0]})", 4), "'w'", "after its end");
  ExpectError(one(R"({"dtype":"F32","shape":[1],"data_offsets":[0,4]})", 3), "'w'", "truncated");
  ExpectError(one(R"({"dtype":"F32","shape":[2],"data_offsets":[0,4]})", 4), "need 8 bytes", "has 4");
  ExpectError(one(R"({"dtype":"F32","shape":[9000000000,9000000000],"data_offsets":[0,4]})", 4), "'w'",
              "too many");
}

TEST(ParseSafetensors, RefusesOverlapsAndHoles) {
  const auto two = [](const std::string& first, const std::string& second, size_t bytes) {
    return File(R"({"a":{"dtype":"U8","shape":[4],"data_offsets":)" + first +
                    R"(},"b":{"dtype":"U8","shape":[4],"data_offsets":)" + second + "}}",
                bytes);
  };
  EXPECT_TRUE(Parse(two("[0,4]", "[4,8]", 8)).ok());
  ExpectError(two("[0,4]", "[2,6]", 6), "'b' overlaps 'a'");
  ExpectError(two("[0,4]", "[0,4]", 4), "overlaps");
  ExpectError(two("[0,4]", "[5,9]", 9), "between 'a' and tensor 'b'");
  ExpectError(two("[0,4]", "[4,8]", 9), "1 bytes after 'b'");
}

class CheckpointTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "photovec-checkpoint-XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    dir_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(dir_); }

  void Write(const std::string& name, const std::string& content) {
    std::ofstream(dir_ + "/" + name, std::ios::binary) << content;
  }
  void ExpectOpenError(Code code, const std::string& first, const std::string& second = "") {
    const auto checkpoint = Checkpoint::Open(dir_);
    ASSERT_FALSE(checkpoint.ok());
    EXPECT_EQ(checkpoint.status().code(), code);
    EXPECT_THAT(checkpoint.status().message(), AllOf(HasSubstr(first), HasSubstr(second)));
  }

  std::string dir_;
  std::deque<std::vector<uint8_t>> converted_;
};

const char* const kA = R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})";
const char* const kB = R"({"b":{"dtype":"BF16","shape":[2],"data_offsets":[0,4]}})";

TEST_F(CheckpointTest, ReadsShards) {
  Write("one.safetensors", File(kA, 4));
  Write("two.safetensors", File(kB, 4));
  Write("model.safetensors.index.json", R"({"weight_map":{"a":"one.safetensors","b":"two.safetensors"}})");
  const auto checkpoint = Checkpoint::Open(dir_);
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status().ToString();
  EXPECT_TRUE((*checkpoint)->Has("a"));
  const auto b = (*checkpoint)->Get("b", converted_);
  ASSERT_TRUE(b.ok());
  EXPECT_EQ(b->dtype, DType::kBF16);
  EXPECT_EQ((*checkpoint)->WhereIs("b"), dir_ + "/two.safetensors");
  const auto c = (*checkpoint)->Get("c", converted_);
  ASSERT_FALSE(c.ok());
  EXPECT_THAT(c.status().message(), AllOf(HasSubstr("'c' is missing"), HasSubstr("one.safetensors")));
}

TEST_F(CheckpointTest, NamesWhatIsWrongWithShards) {
  ExpectOpenError(Code::kNotFound, "model.safetensors", dir_);
  Write("pytorch_model.bin", "");
  ExpectOpenError(Code::kNotFound, "pytorch_model.bin is");
  const auto index = [&](const std::string& text) { Write("model.safetensors.index.json", text); };
  index("{}");
  ExpectOpenError(Code::kInvalidRequest, "weight_map");
  index(R"({"weight_map":{}})");
  ExpectOpenError(Code::kInvalidRequest, "empty");
  for (const char* name : {"../one.safetensors", "/etc/passwd", "", "..", "x/y"}) {
    index(R"({"weight_map":{"a":")" + std::string(name) + "\"}}");
    ExpectOpenError(Code::kInvalidRequest, "shard of 'a'");
  }
  index(R"({"weight_map":{"a":"one.safetensors"}})");
  ExpectOpenError(Code::kNotFound, "one.safetensors");
  Write("one.safetensors", File(kB, 4));
  ExpectOpenError(Code::kInvalidRequest, "one.safetensors: tensor 'a'");
  Write("one.safetensors", File(kA, 3));
  ExpectOpenError(Code::kInvalidRequest, "one.safetensors: tensor 'a'", "truncated");
  Write("one.safetensors", File(kA, 4));
  Write("two.safetensors", File(kA, 4));
  index(R"({"weight_map":{"a":"one.safetensors","b":"two.safetensors"}})");
  ExpectOpenError(Code::kInvalidRequest, "'a' is also in", "one.safetensors");
}

TEST_F(CheckpointTest, RefusesWhatIsNotAFile) {
  std::filesystem::create_directory(dir_ + "/model.safetensors");
  ExpectOpenError(Code::kInvalidRequest, "not a regular file");
  std::filesystem::remove(dir_ + "/model.safetensors");
  ASSERT_EQ(mkfifo((dir_ + "/model.safetensors").c_str(), 0600), 0);
  ExpectOpenError(Code::kInvalidRequest, "not a regular file");
}

TEST_F(CheckpointTest, OnlyFloatTensorsCanBeTaken) {
  Write("model.safetensors", File(R"({"ids":{"dtype":"I64","shape":[1],"data_offsets":[0,8]}})", 8));
  const auto checkpoint = Checkpoint::Open(dir_);
  ASSERT_TRUE(checkpoint.ok());
  const auto ids = (*checkpoint)->Get("ids", converted_);
  ASSERT_FALSE(ids.ok());
  EXPECT_THAT(ids.status().message(),
              AllOf(HasSubstr("'ids'"), HasSubstr("I64"), HasSubstr("F32, F16, BF16, F64")));
}

TEST_F(CheckpointTest, DoublesBecomeSingles) {
  const std::vector<double> values = {1.5, -2.25, 1e300};
  std::string file = File(R"({"x":{"dtype":"F64","shape":[3],"data_offsets":[0,24]}})", 24);
  std::memcpy(file.data() + file.size() - 24, values.data(), 24);
  Write("model.safetensors", file);
  const auto checkpoint = Checkpoint::Open(dir_);
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status().ToString();
  auto x = (*checkpoint)->Get("x", converted_);
  ASSERT_TRUE(x.ok()) << x.status().ToString();
  EXPECT_EQ(x->dtype, DType::kF32);
  EXPECT_EQ(x->ToFloats(), (std::vector<float>{1.5F, -2.25F, std::numeric_limits<float>::infinity()}));
  const auto alone = (*checkpoint)->MapAlone(*x);
  ASSERT_TRUE(alone.ok());
  EXPECT_EQ(*alone, nullptr) << "it lies in memory already";
  EXPECT_EQ(x->ToFloats().front(), 1.5F);
}

TEST_F(CheckpointTest, NamesWithinAWrapper) {
  Write("model.safetensors", File(R"({"clip.a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})", 4));
  const auto checkpoint = Checkpoint::Open(dir_);
  ASSERT_TRUE(checkpoint.ok());
  const auto inside = (*checkpoint)->Within("clip.");
  EXPECT_FALSE((*checkpoint)->Has("a"));
  EXPECT_TRUE(inside->Has("a"));
  EXPECT_TRUE(inside->Get("a", converted_).ok());
  EXPECT_THAT(inside->Get("b", converted_).status().message(), HasSubstr("'clip.b' is missing"));
}

TEST_F(CheckpointTest, PointersOfGitLfsAreNamed) {
  Write("model.safetensors", "version https://git-lfs.github.com/spec/v1\noid sha256:" +
                                 std::string(64, 'a') + "\nsize 605157884\n");
  ExpectOpenError(Code::kInvalidRequest, "model.safetensors", "pointer of Git LFS");
}

TEST_F(CheckpointTest, WriterAndReaderAgree) {
  const std::vector<SafetensorsWriter::Declaration> tensors = {{"x", DType::kF32, {2}},
                                                               {"y", DType::kF16, {1, 1}}};
  auto writer = SafetensorsWriter::Create(dir_ + "/model.safetensors", tensors);
  ASSERT_TRUE(writer.ok()) << writer.status().ToString();
  const std::vector<uint8_t> bytes = {0, 0, 0x80, 0x3F, 0, 0, 0, 0x40, 0, 0x3C};
  ASSERT_TRUE((*writer)->Append(bytes).ok());
  EXPECT_FALSE(std::filesystem::exists(dir_ + "/model.safetensors"));
  ASSERT_TRUE((*writer)->Finish().ok());
  const auto checkpoint = Checkpoint::Open(dir_);
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status().ToString();
  EXPECT_EQ((*checkpoint)->Get("x", converted_)->ToFloats(), (std::vector<float>{1.0F, 2.0F}));
  EXPECT_EQ((*checkpoint)->Get("y", converted_)->ToFloats(), (std::vector<float>{1.0F}));
}

TEST_F(CheckpointTest, UnfinishedFilesDisappear) {
  const std::vector<SafetensorsWriter::Declaration> tensors = {{"x", DType::kF32, {2}}};
  {
    auto writer = SafetensorsWriter::Create(dir_ + "/model.safetensors", tensors);
    ASSERT_TRUE(writer.ok());
    const auto status = (*writer)->Finish();
    EXPECT_EQ(status.code(), Code::kInternal);
  }
  EXPECT_TRUE(std::filesystem::is_empty(dir_));
}

}  // namespace
}  // namespace photovec::model
