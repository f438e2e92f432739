// SPDX-License-Identifier: MIT
#include "commands/source_options.h"

#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "commands/config_file.h"
#include "commands/settings.h"

namespace photovec::commands {
namespace {

/// The options after `flags` were given on the command line.
Result<fetch::FetchOptions> Given(const std::vector<std::pair<std::string, std::string>>& given) {
  SourceOptions options;
  FlagSet flags;
  DeclareSourceFlags(flags, &options);
  for (Flag& flag : flags.flags()) {
    for (const auto& [name, value] : given) {
      if (flag.name == name) flag.given.push_back(value);
    }
  }
  RETURN_IF_ERROR(ApplySettings({.path = "serve", .flags = &flags},
                                [](const std::string&) -> std::optional<std::string> { return std::nullopt; },
                                {}));
  return ToFetchOptions(options);
}

TEST(SourceOptions, GcsFlags) {
  const auto none = Given({});
  ASSERT_TRUE(none.ok());
  EXPECT_FALSE(none->gcs.enabled()) << "object stores are off by default";
  const auto all = Given({{"gcs-bucket", "a"},
                          {"gcs-bucket", "b"},
                          {"default-bucket", "gs://c"},
                          {"gcs-auth", "anonymous"},
                          {"gcs-endpoint", "http://h:1"},
                          {"gcs-user-project", "p"}});
  ASSERT_TRUE(all.ok()) << all.status().ToString();
  EXPECT_EQ(all->gcs.allowed_buckets, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(all->gcs.default_bucket, "c");
  EXPECT_EQ(all->gcs.auth, fetch::GcsOptions::Auth::kAnonymous);
  EXPECT_EQ(all->gcs.endpoint, "http://h:1");
  EXPECT_EQ(all->gcs.user_project, "p");
  EXPECT_TRUE(all->gcs.enabled());
}

TEST(SourceOptions, WhatContradictsItselfIsRefused) {
  for (const auto& given : std::vector<std::vector<std::pair<std::string, std::string>>>{
           {{"default-bucket", "gs://c"}, {"image-root", "/srv"}},
           {{"default-bucket", "c"}},
           {{"gcs-auth", "maybe"}}}) {
    const auto options = Given(given);
    ASSERT_FALSE(options.ok()) << given[0].second;
    EXPECT_EQ(options.status().code(), Code::kInvalidRequest);
    EXPECT_NE(options.status().message().find("--" + given[0].first), std::string::npos)
        << options.status().message();
  }
}

}  // namespace
}  // namespace photovec::commands
