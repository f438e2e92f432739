// SPDX-License-Identifier: MIT
// Headers, errors and timing: everything small that goes over the wire.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <set>
#include <string>

#include "api/errors.h"
#include "api/routes.h"
#include "api/timing.h"
#include "net/media_type.h"
#include "net/request_head.h"
#include "net/response.h"

namespace photovec::api {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr std::array kOffers = {net::ReplyOffer{"application/json", net::ReplyForm::kJson},
                                net::ReplyOffer{"application/octet-stream", net::ReplyForm::kRows},
                                net::ReplyOffer{"application/x-npy", net::ReplyForm::kNpy}};

TEST(MediaTypeTest, Negotiation) {
  const auto pick = [](std::string_view accept) { return net::NegotiateReply(accept, kOffers); };
  EXPECT_EQ(pick(""), net::ReplyForm::kJson);
  EXPECT_EQ(pick("*/*"), net::ReplyForm::kJson);
  EXPECT_EQ(pick("text/html"), net::ReplyForm::kJson) << "nothing fits: the default";
  EXPECT_EQ(pick("application/x-npy"), net::ReplyForm::kNpy);
  EXPECT_EQ(pick("application/x-npy, */*"), net::ReplyForm::kNpy);
  EXPECT_EQ(pick("application/octet-stream;q=0.5, application/x-npy;q=0.9"), net::ReplyForm::kNpy);
  EXPECT_EQ(pick("application/json;q=0, application/*"), net::ReplyForm::kRows);
  EXPECT_EQ(pick("APPLICATION/X-NPY ; Q=1.0"), net::ReplyForm::kNpy);
  EXPECT_EQ(pick("application/octet-stream;q=nonsense"), net::ReplyForm::kRows);
  EXPECT_EQ(pick(",,;,"), net::ReplyForm::kJson);
}

TEST(MediaTypeTest, Parameters) {
  const auto value = net::ParseParameterised("Form-Data; name=\"a;b\\\"c\" ; filename=C:\\x ;flag; n = v ");
  EXPECT_EQ(value.value, "form-data");
  EXPECT_TRUE(value.well_formed);
  EXPECT_EQ(*value.Find("name"), "a;b\"c");
  EXPECT_EQ(*value.Find("filename"), "C:\\x");
  EXPECT_EQ(*value.Find("flag"), "");
  EXPECT_EQ(*value.Find("n"), "v");
  EXPECT_EQ(value.Find("other"), nullptr);
  EXPECT_FALSE(net::ParseParameterised("a; b=\"c").well_formed);
  EXPECT_FALSE(net::ParseParameterised("a; =c").well_formed);
  EXPECT_TRUE(net::IsJson("application/json"));
  EXPECT_TRUE(net::IsJson("application/vnd.api+json"));
  EXPECT_FALSE(net::IsJson("image/json"));
}

TEST(ErrorsTest, EveryCodeHasItsStatusInEveryDialect) {
  for (const CodeInfo& row : CodeTable()) {
    if (row.code == Code::kOk) continue;
    const ApiError error{Status(row.code, "why \"so\""), "field", "", 0};
    for (const Dialect dialect : {Dialect::kNative, Dialect::kOpenAi, Dialect::kOriginal}) {
      const net::Response response = ErrorResponse(dialect, error);
      EXPECT_EQ(response.status, row.http_status);
      EXPECT_THAT(response.body, HasSubstr("\"code\":\"" + std::string(row.name) + "\""));
      EXPECT_THAT(response.body, HasSubstr("why \\\"so\\\""));
      EXPECT_EQ(response.headers.empty(), row.http_status != 429 && row.http_status != 503);
    }
    EXPECT_NE(net::ReasonPhrase(row.http_status), "Unknown") << row.http_status;
  }
}

TEST(ErrorsTest, Bodies) {
  const ApiError error{Status(Code::kNotFound, "no"), "model", "model_not_found", 0};
  EXPECT_EQ(ErrorBody(Dialect::kNative, error),
            "{\"error\":{\"code\":\"model_not_found\",\"message\":\"no\"}}\n");
  EXPECT_EQ(ErrorBody(Dialect::kOpenAi, error),
            "{\"error\":{\"message\":\"no\",\"type\":\"invalid_request_error\",\"param\":\"model\","
            "\"code\":\"model_not_found\"}}\n");
  EXPECT_EQ(ErrorBody(Dialect::kOriginal, error),
            "{\"message\":\"no\",\"data\":null,\"code\":\"model_not_found\"}\n");
  EXPECT_THAT(ErrorBody(Dialect::kOpenAi, {Status(Code::kOverloaded, "x"), "", "", 0}),
              HasSubstr("\"type\":\"rate_limit_error\",\"param\":null"));
}

TEST(ResponseTest, ClientTextCannotSplitTheHead) {
  net::Response response;
  response.headers.emplace_back("X-Photovec-Model", "a\r\nEvil: 1\n");
  const std::string head = net::WriteHead(response, {});
  EXPECT_THAT(head, HasSubstr("X-Photovec-Model: aEvil: 1\r\n"));
  EXPECT_THAT(head, HasSubstr("Content-Length: 0\r\n"));
  EXPECT_THAT(head, Not(HasSubstr("Connection:")));
  EXPECT_TRUE(head.ends_with("\r\n\r\n"));
  EXPECT_THAT(net::WriteHead(response, {.keep_alive = false, .http11 = true, .date = ""}),
              HasSubstr("Connection: close\r\n"));
  EXPECT_THAT(net::WriteHead(response, {.keep_alive = true, .http11 = false, .date = ""}),
              HasSubstr("HTTP/1.0 200 OK\r\n"));
}

TEST(RequestHeadTest, Query) {
  net::RequestHead head;
  head.query = "a=1&model=cl%69p+x&flag&b=%zz&=v&model=second";
  EXPECT_EQ(head.QueryParameter("model"), "clip x");
  EXPECT_EQ(head.QueryParameter("flag"), "");
  EXPECT_EQ(head.QueryParameter("b"), "%zz");
  EXPECT_EQ(head.QueryParameter("c"), std::nullopt);
  EXPECT_EQ(net::PercentDecode("a+b%2", false), "a+b%2");
}

TEST(RouterTest, RoutesAreDistinctAndListed) {
  std::set<std::string_view> paths;
  const ApiError error = NoSuchRoute("/nope");
  for (const Route& route : Routes()) {
    EXPECT_TRUE(paths.insert(route.path).second) << route.path;
    EXPECT_THAT(error.status.message(), HasSubstr(std::string(route.path)));
  }
  EXPECT_EQ(FindRoute("/v1/models/clip")->label, "v1_models");
  EXPECT_EQ(FindRoute("/v1/models/"), nullptr);
  EXPECT_EQ(FindRoute("/embed/"), nullptr);
  EXPECT_EQ(FindRoute("*"), nullptr);
}

TEST(TimingTest, HeaderCarriesTheSlowestImageOfEachStage) {
  RequestTiming timing;
  timing.Add(HttpStage::kReceive, 1500);
  timing.Add(HttpStage::kParse, 20);
  pipeline::RequestResult result;
  const TimePoint start(std::chrono::seconds(100));
  const auto at = [&](int64_t us) { return start + std::chrono::microseconds(us); };
  pipeline::ItemResult item;
  item.times.MarkAt(Border::kAdmitted, at(0));
  item.times.MarkAt(Border::kFetchStart, at(5));
  item.times.MarkAt(Border::kFetchEnd, at(10));
  item.times.MarkAt(Border::kDecodeStart, at(20));
  item.times.MarkAt(Border::kDecodeEnd, at(11'020));
  result.items.push_back(item);
  item.times.MarkAt(Border::kDecodeEnd, at(7'020));
  item.times.MarkAt(Border::kPreprocessEnd, at(8'020));
  result.items.push_back(item);
  EXPECT_THAT(
      ServerTiming(timing, result),
      testing::StartsWith("receive;dur=1.500, parse;dur=0.020, admit_wait;dur=0.005, fetch;dur=0.005, "
                          "decode_wait;dur=0.010, decode;dur=11.000, preprocess;dur=1.000, "
                          "serialise;dur=0.000, http_total;dur="));
}

}  // namespace
}  // namespace photovec::api
