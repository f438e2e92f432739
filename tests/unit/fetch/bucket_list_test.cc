// SPDX-License-Identifier: MIT
#include "fetch/bucket_list.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

namespace photovec::fetch {
namespace {

using ::testing::HasSubstr;

Status NoCapitals(std::string_view name) {
  const bool capital = name.find_first_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ") != std::string_view::npos;
  return capital ? Status(Code::kInvalidRequest, "the bucket's name has a capital") : Status::Ok();
}
Status NotEmpty(std::string_view name) {
  return name.empty() ? Status(Code::kInvalidRequest, "the object's name is missing") : Status::Ok();
}

Result<BucketList> Make(const std::vector<std::string>& allowed, const std::string& default_bucket = "") {
  constexpr BucketRules kRules = {Scheme::kS3, "s3", "s3-bucket", "KEY", &NoCapitals, &NotEmpty};
  return BucketList::Create(kRules, allowed, default_bucket);
}

TEST(BucketList, FindsBucketAndName) {
  const BucketList list = Make({"photos"}, "bare").value();
  const std::pair<std::string, std::pair<std::string, std::string>> kCases[] = {
      {"s3://photos/cat.jpg", {"photos", "cat.jpg"}}, {"S3://photos/a/b?c#d", {"photos", "a/b?c#d"}},
      {"s3://photos//lead", {"photos", "/lead"}},     {"s3://bare/%20", {"bare", "%20"}},
      {"cats/1.jpg", {"bare", "cats/1.jpg"}},         {"/", {"bare", "/"}},
  };
  for (const auto& [reference, want] : kCases) {
    const auto object = list.Find(reference);
    ASSERT_TRUE(object.ok()) << reference << ": " << object.status().ToString();
    EXPECT_EQ(object->bucket, want.first) << reference;
    EXPECT_EQ(object->name, want.second) << reference;
  }
}

TEST(BucketList, MalformedReferencesAreToldHowToBeWritten) {
  const BucketList list = Make({"*"}).value();
  for (const char* bad : {"s3:", "s3://", "s3:photos/x", "s3:/photos/x", "s3://photos", "cat.jpg"}) {
    const Status status = list.Find(bad).status();
    EXPECT_EQ(status.code(), Code::kInvalidRequest) << bad;
    EXPECT_THAT(status.message(), HasSubstr("write s3://BUCKET/KEY")) << bad;
  }
  EXPECT_THAT(list.Find("cat.jpg").status().message(), HasSubstr("there is no default bucket"));
  EXPECT_THAT(list.Find("s3://Photos/x").status().message(), HasSubstr("has a capital"));
  EXPECT_THAT(list.Find("s3://photos/").status().message(), HasSubstr("name is missing"));
}

TEST(BucketList, OnlyAllowedBuckets) {
  const BucketList list = Make({"photos"}, "bare").value();
  for (const char* bad : {"s3://photos2/x", "s3://photo/x", "s3://*/x"}) {
    const Status status = list.Find(bad).status();
    EXPECT_EQ(status.code(), Code::kSourceNotAllowed) << bad;
    EXPECT_THAT(status.message(), HasSubstr("--s3-bucket NAME")) << bad;
  }
  EXPECT_TRUE(Make({"*"})->Find("s3://anything/x").ok());
  EXPECT_EQ(Make({}, "bare")->Find("s3://photos/x").status().code(), Code::kSourceNotAllowed);
}

TEST(BucketList, WrongOptionsAreNamed) {
  EXPECT_EQ(Make({}).status().message(), "s3-bucket: no bucket is allowed");
  EXPECT_THAT(Make({"photos", "Bad"}).status().message(), HasSubstr("s3-bucket 'Bad'"));
  EXPECT_THAT(Make({"*"}, "Bad").status().message(), HasSubstr("default-bucket 's3://Bad'"));
  EXPECT_FALSE(Make({}, "*")->Find("s3://anything/x").ok()) << "a default bucket is one bucket";
}

TEST(CheckObjectName, WhatStoresHaveInCommon) {
  EXPECT_TRUE(CheckObjectName(std::string(1'024, 'x'), "it").ok());
  EXPECT_TRUE(CheckObjectName("a\tb/../\xEC\x82\xAC", "it").ok());
  const std::pair<std::string, std::string> kCases[] = {
      {"", "it is missing"},           {std::string(1'025, 'x'), "it is longer"},
      {"\xFF", "it is not UTF-8"},     {"a\nb", "it has a line break"},
      {"a\rb", "it has a line break"}, {std::string("a\0b", 3), "it has a line break or NUL"}};
  for (const auto& [name, message] : kCases) {
    const Status status = CheckObjectName(name, "it");
    EXPECT_EQ(status.code(), Code::kInvalidRequest) << name;
    EXPECT_THAT(status.message(), HasSubstr(message));
  }
}

}  // namespace
}  // namespace photovec::fetch
