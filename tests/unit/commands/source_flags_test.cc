// SPDX-License-Identifier: MIT
#include "commands/source_flags.h"

#include <gtest/gtest.h>

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cli/config_file.h"
#include "cli/settings.h"

namespace photovec::commands {
namespace {

/// The options after `flags` were given on the command line.
Result<fetch::FetchOptions> Given(const std::vector<std::pair<std::string, std::string>>& given) {
  SourceOptions options;
  cli::FlagSet flags;
  DeclareSourceFlags(flags, &options);
  for (cli::Flag& flag : flags.flags()) {
    for (const auto& [name, value] : given) {
      if (flag.name == name) flag.given.push_back(value);
    }
  }
  RETURN_IF_ERROR(
      cli::ApplySettings({.path = "serve", .flags = &flags},
                         [](const std::string&) -> std::optional<std::string> { return std::nullopt; }, {}));
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

TEST(SourceOptions, S3Flags) {
  using fetch::S3Options;
  const auto none = Given({});
  ASSERT_TRUE(none.ok());
  EXPECT_FALSE(none->s3.enabled()) << "object stores are off by default";
  EXPECT_EQ(none->s3.addressing, S3Options::Addressing::kAuto);
  EXPECT_EQ(none->s3.auth, S3Options::Auth::kAuto);
  const auto all = Given({{"s3-bucket", "a"},
                          {"s3-bucket", "*"},
                          {"default-bucket", "s3://c"},
                          {"s3-auth", "anonymous"},
                          {"s3-endpoint", "http://h:1"},
                          {"s3-region", "auto"},
                          {"s3-addressing", "virtual"}});
  ASSERT_TRUE(all.ok()) << all.status().ToString();
  EXPECT_EQ(all->s3.allowed_buckets, (std::vector<std::string>{"a", "*"}));
  EXPECT_EQ(all->s3.default_bucket, "c");
  EXPECT_EQ(all->s3.auth, S3Options::Auth::kAnonymous);
  EXPECT_EQ(all->s3.endpoint, "http://h:1");
  EXPECT_EQ(all->s3.region, "auto");
  EXPECT_EQ(all->s3.addressing, S3Options::Addressing::kVirtual);
  EXPECT_FALSE(all->gcs.enabled());
  EXPECT_EQ(Given({{"s3-addressing", "path"}})->s3.addressing, S3Options::Addressing::kPath);
}

TEST(SourceOptions, WhatContradictsItselfIsRefused) {
  for (const auto& given : std::vector<std::vector<std::pair<std::string, std::string>>>{
           {{"default-bucket", "gs://c"}, {"image-root", "/srv"}},
           {{"default-bucket", "c"}},
           {{"default-bucket", "s3://c"}, {"image-root", "/srv"}},
           {{"s3-auth", "maybe"}},
           {{"s3-addressing", "maybe"}},
           {{"gcs-auth", "maybe"}}}) {
    const auto options = Given(given);
    ASSERT_FALSE(options.ok()) << given[0].second;
    EXPECT_EQ(options.status().code(), Code::kInvalidRequest);
    EXPECT_NE(options.status().message().find("--" + given[0].first), std::string::npos)
        << options.status().message();
  }
}

TEST(SourceOptions, HowImagesMove) {
  const auto standard = Given({});
  ASSERT_TRUE(standard.ok());
  const fetch::FetchOptions defaults;
  EXPECT_EQ(standard->total_timeout, defaults.total_timeout) << "the flag has a default of its own";
  EXPECT_EQ(standard->connect_timeout, defaults.connect_timeout);
  EXPECT_EQ(standard->hedge, defaults.hedge);
  const auto all = Given({{"fetch-timeout", "2.5"},
                          {"fetch-connect-timeout", "0.25"},
                          {"fetch-attempts", "5"},
                          {"fetch-hedge", "off"},
                          {"fetch-concurrency", "7"},
                          {"fetch-concurrency-per-host", "6"},
                          {"fetch-ca-file", "ca.pem"},
                          {"fetch-proxy-from-env", "true"}});
  ASSERT_TRUE(all.ok()) << all.status().ToString();
  EXPECT_EQ(all->total_timeout, std::chrono::milliseconds(2'500));
  EXPECT_EQ(all->connect_timeout, std::chrono::milliseconds(250));
  EXPECT_EQ(all->max_attempts, 5);
  EXPECT_FALSE(all->hedge);
  EXPECT_EQ(all->max_transfers, 7);
  EXPECT_EQ(all->max_transfers_per_host, 6);
  EXPECT_EQ(all->ca_file, "ca.pem");
  EXPECT_TRUE(all->use_env_proxy);
  EXPECT_FALSE(Given({{"fetch-attempts", "0"}}).ok());
  EXPECT_FALSE(Given({{"fetch-hedge", "maybe"}}).ok());
}

}  // namespace
}  // namespace photovec::commands
