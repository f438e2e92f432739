// SPDX-License-Identifier: MIT
#include "fetch/gcs/source.h"

#include <gtest/gtest.h>

#include <future>
#include <map>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "fake_http.h"
#include "fetch/gcs/reply.h"
#include "fetch/make_fetcher.h"
#include "fetch/options.h"
#include "origin_server.h"
#include "source_probe.h"

namespace photovec::fetch {
namespace {

/// A metadata server that hands out t1, t2, t3 ...
std::shared_ptr<FakeHttp> Metadata(int life_s = 3'600) {
  auto count = std::make_shared<int>(0);
  return std::make_shared<FakeHttp>([count, life_s](const HttpCall& call) -> Result<HttpAnswer> {
    const bool token = call.url.find("/token?") != std::string::npos;
    return Answer(200,
                  token ? R"({"access_token":"t)" + std::to_string(++*count) + R"(","expires_in":)" +
                              std::to_string(life_s) + "}"
                        : "",
                  {{"metadata-flavor", "Google"}});
  });
}

std::unique_ptr<Source> Anonymous(GcsOptions options,
                                  const EnvironmentLookup& environment = OnlyVariables()) {
  options.auth = GcsOptions::Auth::kAnonymous;
  auto source = MakeGcsSource(options, Metadata(), environment);
  EXPECT_TRUE(source.ok()) << source.status().ToString();
  return source.ok() ? std::move(*source) : nullptr;
}

TEST(GcsSource, ObjectNamesGoOverTheWireAsOneSegment) {
  const auto source = Anonymous({.allowed_buckets = {"photos"}});
  EXPECT_EQ(source->name(), "gs");
  EXPECT_EQ(source->trust(), Trust::kOperator);
  const std::pair<const char*, const char*> kCases[] = {
      {"gs://photos/cat.jpg", "cat.jpg"},
      {"GS://photos/cat.jpg", "cat.jpg"},
      {"gs://photos/a/b/c~-._.jpg", "a%2Fb%2Fc~-._.jpg"},
      {"gs://photos/my cat+dog=1&2.jpg", "my%20cat%2Bdog%3D1%262.jpg"},
      {"gs://photos/what?.jpg#3", "what%3F.jpg%233"},
      {"gs://photos/100%25.jpg", "100%2525.jpg"},
      {"gs://photos/a%", "a%25"},
      {"gs://photos//lead", "%2Flead"},
      {"gs://photos/trail/", "trail%2F"},
      {"gs://photos/a/../b", "a%2F..%2Fb"},
      {"gs://photos/\xEC\x82\xAC\xEC\xA7\x84.jpg", "%EC%82%AC%EC%A7%84.jpg"},
      {"gs://photos/\xF0\x9F\x98\xBA", "%F0%9F%98%BA"},
      {"gs://photos/tab\there", "tab%09here"},
  };
  for (const auto& [reference, segment] : kCases) {
    const auto object = source->Open(reference);
    ASSERT_TRUE(object.ok()) << reference << ": " << object.status().ToString();
    EXPECT_EQ((*object)->url(),
              std::string("https://storage.googleapis.com/storage/v1/b/photos/o/") + segment + "?alt=media");
    EXPECT_EQ((*object)->group(), "gs://photos");
  }
}

TEST(GcsSource, MalformedReferences) {
  const auto source = Anonymous({.allowed_buckets = {"*"}});
  const std::string long_name(1'025, 'x');
  for (const std::string& reference : {std::string("gs:photos/x"),
                                       std::string("gs:/photos/x"),
                                       std::string("gs://photos"),
                                       std::string("gs://photos/"),
                                       std::string("gs:///x"),
                                       std::string("gs://ab/x"),
                                       std::string("gs://Photos/x"),
                                       std::string("gs://pho tos/x"),
                                       std::string("gs://-photos/x"),
                                       std::string("gs://photos-/x"),
                                       std::string("gs://a..b/x"),
                                       std::string("gs://a.-b/x"),
                                       std::string("gs://192.168.5.4/x"),
                                       "gs://" + std::string(64, 'b') + "/x",
                                       std::string("gs://user@photos/x"),
                                       std::string("gs://photos:80/x"),
                                       "gs://photos/" + long_name,
                                       std::string("gs://photos/a\nb"),
                                       std::string("gs://photos/\xFF"),
                                       std::string("gs://photos/a\0b", 15),
                                       std::string("gs://photos/."),
                                       std::string("gs://photos/.."),
                                       std::string("gs:"),
                                       std::string("gs://"),
                                       std::string("cat.jpg")}) {
    const auto object = source->Open(reference);
    ASSERT_FALSE(object.ok()) << reference;
    EXPECT_EQ(object.status().code(), Code::kInvalidRequest) << reference;
  }
  for (const char* good : {"gs://a-b_c.d9/x", "gs://123/x", "gs://photos.example.com/x", "gs://1.2.3/x"}) {
    EXPECT_TRUE(source->Open(good).ok()) << good;
  }
  EXPECT_TRUE(source->Open("gs://photos/" + std::string(1'024, 'x')).ok());
}

TEST(GcsSource, OnlyAllowedBuckets) {
  const auto some = Anonymous({.allowed_buckets = {"photos", "albums"}, .default_bucket = "bare"});
  for (const char* good : {"gs://photos/x", "gs://albums/x", "gs://bare/x", "x"}) {
    EXPECT_TRUE(some->Open(good).ok()) << good;
  }
  for (const char* bad : {"gs://photos2/x", "gs://photo/x", "gs://secret/x"}) {
    EXPECT_EQ(some->Open(bad).status().code(), Code::kSourceNotAllowed) << bad;
  }
  const auto any = Anonymous({.allowed_buckets = {"*"}});
  EXPECT_TRUE(any->Open("gs://whatever/x").ok());
  const auto only_bare = Anonymous({.default_bucket = "bare"});
  EXPECT_EQ((*only_bare->Open("a b/c.jpg"))->url(),
            "https://storage.googleapis.com/storage/v1/b/bare/o/a%20b%2Fc.jpg?alt=media");
  EXPECT_EQ(only_bare->Open("gs://photos/x").status().code(), Code::kSourceNotAllowed);
}

TEST(GcsSource, WrongOptionsAreNamed) {
  const std::pair<GcsOptions, const char*> kCases[] = {
      {{}, "gcs-bucket"},
      {{.allowed_buckets = {"Bad"}}, "gcs-bucket 'Bad'"},
      {{.allowed_buckets = {"gs://photos"}}, "gcs-bucket 'gs://photos'"},
      {{.default_bucket = "x"}, "default-bucket 'gs://x'"},
      {{.allowed_buckets = {"*"}, .endpoint = "storage.example"}, "gcs-endpoint"},
      {{.allowed_buckets = {"*"}, .endpoint = "https://h/?q"}, "gcs-endpoint"},
      {{.allowed_buckets = {"*"}, .endpoint = "https://u:p@h"}, "gcs-endpoint"},
  };
  for (const auto& [options, word] : kCases) {
    const auto source = MakeGcsSource(options, Metadata(), OnlyVariables());
    ASSERT_FALSE(source.ok()) << word;
    EXPECT_EQ(source.status().code(), Code::kInvalidRequest);
    EXPECT_NE(source.status().message().find(word), std::string::npos) << source.status().message();
  }
  const auto emulator = MakeGcsSource({.allowed_buckets = {"*"}}, Metadata(),
                                      OnlyVariables({{"STORAGE_EMULATOR_HOST", "a b"}}));
  ASSERT_FALSE(emulator.ok());
  EXPECT_NE(emulator.status().message().find("STORAGE_EMULATOR_HOST"), std::string::npos);
}

TEST(GcsSource, EndpointsAndWhoPays) {
  const auto url = [](GcsOptions options, std::map<std::string, std::string> set) {
    options.allowed_buckets = {"*"};
    const auto source = Anonymous(options, OnlyVariables(std::move(set)));
    return (*source->Open("gs://photos/x"))->url();
  };
  const std::string tail = "/storage/v1/b/photos/o/x?alt=media";
  EXPECT_EQ(url({.endpoint = "http://127.0.0.1:99/"}, {}), "http://127.0.0.1:99" + tail);
  EXPECT_EQ(url({.endpoint = "https://proxy/gcs"}, {}), "https://proxy/gcs" + tail);
  EXPECT_EQ(url({}, {{"STORAGE_EMULATOR_HOST", "localhost:9023"}}), "http://localhost:9023" + tail);
  EXPECT_EQ(url({}, {{"STORAGE_EMULATOR_HOST", "https://localhost:9023/"}}), "https://localhost:9023" + tail);
  EXPECT_EQ(url({.endpoint = "http://a"}, {{"STORAGE_EMULATOR_HOST", "b"}}), "http://a" + tail);
  EXPECT_EQ(url({.user_project = "my project"}, {}),
            "https://storage.googleapis.com" + tail + "&userProject=my%20project");
}

TEST(GcsSource, AnEmulatorIsAskedWithoutCredentials) {
  const auto http = Metadata();
  const auto source = MakeGcsSource({.allowed_buckets = {"*"}}, http,
                                    OnlyVariables({{"STORAGE_EMULATOR_HOST", "localhost:9023"}}));
  ASSERT_TRUE(source.ok());
  const auto object = (*source)->Open("gs://photos/x");
  const auto headers = Sign(**object);
  ASSERT_TRUE(headers.ok());
  EXPECT_TRUE(headers->empty());
  (*object)->RenewCredentials();
  EXPECT_TRUE(http->calls().empty());
}

TEST(GcsSource, TokensAreSharedAndRenewedWhenRefused) {
  const auto http = Metadata();
  const auto source =
      MakeGcsSource({.allowed_buckets = {"*"}}, http, OnlyVariables({{"GCE_METADATA_HOST", "m"}}));
  ASSERT_TRUE(source.ok()) << source.status().ToString();
  const auto tokens_asked = [&] {
    size_t count = 0;
    for (const HttpCall& call : http->calls()) count += call.url.find("/token?") != std::string::npos;
    return count;
  };
  EXPECT_EQ(tokens_asked(), 0U) << "before anybody needs one";
  const auto first = (*source)->Open("gs://photos/1");
  const auto second = (*source)->Open("gs://photos/2");
  const std::vector<std::string> t1 = {"Authorization: Bearer t1"};
  const std::vector<std::string> t2 = {"Authorization: Bearer t2"};
  EXPECT_EQ(*Sign(**first), t1);
  EXPECT_EQ(*Sign(**second), t1);
  // Both were refused; the second says so after the first was given a new one already.
  (*first)->RenewCredentials();
  EXPECT_EQ(*Sign(**first), t2);
  (*second)->RenewCredentials();
  EXPECT_EQ(*Sign(**second), t2);
  EXPECT_EQ(tokens_asked(), 2U);
}

TEST(GcsSource, ASignatureOutlivesItsObject) {
  const auto source =
      MakeGcsSource({.allowed_buckets = {"*"}}, Metadata(), OnlyVariables({{"GCE_METADATA_HOST", "m"}}));
  std::promise<bool> signed_well;
  auto object = (*source)->Open("gs://photos/1");
  (*object)->Sign([&](const SourceObject::Headers& headers) { signed_well.set_value(headers.ok()); });
  object->reset();
  EXPECT_TRUE(signed_well.get_future().get());
}

TEST(GcsSource, ADeadTokenEndpointIsAnErrorOfTheFetch) {
  const auto http = std::make_shared<FakeHttp>([](const HttpCall& call) -> Result<HttpAnswer> {
    return Answer(call.url.find("/token?") == std::string::npos ? 200 : 404, "",
                  {{"metadata-flavor", "Google"}});
  });
  const auto source =
      MakeGcsSource({.allowed_buckets = {"*"}}, http, OnlyVariables({{"GCE_METADATA_HOST", "m"}}));
  const auto headers = Sign(**(*source)->Open("gs://photos/1"));
  ASSERT_FALSE(headers.ok());
  EXPECT_EQ(headers.status().code(), Code::kSourceFailed);
  EXPECT_NE(headers.status().message().find("404"), std::string::npos) << headers.status().message();
}

// What a whole router makes of the options, without a network.
TEST(GcsRouter, GsIsOffByDefaultAndBareNamesHaveOneMeaning) {
  const auto fetched = [](const FetchOptions& options, const std::string& reference) {
    const auto router = CreateRouter(options, nullptr, OnlyVariables());
    if (!router.ok()) return router.status();
    std::promise<Status> promise;
    auto future = promise.get_future();
    (*router)->Fetch({.reference = reference},
                     [&](const Result<Bytes>& bytes) { promise.set_value(bytes.status()); });
    return future.get();
  };
  EXPECT_EQ(fetched({}, "gs://photos/x").code(), Code::kSourceNotAllowed);
  FetchOptions options;
  options.gcs = {.default_bucket = "photos", .auth = GcsOptions::Auth::kAnonymous};
  EXPECT_EQ(fetched(options, "gs://other/x").code(), Code::kSourceNotAllowed);
  EXPECT_EQ(fetched(options, "gs://photos").code(), Code::kInvalidRequest);
  EXPECT_EQ(fetched(options, "..").code(), Code::kInvalidRequest) << "a bare name did not reach the bucket";
  EXPECT_EQ(fetched(options, "file:///x").code(), Code::kSourceNotAllowed)
      << "a file: URL is never an object";
  options.image_root = testing::TempDir();
  EXPECT_EQ(fetched(options, "x").code(), Code::kInvalidRequest) << "two meanings of a bare name";
}

TEST(GcsRouter, TheEndWhileATokenIsAskedForAnswersTheFetch) {
  // The metadata server answers the probe, and the token only when the router is about to end.
  OriginServer metadata;
  std::promise<void> asked;
  std::promise<void> ending;
  const auto end = ending.get_future().share();
  metadata.On("/", [](Connection& client, const std::string&) {
    client.Reply("200 OK", "Metadata-Flavor: Google\r\n", "");
  });
  metadata.OnOnce("/computeMetadata/v1/instance/service-accounts/default/token", [&](Connection& client,
                                                                                     const std::string&) {
    asked.set_value();
    end.wait();
    client.Reply("200 OK", "Metadata-Flavor: Google\r\n", R"({"access_token":"t","expires_in":9})");
  });
  FetchOptions options;
  options.gcs.allowed_buckets = {"photos"};
  auto router =
      CreateRouter(options, nullptr,
                   OnlyVariables({{"GCE_METADATA_HOST", "127.0.0.1:" + std::to_string(metadata.port())}}));
  ASSERT_TRUE(router.ok()) << router.status().ToString();
  std::promise<Code> outcome;
  auto answered = outcome.get_future();
  (*router)->Fetch({.reference = "gs://photos/x"},
                   [&](const Result<Bytes>& bytes) { outcome.set_value(bytes.status().code()); });
  asked.get_future().wait();
  std::thread ender([&] { router->reset(); });
  EXPECT_EQ(answered.get(), Code::kCancelled) << "the end waited for the token";
  ending.set_value();
  ender.join();
}

std::string Json(int code, const std::string& message, const std::string& reason) {
  return R"({"error":{"code":)" + std::to_string(code) + R"(,"message":")" + message +
         R"(","errors":[{"message":"x","domain":"global","reason":")" + reason + "\"}]}}";
}

TEST(GcsRefusal, EachKind) {
  struct Case {
    long status;
    std::string body;
    Code code;
    bool retry;
    bool renew;
    const char* message;
  };
  const Case kCases[] = {
      {404, Json(404, "No such object: photos/x", "notFound"), Code::kNotFound, false, false,
       "no such object"},
      {404, "No such object: photos/x", Code::kNotFound, false, false, "no such object"},
      {404, Json(404, "The specified bucket does not exist.", "notFound"), Code::kNotFound, false, false,
       "the bucket does not exist"},
      {404, "The specified bucket does not exist.", Code::kNotFound, false, false,
       "the bucket does not exist"},
      {404, "", Code::kNotFound, false, false, "no such object, or no such bucket"},
      {401, Json(401, "Invalid Credentials", "authError"), Code::kSourceFailed, false, true,
       "Invalid Credentials"},
      {401, "", Code::kSourceFailed, false, true, "HTTP 401"},
      {403, Json(403, "sa@p.iam does not have storage.objects.get access", "forbidden"), Code::kSourceFailed,
       false, false, "denied access: (account) does not have storage.objects.get access"},
      {403, "Request had an invalid_token", Code::kSourceFailed, false, true, "denied access"},
      {403, "The access token expired", Code::kSourceFailed, false, true, "denied access"},
      {403, Json(403, "slow down", "rateLimitExceeded"), Code::kSourceFailed, true, false, "too often"},
      {412, "", Code::kSourceChanged, false, false, "replaced"},
      {429, Json(429, "slow down", "rateLimitExceeded"), Code::kSourceFailed, true, false, "429"},
      {500, "", Code::kSourceFailed, true, false, "500"},
      {503, "<html>", Code::kSourceFailed, true, false, "503"},
      {400, Json(400, "Bucket is a requester pays bucket but no user project provided.", "required"),
       Code::kSourceFailed, false, false, "--gcs-user-project"},
      {400, "{\"cut", Code::kSourceFailed, false, false, "400"},
  };
  for (const Case& c : kCases) {
    const Refusal refusal = JudgeGcsRefusal(FakeReply(c.status, c.body), true);
    EXPECT_EQ(refusal.status.code(), c.code) << c.status << c.body;
    EXPECT_EQ(refusal.retry, c.retry) << c.status << c.body;
    EXPECT_EQ(refusal.renew_credentials, c.renew) << c.status << c.body;
    EXPECT_NE(refusal.status.message().find(c.message), std::string::npos) << refusal.status.message();
    EXPECT_EQ(refusal.status.message().find('@'), std::string::npos);
  }
  const Refusal anonymous = JudgeGcsRefusal(FakeReply(401, "Anonymous caller does not have access"), false);
  EXPECT_FALSE(anonymous.renew_credentials) << "there is nothing to renew";
  EXPECT_NE(anonymous.status.message().find("--gcs-auth"), std::string::npos);
}

TEST(GcsVersion, GenerationElseETag) {
  EXPECT_EQ(GcsVersion(FakeReply(200, "", {{"x-goog-generation", "17"}, {"etag", "e"}})), "17");
  EXPECT_EQ(GcsVersion(FakeReply(200, "", {{"etag", "e"}})), "e");
  EXPECT_EQ(GcsVersion(FakeReply(200, "")), "");
}

TEST(GcsVerify, ChecksumsOfTheBody) {
  const std::string text = "123456789";
  const std::span<const uint8_t> body(reinterpret_cast<const uint8_t*>(text.data()), text.size());
  const std::string crc = "crc32c=4waSgw==";  // E3069283
  const std::string md5 = "md5=JfnnlDI7RTiF9RgfG2JNCw==";
  const std::string wrong = "md5=1B2M2Y8AsgTpgAmY7PhCfg==";
  const auto verify = [&](std::map<std::string, std::string> headers) {
    return VerifyGcsBody(FakeReply(200, "", std::move(headers)), body).code();
  };
  EXPECT_EQ(verify({}), Code::kOk);
  EXPECT_EQ(verify({{"x-goog-hash", crc}}), Code::kOk);
  EXPECT_EQ(verify({{"x-goog-hash", crc + "," + md5}}), Code::kOk);
  EXPECT_EQ(verify({{"x-goog-hash", md5 + ", " + crc}}), Code::kOk);
  EXPECT_EQ(verify({{"x-goog-hash", md5}}), Code::kOk);
  EXPECT_EQ(verify({{"x-goog-hash", crc + "," + wrong}}), Code::kOk) << "the CRC alone is compared";
  EXPECT_EQ(verify({{"x-goog-hash", "crc32c=AAAAAA==," + md5}}), Code::kChecksumMismatch);
  EXPECT_EQ(verify({{"x-goog-hash", wrong}}), Code::kChecksumMismatch);
  EXPECT_EQ(verify({{"x-goog-hash", "crc32c=4waS"}}), Code::kChecksumMismatch) << "too short";
  EXPECT_EQ(verify({{"x-goog-hash", "crc32c=!!"}}), Code::kChecksumMismatch);
  EXPECT_EQ(verify({{"x-goog-hash", "sha9=xyz"}}), Code::kOk) << "unknown kinds are not ours to judge";
  // Stored gzip, sent plain: the hash is not of what came.
  EXPECT_EQ(verify({{"x-goog-hash", "crc32c=AAAAAA=="}, {"x-goog-stored-content-encoding", "gzip"}}),
            Code::kOk);
  // Stored gzip and sent as it is.
  EXPECT_EQ(verify({{"x-goog-hash", "crc32c=AAAAAA=="},
                    {"x-goog-stored-content-encoding", "gzip"},
                    {"content-encoding", "gzip"}}),
            Code::kChecksumMismatch);
  EXPECT_EQ(verify({{"x-goog-hash", "crc32c=AAAAAA=="}, {"x-goog-stored-content-encoding", "identity"}}),
            Code::kChecksumMismatch);
}

}  // namespace
}  // namespace photovec::fetch
