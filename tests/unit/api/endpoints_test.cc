// SPDX-License-Identifier: MIT
// The embedding endpoints over a real socket.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <cmath>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "base/json/writer.h"
#include "base/text/base64.h"
#include "unit/api/server_fixture.h"

namespace photovec::api {
namespace {

using testing::AllOf;
using testing::HasSubstr;
namespace bjson = boost::json;

bjson::value Parse(const test::TestReply& reply) { return bjson::parse(reply.body); }

std::vector<float> Floats(const bjson::value& list) {
  std::vector<float> out;
  for (const bjson::value& v : list.as_array()) out.push_back(v.to_number<float>());
  return out;
}

std::vector<float> Unit(std::string_view content) { return test::FakePipeline::VectorOf(content, true); }

std::string Rows(const std::vector<std::vector<float>>& rows) {
  std::string out;
  for (const auto& row : rows) out += FloatBytes(row);
  return out;
}

using EmbedTest = ServerTest;
using OpenAiTest = ServerTest;
using OriginalTest = ServerTest;

TEST_F(EmbedTest, RawBody) {
  Launch();
  test::TestReply reply = Ask(test::Post("/embed", "cat"));
  ASSERT_EQ(reply.status, 200) << reply.body;
  EXPECT_EQ(Floats(Parse(reply).at("embedding")), Unit("cat"));
  EXPECT_EQ(reply.Header("x-photovec-model"), "clip");
  EXPECT_EQ(reply.Header("x-photovec-fingerprint"), "f00dfeed");
  EXPECT_THAT(reply.Header("server-timing"), HasSubstr("encode;dur="));
  reply = Ask(test::Post("/embed?normalize=false&model=clip", "cat"));
  EXPECT_EQ(Floats(Parse(reply).at("embedding")), test::FakePipeline::VectorOf("cat", false));
  EXPECT_FALSE(Parse(reply).at("normalized").as_bool());
  reply = Ask(test::Post("/embed", "cat", "X-Photovec-Normalize: 0\r\nContent-Type: image/jpeg\r\n"));
  EXPECT_FALSE(Parse(reply).at("normalized").as_bool());
  reply = Ask(test::Post("/embed", "cat", "Accept: application/octet-stream\r\n"));
  EXPECT_EQ(reply.body, Rows({Unit("cat")}));
  EXPECT_EQ(reply.Header("x-photovec-shape"), "1,4");
  reply = Ask(test::Post("/embed", "cat", "Accept: application/x-npy\r\n"));
  EXPECT_EQ(reply.body.substr(1, 5), "NUMPY");
  EXPECT_TRUE(reply.body.ends_with(Rows({Unit("cat")})));
  EXPECT_TRUE(BudgetIsGivenBack());
}

TEST_F(EmbedTest, ASingleImageThatFailsGivesItsStatus) {
  Launch();
  const struct {
    std::string request;
    int status;
    std::string code;
  } kCases[] = {
      {test::Post("/embed", "BAD"), 422, "image_corrupt"},
      {test::Post("/embed", "<html>"), 415, "unsupported_format"},
      {test::Post("/embed", ""), 415, "unsupported_format"},
      {test::Post("/embed", "{\"images\":[]}"), 415, "send it with Content-Type: application/json"},
      {test::Post("/embed", test::Multipart({"BAD"}), test::kMultipartType), 422, "image_corrupt"},
      {test::Post("/embed", test::Multipart({""}), test::kMultipartType), 415, "unsupported_format"},
      {test::Post("/embed", R"({"images":["missing.jpg"]})", test::kJsonType), 404, "not_found"},
      {test::Post("/embed", R"({"images":["../x"]})", test::kJsonType), 403, "source_not_allowed"},
      {test::Post("/embed", R"({"images":["data:;base64,!"]})", test::kJsonType), 400, "invalid_request"},
      {test::Post("/embed?model=nope", "cat"), 404, "this server has: clip"},
      {test::Post("/embed?normalize=maybe", "cat"), 400, "must be true or false"},
      {test::Post("/embed", "", test::kJsonType), 400, "the body is empty"},
      {test::Post("/embed", "{", test::kJsonType), 400, "malformed JSON at line 1"},
      {test::Post("/embed", R"({"images":["a"],"model":"nope"})", test::kJsonType), 404,
       "this server has: clip"},
      {test::Post("/embed", "x", "Content-Type: multipart/form-data\r\n"), 400, "lacks its boundary"},
      {test::Post("/embed", "x", test::kMultipartType), 400, "does not contain its boundary"},
      {test::Post("/embed", "--XX--", test::kMultipartType), 400, "the upload has no image"},
      {test::Post("/embed", "x", "Content-Encoding: gzip\r\n"), 415, "Content-Encoding"},
  };
  for (const auto& test : kCases) {
    const test::TestReply reply = Ask(test.request);
    EXPECT_EQ(reply.status, test.status) << reply.body;
    EXPECT_THAT(reply.body, HasSubstr(test.code));
    EXPECT_TRUE(Parse(reply).at("error").as_object().contains("code"));
  }
  EXPECT_TRUE(BudgetIsGivenBack());
}

TEST_F(EmbedTest, BatchesKeepTheirOrderAndNameWhatFailed) {
  Launch();
  const std::vector<std::string> images = {"one", "BAD", "two\r\n--X", ""};
  const std::string body = test::Multipart(images);
  for (const std::string& request : {test::Post("/embed", body, test::kMultipartType),
                                     test::PostChunked("/embed", body, 7, test::kMultipartType)}) {
    const test::TestReply reply = Ask(request);
    ASSERT_EQ(reply.status, 200) << reply.body;
    const bjson::value parsed = Parse(reply);
    ASSERT_EQ(parsed.at("embeddings").as_array().size(), 4U);
    EXPECT_EQ(Floats(parsed.at("embeddings").at(0)), Unit("one"));
    EXPECT_TRUE(parsed.at("embeddings").at(1).is_null());
    EXPECT_EQ(Floats(parsed.at("embeddings").at(2)), Unit("two\r\n--X"));
    ASSERT_EQ(parsed.at("errors").as_array().size(), 2U);
    EXPECT_EQ(parsed.at("errors").at(0).at("index").as_int64(), 1);
    EXPECT_EQ(parsed.at("errors").at(0).at("code").as_string(), "image_corrupt");
    EXPECT_EQ(parsed.at("errors").at(1).at("index").as_int64(), 3);
  }
  const test::TestReply rows = Ask(
      test::Post("/embed", body, std::string(test::kMultipartType) + "Accept: application/octet-stream\r\n"));
  EXPECT_EQ(rows.body, Rows({Unit("one"), {0, 0, 0, 0}, Unit("two\r\n--X"), {0, 0, 0, 0}}));
  EXPECT_EQ(rows.Header("x-photovec-error-count"), "2");
  EXPECT_EQ(rows.Header("x-photovec-errors"),
            R"([{"index":1,"code":"image_corrupt"},{"index":3,"code":"unsupported_format"}])");
  const test::TestReply all_bad =
      Ask(test::Post("/embed", test::Multipart({"BAD", "BAD"}), test::kMultipartType));
  EXPECT_EQ(all_bad.status, 200);
  EXPECT_EQ(Parse(all_bad).at("errors").as_array().size(), 2U);
}

TEST_F(EmbedTest, EveryRouteSaysWhatCameFromTheCache) {
  Launch();
  pipeline_->set_cache_bytes(1 << 20);
  const std::string upload =
      test::Post("/embed", test::Multipart({"HIT 1", "MISS", "HIT 2", "BAD"}), test::kMultipartType);
  EXPECT_EQ(Ask(upload).Header("x-photovec-cache"), "hit=2, miss=1") << "what fails unseen is neither";
  EXPECT_EQ(Ask(test::Post("/embed", "MISS")).Header("x-photovec-cache"), "hit=0, miss=1");
  const std::string rows = test::Post("/embed", "HIT", "Accept: application/octet-stream\r\n");
  EXPECT_EQ(Ask(rows).Header("x-photovec-cache"), "hit=1, miss=0");
  const std::string names = R"({"images":["HIT.jpg","MISS.jpg","MISS2.jpg"]})";
  EXPECT_EQ(Ask(test::Post("/embed", names, test::kJsonType)).Header("x-photovec-cache"), "hit=1, miss=2");
  EXPECT_EQ(Ask(test::Post("/clip/embedding", names, test::kJsonType)).Header("x-photovec-cache"),
            "hit=1, miss=2");
  const std::string input = R"({"input":["HIT.jpg","MISS.jpg"]})";
  EXPECT_EQ(Ask(test::Post("/v1/embeddings", input, test::kJsonType)).Header("x-photovec-cache"),
            "hit=1, miss=1");
  EXPECT_EQ(Ask("GET /v1/models HTTP/1.1\r\nHost: t\r\n\r\n").Header("x-photovec-cache"), "");
}

TEST_F(EmbedTest, WithoutACacheNothingIsSaidOfIt) {
  Launch();
  EXPECT_EQ(Ask(test::Post("/embed", "MISS")).Header("x-photovec-cache"), "");
  EXPECT_EQ(
      Ask(test::Post("/v1/embeddings", R"({"input":["a.jpg"]})", test::kJsonType)).Header("x-photovec-cache"),
      "");
}

TEST_F(EmbedTest, PartsEnterThePipelineWhileLaterOnesStillArrive) {
  Launch();
  const std::string body = test::Multipart({std::string(100'000, 'a'), std::string(100'000, 'b'), "c"});
  const std::string request = test::Post("/embed", body, test::kMultipartType);
  const size_t behind_first = request.find("--XX", request.size() - body.size() + 10) + 6;
  test::TestClient client(port());
  client.Send(std::string_view(request).substr(0, behind_first));
  EXPECT_TRUE(pipeline_->WaitForImages(1));
  client.Send(std::string_view(request).substr(behind_first));
  const test::TestReply reply = client.Read();
  EXPECT_EQ(Floats(Parse(reply).at("embeddings").at(0)), Unit(std::string(100'000, 'a')));
  EXPECT_EQ(Floats(Parse(reply).at("embeddings").at(1)), Unit(std::string(100'000, 'b')));
}

TEST_F(EmbedTest, FormFields) {
  Launch();
  const std::string field = "--XX\r\nContent-Disposition: form-data; name=normalize\r\n\r\nfalse\r\n";
  test::TestReply reply = Ask(test::Post("/embed", field + test::Multipart({"a"}), test::kMultipartType));
  EXPECT_EQ(Floats(Parse(reply).at("embeddings").at(0)), test::FakePipeline::VectorOf("a", false));
  const std::string file = "--XX\r\nContent-Disposition: form-data; name=i; filename=a\r\n\r\na\r\n";
  reply = Ask(test::Post("/embed", file + field + "--XX--", test::kMultipartType));
  EXPECT_EQ(reply.status, 400);
  EXPECT_THAT(reply.body, HasSubstr("must come before the first image"));
  reply = Ask(test::Post("/embed", "--XX\r\nContent-Disposition: form-data; name=image\r\n\r\nxx\r\n--XX--",
                         test::kMultipartType));
  EXPECT_THAT(reply.body, HasSubstr("images need a file name"));
  EXPECT_TRUE(pipeline_->WaitForCancelled(1)) << "the request with the late field is given up";
}

TEST_F(EmbedTest, TextsBesideImages) {
  Launch();
  const std::string body = R"({"images":["one.jpg","missing.jpg"],"texts":["a cat"," ","BAD"]})";
  test::TestReply reply = Ask(test::Post("/embed", body, test::kJsonType));
  EXPECT_EQ(reply.status, 400);
  EXPECT_THAT(reply.body, HasSubstr("embeds images only"));
  pipeline_->set_text();
  reply = Ask(test::Post("/embed", body, test::kJsonType));
  ASSERT_EQ(reply.status, 200) << reply.body;
  const bjson::value parsed = Parse(reply);
  ASSERT_EQ(parsed.at("embeddings").as_array().size(), 5U);
  EXPECT_EQ(Floats(parsed.at("embeddings").at(0)), Unit("one.jpg"));
  EXPECT_EQ(Floats(parsed.at("embeddings").at(2)), Unit("a cat"));
  ASSERT_EQ(parsed.at("errors").as_array().size(), 3U);
  EXPECT_EQ(parsed.at("errors").at(0).at("index").as_int64(), 1);
  EXPECT_EQ(parsed.at("errors").at(1).at("index").as_int64(), 3);
  EXPECT_THAT(std::string(parsed.at("errors").at(1).at("message").as_string()), HasSubstr("white space"));
  EXPECT_EQ(parsed.at("errors").at(2).at("index").as_int64(), 4);
  const std::string rows = R"({"texts":["http://h/x","cat.jpg"]})";
  const std::string accept = std::string(test::kJsonType) + "Accept: application/octet-stream\r\n";
  EXPECT_EQ(Ask(test::Post("/embed", rows, accept)).body, Rows({Unit("http://h/x"), Unit("cat.jpg")}));
  EXPECT_TRUE(BudgetIsGivenBack());
}

std::string TextPart(const std::string& text) {
  return "--XX\r\nContent-Disposition: form-data; name=text\r\n\r\n" + text + "\r\n";
}

TEST_F(EmbedTest, AFormIsAdmittedByWhatIsInIt) {
  Launch();
  pipeline_->set_text();
  pipeline_->set_hold_all(true);
  const auto announced = [&](ItemKind kind) {
    double items = 0;
    for (const pipeline::LaneState& lane : pipeline_->admission().State(0, kind).lanes) items += lane.items;
    return items;
  };
  struct Case {
    std::string form;
    double images, texts;
  };
  for (const Case& test : std::vector<Case>{
           {TextPart("one") + TextPart("two") + TextPart("three") + "--XX--", 0, 3},
           {TextPart("one") + test::Multipart({"a", "b"}), 2, 1},
           {test::Multipart({"a", "b", "c"}), 3, 0},
       }) {
    const size_t items = static_cast<size_t>(test.images + test.texts);
    std::thread client([&] {
      EXPECT_EQ(test::TestClient(port()).Ask(test::Post("/embed", test.form, test::kMultipartType)).status,
                200);
    });
    EXPECT_TRUE(pipeline_->WaitForHeld(1)) << items;
    EXPECT_EQ(announced(ItemKind::kImage), test.images);
    EXPECT_EQ(announced(ItemKind::kText), test.texts);
    pipeline_->ReleaseHeld();
    client.join();
  }
  EXPECT_TRUE(BudgetIsGivenBack());
}

TEST_F(EmbedTest, TextsOfAFormKeepTheirPlaceAmongTheFiles) {
  Launch();
  const std::string form = TextPart("first") + test::Multipart({"photo"});
  test::TestReply reply = Ask(test::Post("/embed", form, test::kMultipartType));
  EXPECT_EQ(reply.status, 400);
  EXPECT_THAT(reply.body, HasSubstr("\"text\\\" is text, and the model"));
  pipeline_->set_text();
  reply = Ask(test::Post(
      "/embed", TextPart("") + TextPart(std::string(65'536, 'x')) + TextPart(std::string(65'537, 'x')) + form,
      test::kMultipartType));
  ASSERT_EQ(reply.status, 200) << reply.body;
  const bjson::value parsed = Parse(reply);
  ASSERT_EQ(parsed.at("embeddings").as_array().size(), 5U);
  EXPECT_EQ(Floats(parsed.at("embeddings").at(1)), Unit(std::string(65'536, 'x')));
  EXPECT_EQ(Floats(parsed.at("embeddings").at(3)), Unit("first"));
  EXPECT_EQ(Floats(parsed.at("embeddings").at(4)), Unit("photo"));
  ASSERT_EQ(parsed.at("errors").as_array().size(), 2U);
  EXPECT_THAT(std::string(parsed.at("errors").at(0).at("message").as_string()), HasSubstr("is empty"));
  EXPECT_THAT(std::string(parsed.at("errors").at(1).at("message").as_string()), HasSubstr("longer than 64"));
  EXPECT_TRUE(BudgetIsGivenBack());
}

using ScoreTest = ServerTest;

TEST_F(ScoreTest, EveryImageWithEveryText) {
  Launch();
  pipeline_->set_text({20, 0, false});
  const std::string body = R"({"images":["a.jpg","missing.jpg"],"texts":["cat","BAD","dog"]})";
  const test::TestReply reply = Ask(test::Post("/score?model=clip", body, test::kJsonType));
  ASSERT_EQ(reply.status, 200) << reply.body;
  const bjson::value parsed = Parse(reply);
  EXPECT_EQ(bjson::serialize(parsed.at("score")), R"({"function":"softmax","scale":20,"bias":0})");
  const auto dot = [](std::string_view a, std::string_view b) {
    float sum = 0;
    for (size_t i = 0; i < test::FakePipeline::kDim; ++i) sum += Unit(a)[i] * Unit(b)[i];
    return sum;
  };
  const bjson::value& cosines = parsed.at("cosines").at(0);
  EXPECT_NEAR(cosines.at(0).to_number<float>(), dot("a.jpg", "cat"), 1e-6);
  EXPECT_TRUE(cosines.at(1).is_null());
  EXPECT_NEAR(cosines.at(2).to_number<float>(), dot("a.jpg", "dog"), 1e-6);
  EXPECT_TRUE(parsed.at("cosines").at(1).is_null());
  const bjson::value& probabilities = parsed.at("probabilities").at(0);
  EXPECT_NEAR(probabilities.at(0).to_number<float>() + probabilities.at(2).to_number<float>(), 1, 1e-6);
  EXPECT_TRUE(probabilities.at(1).is_null() && parsed.at("probabilities").at(1).is_null());
  ASSERT_EQ(parsed.at("errors").as_array().size(), 2U);
  EXPECT_EQ(parsed.at("errors").at(0).at("image").as_int64(), 1);
  EXPECT_EQ(parsed.at("errors").at(1).at("text").as_int64(), 1);
  EXPECT_EQ(Parse(Ask("GET /v1/models/clip HTTP/1.1\r\nHost: t\r\n\r\n")).at("score"), parsed.at("score"));
  // The same by a form, in any order.
  const std::string form = TextPart("cat") + TextPart("BAD") +
                           "--XX\r\nContent-Disposition: form-data; name=i; filename=a\r\n\r\na.jpg\r\n" +
                           TextPart("dog") + test::Multipart({"BAD"});
  const bjson::value uploaded = Parse(Ask(test::Post("/score", form, test::kMultipartType)));
  EXPECT_EQ(uploaded.at("cosines"), parsed.at("cosines"));
  EXPECT_EQ(uploaded.at("errors").at(0).at("code").as_string(), "image_corrupt");
  EXPECT_TRUE(BudgetIsGivenBack());
}

TEST_F(ScoreTest, Refusals) {
  Launch();
  const std::string body = R"({"images":["a.jpg"],"texts":["cat"]})";
  EXPECT_THAT(Ask(test::Post("/score", body, test::kJsonType)).body, HasSubstr("embeds images only"));
  pipeline_->set_text();
  const std::string normalize = "--XX\r\nContent-Disposition: form-data; name=normalize\r\n\r\nfalse\r\n";
  const struct {
    std::string request;
    int status;
    std::string message;
  } kCases[] = {
      {test::Post("/score", R"({"images":["missing.jpg"],"texts":["cat"]})", test::kJsonType), 404,
       "no such file"},
      {test::Post("/score", R"({"images":["a.jpg"],"texts":["BAD",""]})", test::kJsonType), 400,
       "longer than"},
      {test::Post("/score", R"({"images":["a.jpg"]})", test::kJsonType), 400, "at least one text"},
      {test::Post("/score?model=nope", body, test::kJsonType), 404, "this server has: clip"},
      {test::Post("/score", test::Multipart({"photo"}), test::kMultipartType), 400, "needs images and texts"},
      {test::Post("/score", TextPart("cat") + "--XX--", test::kMultipartType), 400, "needs images and texts"},
      {test::Post("/score", normalize + test::Multipart({"photo"}), test::kMultipartType), 400,
       "known fields are model and text"},
      {test::Post("/score", "photo", "Content-Type: image/jpeg\r\n"), 400, "malformed JSON"},
      {"GET /score HTTP/1.1\r\nHost: t\r\n\r\n", 405, "use POST"},
  };
  for (const auto& test : kCases) {
    const test::TestReply reply = Ask(test.request);
    EXPECT_EQ(reply.status, test.status) << reply.body;
    EXPECT_THAT(reply.body, HasSubstr(test.message));
  }
  EXPECT_TRUE(BudgetIsGivenBack());
}

TEST_F(EmbedTest, UploadLimits) {
  Launch();
  test::TestReply reply =
      Ask(test::Post("/embed", test::Multipart(std::vector<std::string>(1001, "x")), test::kMultipartType));
  EXPECT_EQ(reply.status, 400);
  EXPECT_THAT(reply.body, HasSubstr("more than 1000 images"));
  reply = Ask(
      test::Post("/embed", test::Multipart({"a", std::string(100'000'001, 'x'), "b"}), test::kMultipartType));
  ASSERT_EQ(reply.status, 200);
  const bjson::value parsed = Parse(reply);
  EXPECT_EQ(parsed.at("errors").as_array().size(), 1U);
  EXPECT_EQ(parsed.at("errors").at(0).at("code").as_string(), "body_too_large");
  EXPECT_EQ(Floats(parsed.at("embeddings").at(2)), Unit("b"));
  EXPECT_TRUE(BudgetIsGivenBack());
}

TEST_F(EmbedTest, ThirtyClientsWithFiftyPhotosAreServed) {
  Launch({}, 256ULL << 20);
  const std::string request =
      test::Post("/embed", test::Multipart(std::vector<std::string>(50, std::string(150'000, 'x'))),
                 test::kMultipartType);
  std::vector<std::thread> clients;
  std::atomic<int> served{0};
  for (int i = 0; i < 30; ++i) {
    clients.emplace_back([&] { served += test::TestClient(port()).Ask(request).status == 200 ? 1 : 0; });
  }
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(served, 30);
  EXPECT_TRUE(BudgetIsGivenBack());
}

TEST_F(EmbedTest, LargeRepliesAndJsonBodiesGoThroughTheWorkers) {
  Launch();
  pipeline_->set_dim(1024);
  std::string body = "{\"images\":[";
  for (int i = 0; i < 1000; ++i)
    body += (i ? ",\"data:;base64," : "\"data:;base64,") + std::string(400, 'A') + "\"";
  body += "]}";
  const test::TestReply reply = Ask(test::Post("/embed", body, test::kJsonType));
  ASSERT_EQ(reply.status, 200) << reply.body.substr(0, 200);
  EXPECT_EQ(Parse(reply).at("embeddings").as_array().size(), 1000U);
  EXPECT_TRUE(BudgetIsGivenBack());
}

TEST_F(OpenAiTest, FloatAndBase64) {
  Launch();
  test::TestReply reply = Ask(test::Post("/v1/embeddings", R"({"model":"clip","input":["a.jpg","b.jpg"]})"));
  ASSERT_EQ(reply.status, 200) << reply.body;
  bjson::value parsed = Parse(reply);
  EXPECT_EQ(parsed.at("object").as_string(), "list");
  EXPECT_EQ(parsed.at("data").at(1).at("index").as_int64(), 1);
  EXPECT_EQ(Floats(parsed.at("data").at(1).at("embedding")), Unit("b.jpg"));
  reply = Ask(test::Post("/v1/embeddings", R"({"input":"a.jpg","encoding_format":"base64","dimensions":4})"));
  parsed = Parse(reply);
  const bjson::string& base64 = parsed.at("data").at(0).at("embedding").as_string();
  EXPECT_EQ(*Base64Decode({base64.data(), base64.size()}), Rows({Unit("a.jpg")}));
}

TEST_F(OpenAiTest, DimensionsCutVectorsWhereTheModelAllowsIt) {
  Launch();
  pipeline_->set_text();
  const auto ask = [&](const std::string& options) {
    return Ask(test::Post("/v1/embeddings", R"({"input":[{"image":"a.jpg"},"a cat")" + options + "}",
                          test::kJsonType));
  };
  const auto message = [&](const std::string& options) {
    const test::TestReply reply = ask(options);
    EXPECT_EQ(reply.status, 400) << reply.body;
    return std::string(Parse(reply).at("error").at("message").as_string());
  };
  const auto first = [](const std::string& content, size_t count) {
    std::vector<float> vector = Unit(content);
    vector.resize(count);
    double sum = 0;
    for (const float x : vector) sum += double{x} * x;
    for (float& x : vector) x = static_cast<float>(x / std::sqrt(sum));
    return vector;
  };
  EXPECT_THAT(message(R"(],"dimensions":2)"),
              AllOf(HasSubstr("is_matryoshka"), HasSubstr("--allow-truncation")));
  pipeline_->set_shortening({.any = false, .sizes = {1, 3}});
  EXPECT_THAT(message(R"(],"dimensions":2)"), HasSubstr("can be shortened to 1 3"));
  test::TestReply reply = ask(R"(],"dimensions":3)");
  ASSERT_EQ(reply.status, 200) << reply.body;
  EXPECT_EQ(Floats(Parse(reply).at("data").at(0).at("embedding")), first("a.jpg", 3));
  EXPECT_EQ(Floats(Parse(reply).at("data").at(1).at("embedding")), first("a cat", 3));
  pipeline_->set_shortening({.any = true, .sizes = {}});
  for (const char* wrong : {"5", "-1", "9223372036854775807"}) {
    EXPECT_THAT(message(R"(],"dimensions":)" + std::string(wrong)), HasSubstr("give 1 to 4")) << wrong;
  }
  reply = ask(R"(,"missing.jpg",{"image":"missing.jpg"}],"dimensions":2,"encoding_format":"base64")");
  const bjson::value parsed = Parse(reply);
  const bjson::string& base64 = parsed.at("data").at(0).at("embedding").as_string();
  EXPECT_EQ(*Base64Decode({base64.data(), base64.size()}), Rows({first("a.jpg", 2)}));
  EXPECT_EQ(parsed.at("data").at(3).at("error").at("code").as_string(), "not_found");
  for (const char* all : {"4", "0"}) {
    reply = ask(R"(],"dimensions":)" + std::string(all));
    EXPECT_EQ(Floats(Parse(reply).at("data").at(0).at("embedding")), Unit("a.jpg")) << all;
  }
  EXPECT_TRUE(BudgetIsGivenBack());
}

TEST_F(OpenAiTest, TakesAsManyInputsAsOpenAi) {
  Launch({}, 256ULL << 20, {.usual_items = 1000});
  pipeline_->set_max_items(2048);
  const auto ask = [&](const char* route, const char* field, int count) {
    std::string body = std::string("{\"") + field + "\":[";
    for (int i = 0; i < count; ++i) body += i > 0 ? ",\"a.jpg\"" : "\"a.jpg\"";
    return Ask(test::Post(route, body + "]}", test::kJsonType));
  };
  test::TestReply reply = ask("/v1/embeddings", "input", 2048);
  ASSERT_EQ(reply.status, 200) << reply.body.substr(0, 200);
  EXPECT_EQ(Parse(reply).at("data").as_array().size(), 2048U);
  reply = ask("/v1/embeddings", "input", 2049);
  EXPECT_EQ(reply.status, 400);
  EXPECT_THAT(reply.body, HasSubstr("a request may name 2048"));
  EXPECT_EQ(ask("/embed", "images", 1000).status, 200);
  reply = ask("/embed", "images", 1001);
  EXPECT_EQ(reply.status, 400);
  EXPECT_THAT(reply.body, HasSubstr("a request may name 1000"));
  EXPECT_TRUE(BudgetIsGivenBack());
}

TEST_F(OpenAiTest, TextsAndImagesInOneCall) {
  Launch();
  pipeline_->set_text({100, -2, true});
  const std::string body = R"({"input":["a cat",{"image":"a.jpg"},{"text":"s3://b/o"},"","s3://b/o"]})";
  const test::TestReply reply = Ask(test::Post("/v1/embeddings", body, test::kJsonType));
  ASSERT_EQ(reply.status, 200) << reply.body;
  const bjson::value parsed = Parse(reply);
  EXPECT_EQ(Floats(parsed.at("data").at(0).at("embedding")), Unit("a cat"));
  EXPECT_EQ(Floats(parsed.at("data").at(1).at("embedding")), Unit("a.jpg"));
  EXPECT_EQ(Floats(parsed.at("data").at(2).at("embedding")), Unit("s3://b/o"));
  EXPECT_EQ(parsed.at("data").at(3).at("error").at("message").as_string(), "the text is empty");
  EXPECT_EQ(parsed.at("usage").at("prompt_tokens").as_int64(), 5 + 8) << "an image has none";
  EXPECT_EQ(parsed.at("usage").at("total_tokens").as_int64(), 5 + 8);
  const bjson::value model = Parse(Ask(test::Get("/v1/models/clip")));
  EXPECT_EQ(bjson::serialize(model.at("modalities")), R"(["image","text"])");
  EXPECT_EQ(model.at("text_rule").as_string(), "clip-bpe/fake");
  EXPECT_EQ(model.at("max_tokens").as_int64(), 77);
  EXPECT_EQ(bjson::serialize(model.at("score")), R"({"function":"sigmoid","scale":100,"bias":-2})");
  EXPECT_EQ(Ask(test::Post("/v1/embeddings", R"({"input":" "})", test::kJsonType)).status, 400);
  EXPECT_TRUE(BudgetIsGivenBack());
}

TEST_F(OpenAiTest, Errors) {
  Launch();
  const auto ask = [&](std::string_view body) {
    return Ask(test::Post("/v1/embeddings", body, test::kJsonType));
  };
  test::TestReply reply = ask(R"({"model":"nope","input":"a.jpg"})");
  EXPECT_EQ(reply.status, 404);
  EXPECT_EQ(Parse(reply).at("error").at("code").as_string(), "model_not_found");
  EXPECT_EQ(Parse(reply).at("error").at("param").as_string(), "model");
  reply = ask(R"({"model":"clip","input":"a.jpg","dimensions":3})");
  EXPECT_EQ(reply.status, 400);
  EXPECT_EQ(Parse(reply).at("error").at("param").as_string(), "dimensions");
  reply = ask(R"({"model":"clip","input":"a photo of a cat"})");
  EXPECT_EQ(reply.status, 400);
  EXPECT_EQ(ask(R"({"model":"clip","input":"missing.jpg"})").status, 404);
  reply = ask(R"({"model":"clip","input":["../x","missing.jpg"]})");
  EXPECT_EQ(reply.status, 403) << "all failed: the first error's status";
  reply = ask(R"({"model":"clip","input":["missing.jpg","b.jpg"],"encoding_format":"base64"})");
  EXPECT_EQ(reply.status, 200) << "one bad image fails one item";
  const bjson::value parsed = Parse(reply);
  EXPECT_TRUE(parsed.at("data").at(0).at("embedding").as_array().empty());
  EXPECT_EQ(parsed.at("data").at(0).at("error").at("code").as_string(), "not_found");
  EXPECT_TRUE(parsed.at("data").at(1).at("embedding").is_string());
}

TEST_F(OpenAiTest, Models) {
  Launch();
  test::TestReply reply = Ask(test::Get("/v1/models"));
  EXPECT_EQ(Parse(reply).at("data").at(0).at("id").as_string(), "clip");
  EXPECT_EQ(Parse(reply).at("data").at(0).at("fingerprint").as_string(), "f00dfeed");
  EXPECT_EQ(bjson::serialize(Parse(reply).at("data").at(0).at("modalities")), R"(["image"])");
  EXPECT_FALSE(Parse(reply).at("data").at(0).as_object().contains("text_rule"));
  EXPECT_EQ(Parse(Ask(test::Get("/v1/models/cl%69p"))).at("id").as_string(), "clip");
  EXPECT_EQ(Ask(test::Get("/v1/models/nope")).status, 404);
}

TEST_F(OriginalTest, PickleAndJson) {
  Launch();
  const std::string body = R"({"images":["a.jpg","missing.jpg"],"client_send_time":1})";
  test::TestReply reply = Ask(test::Post("/clip/embedding", body, "Accept: */*\r\n"));
  ASSERT_EQ(reply.status, 200);
  EXPECT_TRUE(reply.body.starts_with("\x80\x02}(X\x07"));
  EXPECT_TRUE(reply.body.ends_with("."));
  EXPECT_EQ(pipeline_->last_options()->preprocessing, pipeline::Preprocessing::kReplacedService);
  EXPECT_FALSE(pipeline_->last_options()->normalize);
  reply = Ask(test::Post("/clip/embedding", body, "Accept: application/json\r\n"));
  const bjson::value parsed = Parse(reply);
  EXPECT_EQ(parsed.at("message").as_string(), "success");
  EXPECT_EQ(Floats(parsed.at("data").at("a.jpg")), test::FakePipeline::VectorOf("a.jpg", false));
  EXPECT_FALSE(parsed.at("data").as_object().contains("missing.jpg"));
  EXPECT_EQ(parsed.at("errors").at(0).at("image").as_string(), "missing.jpg");
  reply = Ask(test::Post("/clip/embedding", R"({"images":["missing.jpg"]})"));
  EXPECT_EQ(reply.status, 404);
  EXPECT_TRUE(Parse(reply).at("data").is_null());
}

TEST_F(EmbedTest, MetricsCountRequestsAndStages) {
  Launch();
  test::TestClient client(port());
  for (int i = 0; i < 3; ++i) client.Ask(test::Post("/embed", "cat"));
  EXPECT_EQ(Requests("embed", 200), 3);
  const std::string text = Ask(test::Get("/metrics")).body;
  EXPECT_THAT(text, HasSubstr("photovec_request_stage_seconds_count{model=\"clip\",stage=\"http_total\"} 3"));
  EXPECT_THAT(text, HasSubstr("photovec_event_loop_lag_seconds_bucket"));
}

}  // namespace
}  // namespace photovec::api
