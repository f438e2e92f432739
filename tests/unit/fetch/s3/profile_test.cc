// SPDX-License-Identifier: MIT
#include "fetch/s3/profile.h"

#include <gtest/gtest.h>

#include <string>

#include "unit/fetch/s3/aws_files.h"
#include "unit/fetch/source_probe.h"

namespace photovec::fetch {
namespace {

TEST(AwsProfile, SectionsAreRead) {
  const std::string text =
      "\xEF\xBB\xBF# of the team\r\n"
      "[default]\r\n"
      "aws_access_key_id = AKIA1\r\n"
      "AWS_Secret_Access_Key=a/b+c==#;d\r\n"
      "; comment\r\n"
      "region = eu-west-1 # where it is\r\n"
      "s3 =\r\n"
      "  addressing_style = path\r\n"
      "\r\n"
      "[ profile\t dev ] ; comment\r\n"
      "region = eu-west-2\r\n"
      "region = eu-west-3\r\n"
      "empty =\r\n";
  AwsProfile profile;
  auto found = ReadAwsSection(text, "default", profile);
  ASSERT_TRUE(found.ok() && *found);
  EXPECT_EQ(profile, (AwsProfile{{"aws_access_key_id", "AKIA1"},
                                 {"aws_secret_access_key", "a/b+c==#;d"},
                                 {"region", "eu-west-1"},
                                 {"s3", ""}}));
  AwsProfile dev{{"region", "stays"}};
  found = ReadAwsSection(text, "profile dev", dev);
  ASSERT_TRUE(found.ok() && *found);
  EXPECT_EQ(dev, (AwsProfile{{"region", "stays"}, {"empty", ""}}));
  AwsProfile late;
  ASSERT_TRUE(ReadAwsSection(text, "profile dev", late).ok());
  EXPECT_EQ(late["region"], "eu-west-3");
  AwsProfile none;
  found = ReadAwsSection(text, "dev", none);
  ASSERT_TRUE(found.ok());
  EXPECT_FALSE(*found);
  EXPECT_TRUE(none.empty());
}

TEST(AwsProfile, WhatIsNoLineIsNamedByNumberAlone) {
  AwsProfile profile;
  for (const char* text :
       {"[default]\nregion = x\nSECRET\n", "[default]\nregion = x\n=SECRET", "\n\n[SECRET"}) {
    const auto found = ReadAwsSection(text, "default", profile);
    ASSERT_FALSE(found.ok()) << text;
    EXPECT_EQ(found.status().code(), Code::kInvalidRequest);
    EXPECT_NE(found.status().message().find("line 3"), std::string::npos) << found.status().message();
    EXPECT_EQ(found.status().message().find("SECRET"), std::string::npos) << found.status().message();
  }
  // Another section's trouble is not ours.
  EXPECT_TRUE(ReadAwsSection("[other]\nwhat\n[default]\na=b", "default", profile).ok());
}

TEST(AwsProfile, CredentialsGoBeforeConfig) {
  const TestFolder folder;
  folder.Write(".aws/credentials",
               "[default]\naws_access_key_id=A\n[dev]\naws_access_key_id=D\nregion=r-cred\n");
  folder.Write(".aws/config",
               "[default]\naws_access_key_id=B\nregion=r-default\n[profile dev]\nregion=r-dev\noutput=json\n"
               "[profile only]\nregion=r-only\n[plain]\nregion=r-plain\n");
  const auto load = [&](std::map<std::string, std::string> variables) {
    variables["HOME"] = folder.path("");
    return LoadAwsProfile(FindAwsFiles(OnlyVariables(variables)));
  };
  auto profile = load({});
  ASSERT_TRUE(profile.ok()) << profile.status().ToString();
  EXPECT_EQ(*profile, (AwsProfile{{"aws_access_key_id", "A"}, {"region", "r-default"}}));
  profile = load({{"AWS_PROFILE", "dev"}, {"AWS_DEFAULT_PROFILE", "only"}});
  ASSERT_TRUE(profile.ok());
  EXPECT_EQ(*profile, (AwsProfile{{"aws_access_key_id", "D"}, {"region", "r-cred"}, {"output", "json"}}));
  profile = load({{"AWS_DEFAULT_PROFILE", "only"}});
  ASSERT_TRUE(profile.ok());
  EXPECT_EQ(*profile, (AwsProfile{{"region", "r-only"}}));
  // The config file wants "profile" before the name.
  for (const char* name : {"plain", "nobody"}) {
    profile = load({{"AWS_PROFILE", name}});
    ASSERT_FALSE(profile.ok());
    EXPECT_EQ(profile.status().code(), Code::kInvalidRequest);
  }
}

TEST(AwsProfile, FilesThatVariablesName) {
  const TestFolder folder;
  const std::string credentials = folder.Write("c", "[default]\naws_access_key_id=A\n");
  folder.Write("home/f", "[default]\nregion=r\n");
  auto files = FindAwsFiles(OnlyVariables({{"AWS_SHARED_CREDENTIALS_FILE", credentials},
                                           {"AWS_CONFIG_FILE", "~/f"},
                                           {"HOME", folder.path("home")}}));
  auto profile = LoadAwsProfile(files);
  ASSERT_TRUE(profile.ok());
  EXPECT_EQ(*profile, (AwsProfile{{"aws_access_key_id", "A"}, {"region", "r"}}));

  files = FindAwsFiles(OnlyVariables({{"AWS_SHARED_CREDENTIALS_FILE", folder.path("none")}}));
  EXPECT_EQ(files.config, "");
  profile = LoadAwsProfile(files);
  ASSERT_TRUE(profile.ok());
  EXPECT_TRUE(profile->empty());

  files.credentials = folder.Write("bad", "[default]\nwhat\n");
  profile = LoadAwsProfile(files);
  ASSERT_FALSE(profile.ok());
  EXPECT_NE(profile.status().message().find(folder.path("bad") + ": line 2"), std::string::npos);

  files.credentials = folder.path("home");
  EXPECT_FALSE(LoadAwsProfile(files).ok()) << "a folder";
  files.credentials = folder.Write("large", std::string(300'000, '#'));
  EXPECT_FALSE(LoadAwsProfile(files).ok());
}

}  // namespace
}  // namespace photovec::fetch
