// SPDX-License-Identifier: MIT
#include "fetch/gcs/source.h"

#include <algorithm>
#include <chrono>
#include <functional>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "base/log.h"
#include "base/text/percent.h"
#include "fetch/bucket_list.h"
#include "fetch/gcs/credentials.h"
#include "fetch/gcs/reply.h"
#include "fetch/http/http_url.h"
#include "fetch/http/refreshing.h"
#include "fetch/reference.h"

namespace photovec::fetch {
namespace {

constexpr const char* kGoogle = "https://storage.googleapis.com";
constexpr const char* kEmulatorVariable = "STORAGE_EMULATOR_HOST";
// The metadata server gives the same token until five minutes before its end: asking earlier brings nothing.
constexpr std::chrono::seconds kRenewAhead{225};

using Tokens = Refreshing<AccessToken>;

constexpr BucketRules kRules = {.scheme = Scheme::kGcs,
                                .prefix = "gs",
                                .option = "gcs-bucket",
                                .object = "OBJECT",
                                .check_bucket = &CheckGcsBucketName,
                                .check_object = &CheckGcsObjectName};

Status Malformed(std::string what) { return {Code::kInvalidRequest, std::move(what)}; }

/// The token of the last Sign(), which a late answer may set while another attempt reads it.
struct LastToken {
  std::mutex mutex;
  Tokens::Value value;
};

class GcsObject final : public SourceObject {
 public:
  GcsObject(std::string url, std::string group, Tokens* tokens)
      : url_(std::move(url)), group_(std::move(group)), tokens_(tokens) {}

  const std::string& url() const override { return url_; }
  const std::string& group() const override { return group_; }

  void Sign(std::function<void(Headers)> done) override {
    if (tokens_ == nullptr) {
      done(std::vector<std::string>{});
      return;
    }
    tokens_->Get([last = last_, done = std::move(done)](Result<Tokens::Value> token) {
      if (!token.ok()) {
        done(token.status().WithContext("the server could not sign in to the bucket"));
        return;
      }
      {
        std::scoped_lock lock(last->mutex);
        last->value = *token;
      }
      done(std::vector<std::string>{(*token)->authorization});
    });
  }
  Refusal OnRefused(const Reply& reply) override { return JudgeGcsRefusal(reply, tokens_ != nullptr); }
  void RenewCredentials() override {
    if (tokens_ == nullptr) return;
    std::scoped_lock lock(last_->mutex);
    tokens_->Renew(last_->value);
  }
  std::string Version(const Reply& reply) const override { return GcsVersion(reply); }
  Status Verify(const Reply& reply, std::span<const uint8_t> body) const override {
    return VerifyGcsBody(reply, body);
  }

 private:
  const std::string url_;
  const std::string group_;
  Tokens* const tokens_;  // null: anonymous
  const std::shared_ptr<LastToken> last_ = std::make_shared<LastToken>();
};

class GcsSource final : public Source {
 public:
  GcsSource(BucketList buckets, const GcsOptions& options, std::string endpoint,
            std::unique_ptr<Tokens> tokens)
      : buckets_(std::move(buckets)),
        base_(std::move(endpoint) + "/storage/v1/b/"),
        query_("?alt=media" +
               (options.user_project.empty() ? "" : "&userProject=" + PercentEncode(options.user_project))),
        tokens_(std::move(tokens)) {}

  std::string_view name() const override { return "gs"; }
  Trust trust() const override { return Trust::kOperator; }

  Result<std::unique_ptr<SourceObject>> Open(std::string_view reference) const override {
    ASSIGN_OR_RETURN(const BucketList::Object object, buckets_.Find(reference));
    return std::unique_ptr<SourceObject>(
        std::make_unique<GcsObject>(base_ + object.bucket + "/o/" + PercentEncode(object.name) + query_,
                                    "gs://" + object.bucket, tokens_.get()));
  }

 private:
  const BucketList buckets_;
  const std::string base_;
  const std::string query_;
  const std::unique_ptr<Tokens> tokens_;  // null: anonymous
};

struct Endpoint {
  std::string url;
  bool emulator = false;  ///< named by STORAGE_EMULATOR_HOST
};

Result<Endpoint> FindEndpoint(const GcsOptions& options, const EnvironmentLookup& environment) {
  Endpoint endpoint{options.endpoint};
  std::string name = "gcs-endpoint";
  if (endpoint.url.empty()) {
    endpoint.url = environment(kEmulatorVariable).value_or("");
    if (endpoint.url.empty()) return Endpoint{kGoogle};
    name = kEmulatorVariable;
    endpoint.emulator = true;
    if (endpoint.url.find("://") == std::string::npos) endpoint.url.insert(0, "http://");
  }
  while (endpoint.url.ends_with('/')) endpoint.url.pop_back();
  const bool absolute = endpoint.url.starts_with("http://") || endpoint.url.starts_with("https://");
  if (!absolute || endpoint.url.find_first_of("?# ") != std::string::npos ||
      !HttpUrl::Parse(endpoint.url).ok()) {
    return Malformed(name + " must be http(s)://HOST[:PORT][/PATH] without a query, such as " +
                     std::string(kGoogle));
  }
  return endpoint;
}

}  // namespace

Status CheckGcsBucketName(std::string_view bucket) {
  const auto alphanumeric = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  const auto allowed = [&](char c) { return alphanumeric(c) || c == '-' || c == '_' || c == '.'; };
  if (bucket.size() < 3 || bucket.size() > 222) {
    return Malformed("the bucket's name must have 3 to 63 characters");
  }
  if (!std::all_of(bucket.begin(), bucket.end(), allowed)) {
    return Malformed("the bucket's name may have lower-case letters, digits, '-', '_' and '.' only");
  }
  if (!alphanumeric(bucket.front()) || !alphanumeric(bucket.back())) {
    return Malformed("the bucket's name must begin and end with a letter or digit");
  }
  int labels = 0;
  for (size_t begin = 0; begin <= bucket.size(); ++labels) {
    const size_t dot = std::min(bucket.find('.', begin), bucket.size());
    const std::string_view label = bucket.substr(begin, dot - begin);
    if (label.empty() || label.size() > 63 || label.front() == '-' || label.back() == '-') {
      return Malformed("each part between the dots of the bucket's name must be that of a host");
    }
    begin = dot + 1;
  }
  const bool digits = bucket.find_first_not_of("0123456789.") == std::string_view::npos;
  if (digits && labels == 4) return Malformed("the bucket's name must not be an IP address");
  return Status::Ok();
}

Status CheckGcsObjectName(std::string_view object) {
  RETURN_IF_ERROR(CheckObjectName(object, "the object's name"));
  if (object == "." || object == "..") return Malformed("an object cannot be named '.' or '..'");
  return Status::Ok();
}

Result<std::unique_ptr<Source>> MakeGcsSource(const GcsOptions& options,
                                              std::shared_ptr<const HttpCaller> http,
                                              const EnvironmentLookup& environment) {
  ASSIGN_OR_RETURN(BucketList buckets,
                   BucketList::Create(kRules, options.allowed_buckets, options.default_bucket));
  ASSIGN_OR_RETURN(Endpoint endpoint, FindEndpoint(options, environment));
  std::unique_ptr<Tokens> tokens;
  if (options.auth == GcsOptions::Auth::kAuto && !endpoint.emulator) {
    ASSIGN_OR_RETURN(GcsCredentials credentials, FindGcsCredentials(environment, std::move(http)));
    log::info("gs://: signing in as {}", credentials.who);
    // Clients hear of a failure too, but not whose it is. At most once a second, by Refreshing.
    auto make = [credentials = std::move(credentials)] {
      Result<Tokens::Made> made = credentials.make();
      if (!made.ok()) log::warn("gs://: no token for {}: {}", credentials.who, made.status().ToString());
      return made;
    };
    tokens = std::make_unique<Tokens>("gcs-token", std::move(make), kRenewAhead);
  } else {
    log::info("gs://: without credentials, from {}", endpoint.url);
  }
  return std::unique_ptr<Source>(
      std::make_unique<GcsSource>(std::move(buckets), options, std::move(endpoint.url), std::move(tokens)));
}

}  // namespace photovec::fetch
