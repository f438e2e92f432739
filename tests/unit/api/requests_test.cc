// SPDX-License-Identifier: MIT
// What each protocol accepts and how it names what it does not.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cmath>
#include <string>
#include <variant>
#include <vector>

#include "api/input.h"
#include "api/native.h"
#include "api/openai.h"
#include "api/original_api.h"
#include "api/score.h"
#include "base/json/reader.h"
#include "base/text/base64.h"
#include "testing/fake_pipeline.h"

namespace photovec::api {
namespace {

using testing::HasSubstr;

std::string Nested(size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); }

/// A service whose model has a text tower, or has none.
struct Service {
  explicit Service(bool text, int max_items = 10) {
    if (text) pipeline.set_text();
    pipeline.set_max_items(max_items);
  }
  test::FakePipeline pipeline;
  EmbedService service{pipeline, std::chrono::seconds(5)};
};

std::string Text(const Input& image) {
  if (!image.status.ok()) return "error: " + image.status.ToString();
  if (const auto* reference = std::get_if<pipeline::Reference>(&image.source)) return reference->text;
  if (const auto* text = std::get_if<pipeline::Text>(&image.source)) return "text: " + text->text;
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

TEST(InputTest, TextIsToldFromImages) {
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

TEST(InputTest, OnlyASchemeIsAnImageForEveryModel) {
  for (const char* image :
       {"data:image/png;base64,AAAA", "https://h/x", "HTTP://h/x y", "gs://b/o", "s3://b/o", "file:///x",
        "FILE:x", "az+blob://b/o", "<img src='data:image/png;base64,AAAA'/>",
        "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAgG", " data:image/png;base64,AAAA", "\r\n\thttps://h/x",
        "\n/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAgG"}) {
    EXPECT_TRUE(IsImage(image)) << image;
  }
  for (const char* text :
       {"", "cat.jpg", "albums/17", "../secret", "data: a history", "file: closed", "://x", "see http://h/x",
        "what is a://b", "/9j/ is short", " cat.jpg",
        "TU0AK is the serial number of this camera and of its lens",
        "Qk is how a bitmap begins in base64 and that is all", "data:", "caf\xC3\xA9://x"}) {
    EXPECT_FALSE(IsImage(text)) << text;
  }
}

/// What an encoder makes of the first 64 bytes of a file, zeros behind what is given.
std::string Base64Of(std::string_view head) {
  std::vector<uint8_t> bytes(head.begin(), head.end());
  bytes.resize(64);
  return Base64Encode(bytes);
}

TEST(InputTest, BareBase64OfEveryFormatThatTellsItselfApart) {
  using namespace std::string_view_literals;
  for (const std::string_view head :
       {"\0\0\0\x18"
        "ftypheic\0\0\0\0"sv,
        "\0\0\0\x1C"
        "ftypmif1"sv,
        "\0\0\0 ftypavif"sv,
        "\0\0\0\x2C"
        "ftypavis"sv,
        "\0\0\0\xFC"
        "ftypmsf1"sv,
        "\0\0\0\x18"
        "ftypcrx "sv,
        "II*\0\x08\0\0\0"sv, "MM\0*\0\0\0\x08"sv, "MM\0+\0\x08"sv, "II+\0\x08\0"sv,
        "BM\x36\xFF\xFF\xFF\0\0\0\0\x8A\0\0\0"sv, "BM\x36\x01\0\0\0\0\0\0\x36\x04\0\0"sv,
        "\0\0\0\x0CJXL \x0D\x0A\x87\x0A"sv, "\0\0\0\x0CjP  \x0D\x0A\x87\x0A"sv, "\xFF\x4F\xFF\x51\0"sv,
        "qoif"sv, "FUJIFILMCCD-RAW "sv, "RIFF\x24\0\0\0WEBPVP8 "sv, "GIF89a"sv}) {
    const std::string base64 = Base64Of(head);
    EXPECT_TRUE(IsImage(base64)) << base64;
    EXPECT_EQ(Text(MakeImageInput(base64)).substr(7, head.size()), head) << base64;
    EXPECT_EQ(Text(MakeImageInput("\n " + base64)).substr(7, head.size()), head) << base64;
  }
  // Two bytes tell little: a bare JPEG XL must be longer than any file's name.
  const std::string jxl = "/wo" + std::string(8 * 1024, 'A') + "A";
  EXPECT_TRUE(IsImage(jxl));
  EXPECT_FALSE(IsImage("/world/photos/of/a/summer/in/the/mountains"));
  EXPECT_FALSE(IsImage(Base64Of("PK\x03\x04")));
  EXPECT_FALSE(
      IsImage(Base64Of("BM\x36\xFF\xFF\xFF"
                       "abcd")))
      << "not zero where a BMP is";
}

TEST(InputTest, Texts) {
  EXPECT_EQ(Text(MakeTextInput("http://h/x")), "text: http://h/x");
  EXPECT_EQ(Text(MakeTextInput(std::string_view("\0", 1))), std::string("text: \0", 7));
  EXPECT_EQ(Text(MakeTextInput("")), "error: invalid_request: the text is empty");
  EXPECT_EQ(Text(MakeTextInput(" \t\r\n\f\v")), "error: invalid_request: the text is only white space");
}

TEST(InputTest, Sources) {
  EXPECT_EQ(Text(MakeImageInput("data:image/png;base64,aGk=")), "bytes: hi");
  EXPECT_EQ(Text(MakeImageInput("DATA:;BASE64,aGk")), "bytes: hi");
  EXPECT_EQ(Text(MakeImageInput(" \r\n data:;base64,aGk")), "bytes: hi");
  EXPECT_EQ(Text(MakeImageInput("<img src=' data:;base64,aGk='/>")), "bytes: hi");
  for (const char* url :
       {"data:image/png;base64;charset=utf-8,aGk=", "data:;base64,aGk%3D", "data:;base64,aGk=#x"}) {
    EXPECT_EQ(Text(MakeImageInput(url)), url) << "fetch/ reads it";
  }
  EXPECT_EQ(Text(MakeImageInput("\nhttp://h/a b.jpg\n")), "http://h/a b.jpg\n");
  EXPECT_EQ(Text(MakeImageInput(" cat.jpg")), " cat.jpg") << "files may be called so";
  EXPECT_THAT(Text(MakeImageInput("data:")), HasSubstr("data:"));
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
  const NativeOptions defaults{"clip", false};
  const Service server(false, 2);
  auto call = ParseNativeJson(R"({"images":["a.jpg","b.jpg"]})", defaults, server.service);
  ASSERT_TRUE(call.ok());
  EXPECT_EQ(call->inputs.size(), 2U);
  EXPECT_EQ(call->options.model, "clip");
  EXPECT_FALSE(call->options.normalize);
  call = ParseNativeJson(R"({"images":["a.jpg"],"model":"clip","normalize":true})", {"n", false},
                         server.service);
  ASSERT_TRUE(call.ok());
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
       "\"normalise\" is unknown; known fields: images texts model normalize"},
      {R"({"images":["a.jpg","a.jpg","a.jpg"]})", "\"images\" lists 3 entries; a request may name 2"},
      {R"({"images":["a.jpg"],"model":"n"})", "there is no model \"n\""},
      {R"({"images":[],"texts":[]})", "\"images\" must list at least one image, or \"texts\" a text"},
      {R"({"texts":["a cat"]})", "\"texts\" is text, and the model \"clip\" embeds images only"},
      {R"({"texts":"a cat"})", "\"texts\" must be a list, not a string"},
      {R"({"texts":[{"text":"a cat"}]})", "\"texts[0]\" must be a string, not an object"},
      {R"({"images":["a.jpg"],"texts":["a","b"]})", "\"texts\" lists 3 entries; a request may name 2"},
  };
  for (const auto& test : kCases) {
    EXPECT_THAT(ParseNativeJson(test.body, defaults, server.service).status().message(),
                HasSubstr(test.message));
  }
}

TEST(NativeRequestTest, ImagesComeBeforeTexts) {
  const Service server(true);
  const auto call =
      ParseNativeJson(R"({"texts":["a.jpg"," ","http://h/x"],"images":["b.jpg"]})", {}, server.service);
  ASSERT_TRUE(call.ok());
  std::vector<std::string> inputs;
  for (const Input& input : call->inputs) inputs.push_back(Text(input));
  EXPECT_THAT(inputs, testing::ElementsAre("b.jpg", "text: a.jpg", HasSubstr("only white space"),
                                           "text: http://h/x"));
}

TEST(ScoreRequestTest, Fields) {
  const Service server(true, 3);
  const auto call = ParseScore(R"({"images":["a.jpg"],"texts":["a","b"]})", "clip", server.service);
  ASSERT_TRUE(call.ok()) << call.status().ToString();
  EXPECT_EQ(call->images, 1U);
  EXPECT_EQ(Text(call->inputs[2]), "text: b");
  const struct {
    std::string body;
    std::string message;
  } kCases[] = {
      {"[]", "must be a JSON object"},
      {"{}", "\"images\" must list at least one image"},
      {R"({"images":["a.jpg"]})", "\"texts\" must list at least one text"},
      {R"({"texts":["a"]})", "\"images\" must list at least one image"},
      {R"({"images":["a.jpg"],"texts":[7]})", "\"texts[0]\" must be a string, not a number"},
      {R"({"images":["a.jpg"],"texts":["a"],"normalize":true})", "\"normalize\" is unknown"},
      {R"({"images":["a.jpg"],"texts":["a","b","c"]})", "\"texts\" lists 3 entries; a request may name 2"},
      {R"({"images":["a","b","c"],"texts":["a"]})", "\"images\" lists 3 entries; a request may name 2"},
      {R"({"images":["a.jpg"],"texts":["a"],"model":"n"})", "there is no model \"n\""},
  };
  for (const auto& test : kCases) {
    EXPECT_THAT(ParseScore(test.body, "", server.service).status().message(), HasSubstr(test.message));
  }
  const Service images_only(false);
  EXPECT_THAT(ParseScore(R"({"images":["a.jpg"],"texts":["a"]})", "", images_only.service).status().message(),
              HasSubstr("embeds images only"));
}

TEST(ScoreRequestTest, ProbabilitiesAreTheModels) {
  const auto softmax = Probabilities({100, 0, false}, std::vector{0.25F, 0.24F, -1.0F});
  EXPECT_NEAR(softmax[0], 0.731058579F, 1e-6);  // 1 / (1 + e^-1)
  EXPECT_NEAR(softmax[1], 0.268941421F, 1e-6);
  EXPECT_EQ(softmax[2], 0.0F);
  const auto sigmoid = Probabilities({10, -5, true}, std::vector{0.5F, 0.4F, -1.0F});
  EXPECT_NEAR(sigmoid[0], 0.5F, 1e-6);
  EXPECT_NEAR(sigmoid[1], 0.268941421F, 1e-6);  // alone, whatever the others are
  EXPECT_NEAR(sigmoid[2], 3.059e-7F, 1e-9);
  const auto failed = Probabilities({1e6, 0, false}, std::vector{0.5F, NAN, 0.4F});
  EXPECT_EQ(failed[0], 1.0F) << "no overflow";
  EXPECT_TRUE(std::isnan(failed[1]));
  EXPECT_EQ(Probabilities({1, 0, false}, std::vector{0.3F}), std::vector{1.0F});
}

TEST(OpenAiRequestTest, AcceptedForms) {
  const Service server(false);
  const struct {
    std::string body;
    std::vector<std::string> images;
  } kCases[] = {
      {R"({"model":"clip","input":"a.jpg"})", {"a.jpg"}},
      {R"({"model":"clip","input":["a.jpg","data:image/png;base64,aGk="]})", {"a.jpg", "bytes: hi"}},
      {R"({"model":"clip","input":["a.jpg"],"modality":"image","dimensions":0,"user":"u"})", {"a.jpg"}},
      {R"({"model":"clip","input":[{"image":"a.jpg"},{"url":"b.jpg"}]})", {"a.jpg", "b.jpg"}},
      {R"({"model":"clip","input":[{"type":"image_url","image_url":{"url":"a.jpg"}}]})", {"a.jpg"}},
      {R"({"model":"clip","input":[{"type":"image_url","image_url":"a.jpg"}]})", {"a.jpg"}},
      {R"({"model":"clip","input":"<img src='a.jpg'/>"})", {"a.jpg"}},
      {R"({"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"a.jpg"}}]}]})",
       {"a.jpg"}},
      {R"({"messages":[[{"role":"user","content":[{"type":"image_url","image_url":{"url":"a.jpg"}}]}],
                       [{"role":"user","content":"b.jpg"}]]})",
       {"a.jpg", "b.jpg"}},
      {R"({"model":"clip","input":[{"content":[{"type":"image_url","image_url":{"url":"a.jpg"}}]}]})",
       {"a.jpg"}},
  };
  for (const auto& test : kCases) {
    const auto call = ParseEmbeddings(test.body, server.service);
    ASSERT_TRUE(call.ok()) << test.body << call.status().ToString();
    std::vector<std::string> images;
    for (const Input& image : call->inputs) images.push_back(Text(image));
    EXPECT_EQ(images, test.images) << test.body;
  }
}

TEST(OpenAiRequestTest, TextsAndImagesOfAModelThatTakesBoth) {
  const Service server(true);
  const struct {
    std::string body;
    std::vector<std::string> inputs;
  } kCases[] = {
      {R"({"input":"a cat"})", {"text: a cat"}},
      {R"({"input":["cat.jpg","s3://b/cat.jpg","data:;base64,aGk=","data: bases"]})",
       {"text: cat.jpg", "s3://b/cat.jpg", "bytes: hi", "text: data: bases"}},
      {R"({"input":[{"image":"cat.jpg"},{"text":"http://h/cat.jpg"},"cat"]})",
       {"cat.jpg", "text: http://h/cat.jpg", "text: cat"}},
      {R"({"input":["http://h/cat.jpg","cat.jpg"],"modality":"text"})",
       {"text: http://h/cat.jpg", "text: cat.jpg"}},
      {R"({"input":["http://h/cat.jpg","cat.jpg"],"modality":"image"})", {"http://h/cat.jpg", "cat.jpg"}},
      {R"({"input":[{"text":"a cat","image":null}],"modality":"image"})", {"text: a cat"}},
      {R"({"input":[{"type":"text","text":"a cat"},{"type":"image_url","image_url":{"url":"a.jpg"}}]})",
       {"text: a cat", "a.jpg"}},
      {R"({"messages":[[{"role":"user","content":"a cat"}],
                       [{"role":"user","content":[{"type":"text","text":"a dog"}]}]]})",
       {"text: a cat", "text: a dog"}},
      {R"({"input":"<img src='a.jpg'/>"})", {"a.jpg"}},
      {R"({"input":""})", {"error: invalid_request: the text is empty"}},
  };
  for (const auto& test : kCases) {
    const auto call = ParseEmbeddings(test.body, server.service);
    ASSERT_TRUE(call.ok()) << test.body << call.status().ToString();
    std::vector<std::string> inputs;
    for (const Input& input : call->inputs) inputs.push_back(Text(input));
    EXPECT_EQ(inputs, test.inputs) << test.body;
  }
}

TEST(OpenAiRequestTest, RefusedByAModelThatTakesBoth) {
  const Service server(true, 2);
  const struct {
    std::string body;
    std::string message;
  } kCases[] = {
      {R"({"input":[]})", "at least one image or text"},
      {R"({"input":[1,2,3]})", "\"input[0]\" is a token id or a list of them"},
      {R"({"input":[[1,2],[3]]})", "check_embedding_ctx_length=False"},
      {R"({"input":[[]]})", "not a list"},
      {R"({"input":["a",["b"]]})", "\"input[1]\" must be a string or an object"},
      {R"({"input":[{"text":["a"]}]})", "\"input[0].text\" must be a string, not a list"},
      {R"({"input":[{"text":"a","image":"b.jpg"}]})", "names 2 images and texts"},
      {R"({"input":[{"content":[{"text":"a"},{"image":"b.jpg"}]}]})", "names 2 images and texts"},
      {R"({"messages":[{"content":"a"},{"content":"b"}]})", "\"messages\" names 2 images and texts"},
      {R"({"input":"a cat","modality":"image"})", "\"modality\" says \"image\""},
      {R"({"input":["a","b","c"]})", "\"input\" lists 3 entries; a request may name 2"},
  };
  for (const auto& test : kCases) {
    const auto call = ParseEmbeddings(test.body, server.service);
    ASSERT_FALSE(call.ok()) << test.body;
    EXPECT_EQ(call.status().code(), Code::kInvalidRequest) << test.body;
    EXPECT_THAT(call.status().message(), HasSubstr(test.message));
  }
}

TEST(OpenAiRequestTest, RefusedForms) {
  const Service server(false, 2);
  const struct {
    std::string body;
    std::string param;
    std::string message;
  } kCases[] = {
      {"7", "", "must be a JSON object"},
      {"{}", "input", "is missing"},
      {R"({"input":[]})", "input", "at least one image"},
      {R"({"input":"a photo of a cat"})", "input", "is text, and the model \"clip\" embeds images only"},
      {R"({"input":["a.jpg","test"]})", "input", "\"input[1]\" is text"},
      {R"({"input":[1,2,3]})", "input", "is a token id"},
      {R"({"input":[[1,2]]})", "input", "is a token id or a list of them"},
      {R"({"input":[true]})", "input", "not a boolean"},
      {R"({"input":[{"text":"hi"}]})", "input", "\"input[0].text\" is text"},
      {R"({"input":[{"type":"image_url","image_url":{"url":7}}]})", "input",
       "image_url.url\" must be a string"},
      {R"({"input":[{"foo":1}]})", "input", "names no image and no text"},
      {R"({"input":"a.jpg","messages":[]})", "messages", "exclude each other"},
      {R"({"messages":[]})", "messages", "names 0 images and texts"},
      {R"({"messages":[{"content":"a.jpg"},{"content":"b.jpg"}]})", "messages", "names 2 images and texts"},
      {R"({"input":"a.jpg","encoding_format":"int8"})", "encoding_format", "\"float\" or \"base64\""},
      {R"({"input":"a.jpg","encoding_format":3})", "encoding_format", "must be a string"},
      {R"({"input":"a.jpg","modality":"text"})", "modality", "the model \"clip\" embeds images only"},
      {R"({"input":"a.jpg","modality":"audio"})", "modality", "\"image\" or \"text\""},
      {R"({"input":"a.jpg","dimensions":1.5})", "dimensions", "whole number"},
      {R"({"input":"a.jpg","dimensions":"512"})", "dimensions", "not a string"},
      {R"({"input":"a.jpg","model":["m"]})", "model", "must be a string, not a list"},
      {R"({"input":["a.jpg","a.jpg","a.jpg"]})", "input", "lists 3 entries; a request may name 2"},
  };
  for (const auto& test : kCases) {
    const auto call = ParseEmbeddings(test.body, server.service);
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
