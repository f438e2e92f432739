// SPDX-License-Identifier: MIT
#include "net/multipart.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace photovec::net {
namespace {

using testing::HasSubstr;

struct SeenPart {
  PartHead head;
  std::string data;
  bool ended = false;
};

class Collect final : public PartSink {
 public:
  Status OnPartBegin(const PartHead& head) override {
    parts.push_back({head, "", false});
    return refuse_part == static_cast<int>(parts.size()) ? Status(Code::kOverloaded, "enough") : Status::Ok();
  }
  Status OnPartData(std::string_view data) override {
    parts.back().data += data;
    return Status::Ok();
  }
  Status OnPartEnd() override {
    parts.back().ended = true;
    return Status::Ok();
  }
  std::vector<SeenPart> parts;
  int refuse_part = 0;
};

Status Parse(const std::vector<std::string_view>& pieces, Collect& collect,
             std::string_view boundary = "XX") {
  MultipartParser parser(boundary, collect);
  for (const std::string_view piece : pieces) {
    const Status fed = parser.Feed(piece);
    if (!fed.ok()) return fed;
  }
  return parser.Finish();
}

// Everything that tempts a parser: preamble, CR and LF in data, data that begins like the boundary, an empty
// part, an empty part without a line of its own, padding behind a boundary, an epilogue.
const std::string kBody =
    "preamble --XX\r\n"
    "--XX\r\n"
    "Content-Disposition: form-data; name=\"model\"\r\n\r\n"
    "clip\r\n"
    "--XX  \t\r\n"
    "content-disposition: form-data; name=\"a\"; filename=\"q\\\"uo;te.jpg\"\r\n"
    "Content-Type: Image/JPEG; x=y\r\n\r\n"
    "\r\r\n\r\n-\r\n--\r\n--X\n--XX\r--XX\r\n\r\n"
    "--XX\r\n"
    "Content-Disposition: form-data; name=b; filename=\"\"\r\n\r\n"
    "\r\n"
    "--XX\r\n"
    "Content-Disposition: form-data; name=c; filename=c.jpg\r\n\r\n"
    "--XX--\r\nepilogue --XX\r\n";

void ExpectBody(const Collect& collect) {
  ASSERT_EQ(collect.parts.size(), 4U);
  EXPECT_EQ(collect.parts[0].head.name, "model");
  EXPECT_FALSE(collect.parts[0].head.has_filename);
  EXPECT_EQ(collect.parts[0].data, "clip");
  EXPECT_EQ(collect.parts[1].head.filename, "q\"uo;te.jpg");
  EXPECT_EQ(collect.parts[1].head.content_type, "image/jpeg");
  EXPECT_EQ(collect.parts[1].data, "\r\r\n\r\n-\r\n--\r\n--X\n--XX\r--XX\r\n");
  EXPECT_TRUE(collect.parts[2].head.has_filename);
  EXPECT_EQ(collect.parts[2].data, "");
  EXPECT_EQ(collect.parts[3].data, "");
  for (const SeenPart& part : collect.parts) EXPECT_TRUE(part.ended);
}

TEST(MultipartTest, EverySplitIntoThreeGivesTheSameParts) {
  for (size_t first = 0; first <= kBody.size(); ++first) {
    for (size_t second = first; second <= kBody.size(); second += 1 + (second - first) / 8) {
      SCOPED_TRACE(std::to_string(first) + " " + std::to_string(second));
      const std::string_view body(kBody);
      Collect collect;
      const Status status =
          Parse({body.substr(0, first), body.substr(first, second - first), body.substr(second)}, collect);
      ASSERT_TRUE(status.ok()) << status.ToString();
      ExpectBody(collect);
    }
  }
}

TEST(MultipartTest, OneByteAtATime) {
  std::vector<std::string_view> pieces;
  for (size_t i = 0; i < kBody.size(); ++i) pieces.push_back(std::string_view(kBody).substr(i, 1));
  Collect collect;
  ASSERT_TRUE(Parse(pieces, collect).ok());
  ExpectBody(collect);
}

TEST(MultipartTest, EveryTruncationIsAnError) {
  const size_t closed = kBody.find("--XX--") + 6;
  for (size_t length = 0; length < closed; ++length) {
    Collect collect;
    const Status status = Parse({std::string_view(kBody).substr(0, length)}, collect);
    EXPECT_EQ(status.code(), Code::kInvalidRequest) << length;
  }
}

TEST(MultipartTest, MalformedBodiesAreNamed) {
  const std::string head = "--XX\r\nContent-Disposition: form-data; name=a\r\n";
  const struct {
    std::string body;
    std::string message;
  } kCases[] = {
      {"", "does not contain its boundary"},
      {"--YY\r\n", "does not contain its boundary"},
      {"--XXY\r\n", "not followed by a line end"},
      {"--XX-\r\n", "single '-'"},
      {"--XX\rX", "CR without LF"},
      {"--XX\r\n\r\n", "lacks Content-Disposition"},
      {"--XX\r\nContent-Type: image/png\r\n\r\n", "lacks Content-Disposition"},
      {"--XX\r\nno colon\r\n\r\n", "has no name"},
      {"--XX\nContent-Disposition: form-data\n\n", "not followed by a line end"},
      {"--XX\r\nContent-Disposition: form-data; name=a\n\n", "LF without CR"},
      {"--XX\r\nContent-Disposition: form-data; name=\"a\r\n\r\n", "unclosed quote"},
      {head + "X-A: \x01\r\n\r\n", "control characters"},
      {head + "X-A: " + std::string(9000, 'a') + "\r\n\r\n", "larger than 8 KiB"},
      {head + "\r\ndata", "before its closing boundary"},
  };
  for (const auto& test : kCases) {
    Collect collect;
    const Status status = Parse({test.body}, collect);
    EXPECT_EQ(status.code(), Code::kInvalidRequest) << test.body;
    EXPECT_THAT(status.message(), HasSubstr(test.message));
  }
  std::string many = head;
  for (int i = 0; i < 20; ++i) many += "X: y\r\n";
  Collect collect;
  EXPECT_THAT(Parse({many + "\r\n"}, collect).message(), HasSubstr("more than 16 lines"));
}

TEST(MultipartTest, TheSinksRefusalStopsTheParser) {
  Collect collect;
  collect.refuse_part = 2;
  EXPECT_EQ(Parse({kBody}, collect).code(), Code::kOverloaded);
  EXPECT_EQ(collect.parts.size(), 2U);
}

TEST(MultipartTest, BoundaryOf) {
  const auto boundary = [](std::string_view type) {
    const Result<std::string> result = MultipartParser::BoundaryOf(type);
    return result.ok() ? *result : "error: " + result.status().message();
  };
  EXPECT_EQ(boundary("multipart/form-data; boundary=abc"), "abc");
  EXPECT_EQ(boundary("multipart/form-data; Boundary=\"a b'c\""), "a b'c");
  EXPECT_THAT(boundary("multipart/form-data"), HasSubstr("lacks its boundary"));
  EXPECT_THAT(boundary("multipart/form-data; boundary="), HasSubstr("lacks its boundary"));
  EXPECT_THAT(boundary("multipart/form-data; boundary=" + std::string(71, 'a')), HasSubstr("RFC 2046"));
  EXPECT_THAT(boundary("multipart/form-data; boundary=a\x80"), HasSubstr("RFC 2046"));
}

}  // namespace
}  // namespace photovec::net
