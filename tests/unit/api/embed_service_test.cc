// SPDX-License-Identifier: MIT
// The service that every protocol stands on, without any transport.
#include "api/embed_service.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <string>
#include <vector>

#include "testing/fake_pipeline.h"

namespace photovec::api {
namespace {

using ::testing::HasSubstr;

class EmbedServiceTest : public ::testing::Test {
 protected:
  /// Opens a request for these images and waits for its answer.
  pipeline::RequestResult Embed(const std::vector<std::string>& images, const EmbedOptions& options = {}) {
    const auto model = service_.FindModel("");
    EXPECT_TRUE(model.ok());
    std::promise<pipeline::RequestResult> answer;
    auto request =
        service_.Open(*model, options, [&](pipeline::RequestResult r) { answer.set_value(std::move(r)); });
    EXPECT_TRUE(request.ok());
    Reservation budget;
    for (const std::string& image : images) AddInput(**request, MakeImageInput(image), budget);
    (*request)->Finish();
    return answer.get_future().get();
  }

  test::FakePipeline pipeline_;
  EmbedService service_{pipeline_, std::chrono::seconds(5)};
};

TEST_F(EmbedServiceTest, AModelIsFoundOnceAndAnUnknownOneListsThoseThereAre) {
  EXPECT_EQ(service_.FindModel("")->name, "clip");
  EXPECT_EQ(EmbeddingDim(*service_.FindModel("clip")), size_t{test::FakePipeline::kDim});
  const auto missing = service_.FindModel("vit");
  ASSERT_FALSE(missing.ok());
  EXPECT_EQ(missing.error().HttpStatusCode(), 404);
  EXPECT_EQ(missing.error().param, "model");
  EXPECT_THAT(missing.status().message(), HasSubstr("this server has: clip"));
}

TEST_F(EmbedServiceTest, OptionsAndDeadlineReachThePipeline) {
  const TimePoint before = Clock::now();
  Embed({"a.jpg"}, {false, pipeline::Preprocessing::kReplacedService});
  const auto options = pipeline_.last_options();
  ASSERT_TRUE(options.has_value());
  EXPECT_FALSE(options->normalize);
  EXPECT_EQ(options->preprocessing, pipeline::Preprocessing::kReplacedService);
  EXPECT_GE(options->deadline.at(), before + std::chrono::seconds(5));
}

TEST_F(EmbedServiceTest, OneBadImageFailsAlone) {
  const pipeline::RequestResult result =
      Embed({"a.jpg", "missing.jpg", "data:image/png;base64,!!!", "b.jpg"});
  ASSERT_EQ(result.items.size(), 4U);
  EXPECT_TRUE(result.items[0].status.ok());
  EXPECT_EQ(result.items[1].status.code(), Code::kNotFound);
  EXPECT_EQ(result.items[2].status.code(), Code::kInvalidRequest);
  EXPECT_TRUE(result.items[3].status.ok());
  EXPECT_FALSE(WholeFailure(result, true).has_value());
}

TEST_F(EmbedServiceTest, AWholeRequestFailsOnlyWhereNothingIsLeft) {
  const pipeline::RequestResult both = Embed({"missing.jpg", "../secret.jpg"});
  EXPECT_FALSE(WholeFailure(both, false).has_value()) << "clients' errors of several images stay beside them";
  EXPECT_EQ(WholeFailure(both, true)->code(), Code::kNotFound);
  EXPECT_EQ(WholeFailure(Embed({"missing.jpg"}), false)->code(), Code::kNotFound);
}

}  // namespace
}  // namespace photovec::api
