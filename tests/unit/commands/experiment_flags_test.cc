// SPDX-License-Identifier: MIT
#include "commands/lab/experiment_flags.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

namespace photovec::commands {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class ExperimentOptionsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/photovec-experiment-options-XXXXXX";
    dir_ = mkdtemp(name);
    std::filesystem::create_directories(dir_ + "/photos/a");
    std::ofstream(dir_ + "/photos/a/1.jpg") << "one";
    std::ofstream(dir_ + "/photos/2.jpg") << "two";
    options_.models = {"DIR"};
    options_.images = dir_ + "/photos";
  }
  void TearDown() override { std::filesystem::remove_all(dir_); }

  std::string Complaint() const {
    const auto sweep = MakeSweep(options_, "photovec", "logs");
    return sweep.ok() ? "" : sweep.status().message();
  }
  static bool Has(const std::vector<std::string>& command, const std::vector<std::string>& words) {
    return std::search(command.begin(), command.end(), words.begin(), words.end()) != command.end();
  }

  std::string dir_;
  ExperimentOptions options_;
};

TEST_F(ExperimentOptionsTest, MakesOneServeCommandAVariant) {
  options_.vary = {"streams=1,2"};
  options_.fixed = {"precision=f32"};
  const auto sweep = MakeSweep(options_, "photovec", "logs");
  ASSERT_TRUE(sweep.ok()) << sweep.status().message();
  ASSERT_EQ(sweep->variants.size(), 2u);
  EXPECT_EQ(sweep->variants[1].name, "streams=2");
  EXPECT_TRUE(Has(sweep->variants[1].command, {"--streams", "2"}));
  EXPECT_TRUE(Has(sweep->variants[1].command, {"--precision", "f32"}));
  EXPECT_TRUE(Has(sweep->variants[1].command, {"--model", "DIR"}));
  EXPECT_THAT(sweep->objects, ElementsAre("2.jpg", "a/1.jpg"));
  EXPECT_TRUE(Has(sweep->store_command, {"--root", options_.images}));
  EXPECT_EQ(sweep->load.clients, 30);
  EXPECT_EQ(sweep->load.images_max, 50);
}

TEST_F(ExperimentOptionsTest, RefusesOptionsThatServeDoesNotHave) {
  options_.vary = {"stream=1,2"};
  EXPECT_THAT(Complaint(),
              AllOf(HasSubstr("--vary"), HasSubstr("no option 'stream'"), HasSubstr("did you mean")));
  options_.vary = {"streams=1,many"};
  EXPECT_THAT(Complaint(), AllOf(HasSubstr("streams"), HasSubstr("'many'")));
  options_.vary = {"port=1,2"};
  EXPECT_THAT(Complaint(), HasSubstr("cannot be varied"));
  options_.vary = {};
  options_.fixed = {"model=x"};
  EXPECT_THAT(Complaint(), AllOf(HasSubstr("--set"), HasSubstr("--model")));
}

TEST_F(ExperimentOptionsTest, NeedsAModelAndPhotos) {
  options_.images = "";
  EXPECT_THAT(Complaint(), HasSubstr("--images DIR is required"));
  options_.images = dir_ + "/photos/missing";
  EXPECT_THAT(Complaint(), HasSubstr("missing"));
  std::filesystem::create_directories(dir_ + "/empty");
  options_.images = dir_ + "/empty";
  EXPECT_THAT(Complaint(), HasSubstr("no photo below"));
  options_.models = {};
  EXPECT_THAT(Complaint(), HasSubstr("--model DIR is required"));
}

TEST_F(ExperimentOptionsTest, NamesTheLoadOptionThatIsWrong) {
  const auto complaint = [this](auto ExperimentOptions::*member, const auto& value) {
    const auto before = options_.*member;
    options_.*member = value;
    const std::string text = Complaint();
    options_.*member = before;
    return text;
  };
  EXPECT_THAT(complaint(&ExperimentOptions::think, "x"), HasSubstr("--think"));
  EXPECT_THAT(complaint(&ExperimentOptions::images_per_request, "0"), HasSubstr("--images-per-request"));
  EXPECT_THAT(complaint(&ExperimentOptions::duration, "0"), HasSubstr("--duration"));
  EXPECT_THAT(complaint(&ExperimentOptions::warmup, "1 year"), HasSubstr("--warmup"));
  EXPECT_THAT(complaint(&ExperimentOptions::latency, "fast"), HasSubstr("--latency"));
  EXPECT_THAT(complaint(&ExperimentOptions::objective, "fast"), HasSubstr("--find-capacity"));
  EXPECT_THAT(complaint(&ExperimentOptions::arrival, experiment::Arrival::kPoisson),
              HasSubstr("--arrival poisson needs --rate"));
  options_.requests_per_s = 5;
  EXPECT_THAT(Complaint(), HasSubstr("--arrival poisson or constant"));
}

TEST_F(ExperimentOptionsTest, UploadsBringTheirPhotosAndNeedNoStore) {
  options_.source = PhotoSource::kUpload;
  const auto sweep = MakeSweep(options_, "photovec", "logs");
  ASSERT_TRUE(sweep.ok());
  EXPECT_THAT(sweep->load.photos, ElementsAre("two", "one"));
  EXPECT_TRUE(sweep->store_command.empty());
  options_.api = RequestApi::kOriginal;
  EXPECT_THAT(Complaint(), HasSubstr("--source store"));
}

TEST_F(ExperimentOptionsTest, TakesOtherServersWhole) {
  options_.models = {};
  options_.servers = {
      "old=python3 'my server.py' --port-file {port_file} --log {request_log} --store {store_url}"};
  const auto sweep = MakeSweep(options_, "photovec", "logs");
  ASSERT_TRUE(sweep.ok()) << sweep.status().message();
  EXPECT_EQ(sweep->variants[0].name, "old");
  EXPECT_THAT(sweep->variants[0].command, Contains("my server.py"));
  options_.servers = {"old=python3 server.py {port_file}"};
  EXPECT_THAT(Complaint(), HasSubstr("{request_log}"));
  options_.servers = {"python3"};
  EXPECT_THAT(Complaint(), HasSubstr("NAME=COMMAND"));
  options_.servers = {"old=x {port_file} {request_log}"};
  options_.vary = {"streams=1,2"};
  EXPECT_THAT(Complaint(), HasSubstr("do not go with it"));
}

TEST_F(ExperimentOptionsTest, DescribesEveryOptionThatHasAValue) {
  options_.vary = {"streams=1,2"};
  const auto described = DescribeOptions(options_);
  EXPECT_THAT(described, Contains(std::pair<std::string, std::string>("vary", "streams=1,2")));
  EXPECT_THAT(described, Contains(std::pair<std::string, std::string>("clients", "30")));
  EXPECT_THAT(described, Contains(std::pair<std::string, std::string>("source", "store")));
  EXPECT_THAT(described, Contains(std::pair<std::string, std::string>("latency", "p50=40ms,p95=180ms")));
}

}  // namespace
}  // namespace photovec::commands
