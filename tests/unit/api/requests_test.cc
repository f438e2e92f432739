// SPDX-License-Identifier: MIT
// What each protocol accepts and how it names what it does not.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <variant>

#include "api/image_input.h"
#include "api/native.h"
#include "api/openai.h"
#include "api/original_api.h"
#include "base/json/reader.h"

namespace photovec::api {
namespace {

using testing::HasSubstr;

std::string Nested(size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); }

std::string Text(const ImageInput& image) {
  if (!image.status.ok()) return "error: " + image.status.ToString();
  if (const auto* reference = std::get_if<pipeline::Reference>(&image.source)) return reference->text;
  const auto view = std::get<Bytes>(image.source).view();
  return "bytes: " + std::string(view.begin(), view.end());
}

TEST(JsonTest, MalformedBodiesAreLocated) {
  const struct {
    std::string body;
    std::string message;
  } kCases[] = {
      {"", "the body is empty"},
      {" \n", "the body is empty"},
      {"{\"a\":1,}", "line 1, column 8"},
      {"{\n \"a\": tru\n}", "line 2, column 7"},
      {"{\"a\":1} x", "line 1, column 9"},
      {"{\"dimensions\": NaN}", "NaN and Infinity are not JSON"},
      {"{\"dimensions\": NaN}", "\"dimensions\""},
      {"{\"dimensions\": -Infinity}", "\"dimensions\""},
      {"{\"dimensions\": 1e999}", "exponent overflow"},
      {"[-0.5e11615]", "exponent overflow"},
      {"{\"a\":1,\"b\":2,\"a\":3}", "the key \"a\" occurs twice"},
      {"{\"x\":{\"a\":1,\"\\u0061\":3}}", "the key \"a\" occurs twice"},
      {"{\"a\":\"\xFF\"}", "malformed JSON"},
      {"{\"a\":\"\\ud800\"}", "malformed JSON"},
      {"{\"a\":01}", "malformed JSON"},
      {"{'a':1}", "malformed JSON"},
      {"{\"a\":1", "malformed JSON"},
      {Nested(33), "nested more than 32"},
      {Nested(10'000), "nested more than 32"},
      {std::string(10'000, '['), "nested more than 32"},
  };
  for (const auto& test : kCases) {
    const auto parsed = json::Parse(test.body);
    ASSERT_FALSE(parsed.ok()) << test.body.substr(0, 80);
    EXPECT_EQ(parsed.status().code(), Code::kInvalidRequest);
    EXPECT_THAT(parsed.status().message(), HasSubstr(test.message)) << test.body.substr(0, 80);
  }
  EXPECT_TRUE(json::Parse(Nested(32)).ok());
  EXPECT_TRUE(json::Parse("{\"a\":{\"k\":1},\"b\":{\"k\":2}}").ok()) << "the same key in two objects is fine";
}

TEST(ImageInputTest, TextIsToldFromImages) {
  for (const char* image :
       {"data:image/png;base64,AAAA", "https://h/x", "HTTP://h/x", "gs://b/o", "s3://b/o", "file:///x",
        "cat.jpg", "my cat.JPEG", "albums/17", "<img src='data:image/png;base64,AAAA'/>", "../secret"}) {
    EXPECT_TRUE(LooksLikeImage(image)) << image;
  }
  for (const char* text :
       {"", "test", "a photo of a cat", "what is this? see a/b", "text <img src='x.png'/>"}) {
    EXPECT_FALSE(LooksLikeImage(text)) << text;
  }
}

TEST(ImageInputTest, Sources) {
  EXPECT_EQ(Text(MakeImageInput("data:image/png;base64,aGk=")), "bytes: hi");
  EXPECT_EQ(Text(MakeImageInput("DATA:;BASE64,aGk")), "bytes: hi");
  EXPECT_EQ(Text(MakeImageInput("<img src=\"cat.jpg\" />")), "cat.jpg");
  EXPECT_EQ(Text(MakeImageInput("<img src='data:image/png;base64,aGk='>")), "bytes: hi");
  EXPECT_EQ(Text(MakeImageInput("data:image/svg+xml,%3Csvg%3E")), "data:image/svg+xml,%3Csvg%3E");
  EXPECT_THAT(Text(MakeImageInput("data:image/png;base64,a!!")),
              HasSubstr("error: invalid_request: data URL"));
  EXPECT_THAT(Text(MakeImageInput("data:image/png;base64,")), HasSubstr("unsupported_format"));
  EXPECT_THAT(Text(MakeImageInput("")), HasSubstr("empty string"));
  const std::string jpeg = "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAgGBgcGBQgHBwcJCQgKDBQNDAsL";
  EXPECT_THAT(Text(MakeImageInput(jpeg)), HasSubstr("bytes: \xFF\xD8"));
}

TEST(NativeRequestTest, Fields) {
  const NativeOptions defaults{"m", false};
  auto call = ParseNativeJson(R"({"images":["a.jpg","b.jpg"]})", defaults, 10);
  ASSERT_TRUE(call.ok());
  EXPECT_EQ(call->images.size(), 2U);
  EXPECT_EQ(call->options.model, "m");
  EXPECT_FALSE(call->options.normalize);
  call = ParseNativeJson(R"({"images":["a.jpg"],"model":"n","normalize":true})", defaults, 10);
  ASSERT_TRUE(call.ok());
  EXPECT_EQ(call->options.model, "n");
  EXPECT_TRUE(call->options.normalize);

  const struct {
    std::string body;
    std::string message;
  } kCases[] = {
      {"[]", "must be a JSON object"},
      {"{}", "\"images\" must list at least one"},
      {R"({"images":[]})", "\"images\" must list at least one"},
      {R"({"images":"a.jpg"})", "\"images\" must be a list, not a string"},
      {R"({"images":[1]})", "\"images[0]\" must be a string"},
      {R"({"images":["a.jpg"],"normalize":1})", "\"normalize\" must be true or false, not a number"},
      {R"({"images":["a.jpg"],"model":7})", "\"model\" must be a string, not a number"},
      {R"({"images":["a.jpg"],"normalise":true})",
       "\"normalise\" is unknown; known fields: images model normalize"},
      {R"({"images":["a.jpg","a.jpg","a.jpg"]})", "a request may name 2"},
  };
  for (const auto& test : kCases) {
    EXPECT_THAT(ParseNativeJson(test.body, defaults, 2).status().message(), HasSubstr(test.message));
  }
}

TEST(OpenAiRequestTest, AcceptedForms) {
  const struct {
    std::string body;
    std::vector<std::string> images;
  } kCases[] = {
      {R"({"model":"m","input":"a.jpg"})", {"a.jpg"}},
      {R"({"model":"m","input":["a.jpg","data:image/png;base64,aGk="]})", {"a.jpg", "bytes: hi"}},
      {R"({"model":"m","input":["a.jpg"],"modality":"image","dimensions":0,"user":"u"})", {"a.jpg"}},
      {R"({"model":"m","input":[{"image":"a.jpg"},{"url":"b.jpg"}]})", {"a.jpg", "b.jpg"}},
      {R"({"model":"m","input":[{"type":"image_url","image_url":{"url":"a.jpg"}}]})", {"a.jpg"}},
      {R"({"model":"m","input":[{"type":"image_url","image_url":"a.jpg"}]})", {"a.jpg"}},
      {R"({"model":"m","input":"<img src='a.jpg'/>"})", {"a.jpg"}},
      {R"({"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"a.jpg"}}]}]})",
       {"a.jpg"}},
      {R"({"messages":[[{"role":"user","content":[{"type":"image_url","image_url":{"url":"a.jpg"}}]}],
                       [{"role":"user","content":"b.jpg"}]]})",
       {"a.jpg", "b.jpg"}},
      {R"({"model":"m","input":[{"content":[{"type":"image_url","image_url":{"url":"a.jpg"}}]}]})",
       {"a.jpg"}},
  };
  for (const auto& test : kCases) {
    const auto call = ParseEmbeddings(test.body, 10);
    ASSERT_TRUE(call.ok()) << test.body << call.status().ToString();
    std::vector<std::string> images;
    for (const ImageInput& image : call->images) images.push_back(Text(image));
    EXPECT_EQ(images, test.images) << test.body;
  }
}

TEST(OpenAiRequestTest, RefusedForms) {
  const struct {
    std::string body;
    std::string param;
    std::string message;
  } kCases[] = {
      {"7", "", "must be a JSON object"},
      {"{}", "input", "is missing"},
      {R"({"input":[]})", "input", "at least one image"},
      {R"({"input":"a photo of a cat"})", "input", "is text, and this server embeds images only"},
      {R"({"input":["a.jpg","test"]})", "input", "\"input[1]\" is text"},
      {R"({"input":[1,2,3]})", "input", "token ids are text"},
      {R"({"input":[[1,2]]})", "input", "not a list"},
      {R"({"input":[true]})", "input", "not a boolean"},
      {R"({"input":[{"text":"hi"}]})", "input", "\"input[0].text\" is text"},
      {R"({"input":[{"type":"image_url","image_url":{"url":7}}]})", "input",
       "image_url.url\" must be a string"},
      {R"({"input":[{"foo":1}]})", "input", "names no image"},
      {R"({"input":"a.jpg","messages":[]})", "messages", "exclude each other"},
      {R"({"messages":[]})", "messages", "names 0 images"},
      {R"({"messages":[{"content":"a.jpg"},{"content":"b.jpg"}]})", "messages", "names 2 images"},
      {R"({"input":"a.jpg","encoding_format":"int8"})", "encoding_format", "\"float\" or \"base64\""},
      {R"({"input":"a.jpg","encoding_format":3})", "encoding_format", "must be a string"},
      {R"({"input":"a.jpg","modality":"text"})", "modality", "images only"},
      {R"({"input":"a.jpg","dimensions":1.5})", "dimensions", "whole number"},
      {R"({"input":"a.jpg","dimensions":"512"})", "dimensions", "not a string"},
      {R"({"input":"a.jpg","model":["m"]})", "model", "must be a string, not a list"},
      {R"({"input":["a.jpg","a.jpg","a.jpg"]})", "input", "names 3 images; a request may name 2"},
  };
  for (const auto& test : kCases) {
    const auto call = ParseEmbeddings(test.body, 2);
    ASSERT_FALSE(call.ok()) << test.body;
    EXPECT_EQ(call.status().code(), Code::kInvalidRequest) << test.body;
    EXPECT_EQ(call.error().param, test.param) << test.body;
    EXPECT_THAT(call.status().message(), HasSubstr(test.message));
  }
}

TEST(OriginalRequestTest, NamesAreEmbeddedOnce) {
  const auto call = ParseOriginal(R"({"images":["a.jpg","b.jpg","a.jpg"],"client_send_time":1.5})", 10);
  ASSERT_TRUE(call.ok());
  EXPECT_THAT(call->names, testing::ElementsAre("a.jpg", "b.jpg"));
  EXPECT_EQ(call->images.size(), 2U);
  EXPECT_THAT(ParseOriginal(R"({"images":[null]})", 10).status().message(), HasSubstr("\"images[0]\""));
  EXPECT_THAT(ParseOriginal(R"({})", 10).status().message(), HasSubstr("\"images\""));
}

}  // namespace
}  // namespace photovec::api
