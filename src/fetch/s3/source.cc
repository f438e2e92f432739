// SPDX-License-Identifier: MIT
#include "fetch/s3/source.h"

#include <algorithm>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/log.h"
#include "base/text/utf8.h"
#include "fetch/http/refreshing.h"
#include "fetch/reference.h"
#include "fetch/s3/endpoint.h"
#include "fetch/s3/reply.h"
#include "fetch/s3/sigv4.h"

namespace photovec::fetch {
namespace {

constexpr std::string_view kPrefix = "s3://";
constexpr const char* kChecksumMode = "x-amz-checksum-mode";
constexpr const char* kDefaultRegion = "us-east-1";
// Clients may name buckets without end where "*" is allowed.
constexpr size_t kMostRegions = 10'000;

using Keys = Refreshing<AwsKeys>;

Status Malformed(std::string what) { return {Code::kInvalidRequest, std::move(what)}; }

/// Which region each bucket is in, as far as S3 corrected what was configured. Thread-safe.
class Regions {
 public:
  explicit Regions(std::string configured) : configured_(std::move(configured)) {}
  std::string Of(const std::string& bucket) const {
    std::scoped_lock lock(mutex_);
    const auto found = learnt_.find(bucket);
    return found == learnt_.end() ? configured_ : found->second;
  }
  void Learn(const std::string& bucket, const std::string& region) {
    std::scoped_lock lock(mutex_);
    if (learnt_.size() >= kMostRegions) learnt_.clear();
    learnt_[bucket] = region;
  }

 private:
  const std::string configured_;
  mutable std::mutex mutex_;
  std::map<std::string, std::string> learnt_;
};

/// What all objects of a source share.
struct Shared {
  S3Endpoint endpoint;
  Regions regions;
  WallClock now;
  bool renewable = false;
  std::unique_ptr<Keys> keys;  ///< null: anonymous
};

/// The keys of the last Sign(), which a late answer may set while another attempt reads them.
struct LastKeys {
  std::mutex mutex;
  Keys::Value value;
};

/// What a signature is about. A late answer of the credentials may outlive the object.
struct Target {
  S3Place place;
  std::string region;
};

std::vector<std::string> SignedHeaders(const Target& target, const AwsKeys& keys,
                                       std::chrono::system_clock::time_point now) {
  SigV4Request request;
  request.path = target.place.path;
  request.region = target.region;
  request.date = SigV4Date(now);
  request.headers = {{"x-amz-content-sha256", std::string(kEmptySha256)},
                     {"x-amz-date", request.date},
                     {kChecksumMode, "ENABLED"}};
  if (!keys.session_token.empty()) request.headers.emplace_back("x-amz-security-token", keys.session_token);
  std::vector<std::string> headers;
  for (const auto& [name, value] : request.headers) headers.push_back(name + ": " + value);
  request.headers.emplace_back("host", target.place.host);  // which the transfer sends by itself
  headers.push_back("Authorization: " + SigV4Authorization(request, keys));
  return headers;
}

class S3Object final : public SourceObject {
 public:
  S3Object(std::string bucket, std::string key, Shared& shared)
      : bucket_(std::move(bucket)), key_(std::move(key)), group_("s3://" + bucket_), shared_(shared) {
    Aim(shared_.regions.Of(bucket_));
  }

  const std::string& url() const override { return target_->place.url; }
  const std::string& group() const override { return group_; }

  void Sign(std::function<void(Headers)> done) override {
    if (shared_.keys == nullptr) {
      done(std::vector<std::string>{std::string(kChecksumMode) + ": ENABLED"});
      return;
    }
    shared_.keys->Get([target = target_, last = last_, now = shared_.now,
                       done = std::move(done)](Result<Keys::Value> keys) {
      if (!keys.ok()) {
        done(keys.status().WithContext("the server could not sign in to the bucket"));
        return;
      }
      {
        std::scoped_lock lock(last->mutex);
        last->value = *keys;
      }
      done(SignedHeaders(*target, **keys, now()));
    });
  }

  Refusal OnRefused(const Reply& reply) override {
    Refusal refusal =
        JudgeS3Refusal(reply, {.signed_in = shared_.keys != nullptr, .renewable = shared_.renewable});
    const auto region = RegionOfReply(reply);
    if (region && *region != target_->region && !moved_) {
      moved_ = true;
      spare_keys_ = true;
      shared_.regions.Learn(bucket_, *region);
      Aim(*region);
      refusal.status = Status(Code::kSourceFailed, "the bucket is in the region " + *region);
      refusal.renew_credentials = true;  // at once, and once: the keys are not to blame
    }
    return refusal;
  }

  void RenewCredentials() override {
    if (std::exchange(spare_keys_, false) || shared_.keys == nullptr) return;
    std::scoped_lock lock(last_->mutex);
    shared_.keys->Renew(last_->value);
  }

  std::string Version(const Reply& reply) const override { return S3Version(reply); }
  Status Verify(const Reply& reply, std::span<const uint8_t> body) const override {
    return VerifyS3Body(reply, body);
  }

 private:
  void Aim(const std::string& region) {
    Target target{.place = shared_.endpoint.Place(bucket_, key_, region), .region = region};
    target_ = std::make_shared<const Target>(std::move(target));
  }

  const std::string bucket_;
  const std::string key_;
  const std::string group_;
  Shared& shared_;
  std::shared_ptr<const Target> target_;
  const std::shared_ptr<LastKeys> last_ = std::make_shared<LastKeys>();
  bool moved_ = false;       ///< to another region, which happens once
  bool spare_keys_ = false;  ///< the renewal that was asked for is the move
};

class S3Source final : public Source {
 public:
  S3Source(const S3Options& options, std::unique_ptr<Shared> shared)
      : default_bucket_(options.default_bucket),
        buckets_(options.allowed_buckets.begin(), options.allowed_buckets.end()),
        any_bucket_(buckets_.contains("*")),
        shared_(std::move(shared)) {
    if (!default_bucket_.empty()) buckets_.insert(default_bucket_);
  }

  std::string_view name() const override { return "s3"; }
  Trust trust() const override { return Trust::kOperator; }

  Result<std::unique_ptr<SourceObject>> Open(std::string_view reference) const override {
    std::string_view bucket = default_bucket_;
    std::string_view key = reference;
    if (SchemeOf(reference) == Scheme::kS3) {
      key.remove_prefix(std::min(kPrefix.size(), key.size()));
      const size_t slash = key.find('/');
      if (!reference.substr(2).starts_with("://") || slash == std::string_view::npos) {
        return Malformed("write s3://BUCKET/KEY");
      }
      bucket = key.substr(0, slash);
      key.remove_prefix(slash + 1);
    } else if (bucket.empty()) {
      return Malformed("there is no default bucket; write s3://BUCKET/KEY");
    }
    RETURN_IF_ERROR(CheckS3BucketName(bucket));
    RETURN_IF_ERROR(CheckS3Key(key));
    std::string name(bucket);
    if (!any_bucket_ && !buckets_.contains(name)) {
      return Status(Code::kSourceNotAllowed,
                    "the server may not read this bucket; --s3-bucket NAME would allow it");
    }
    return std::unique_ptr<SourceObject>(
        std::make_unique<S3Object>(std::move(name), std::string(key), *shared_));
  }

 private:
  const std::string default_bucket_;
  std::set<std::string> buckets_;
  const bool any_bucket_;
  const std::unique_ptr<Shared> shared_;
};

Status CheckBuckets(const S3Options& options) {
  if (!options.enabled()) return Malformed("s3-bucket: no bucket is allowed");
  for (const std::string& bucket : options.allowed_buckets) {
    if (bucket != "*") RETURN_IF_ERROR(CheckS3BucketName(bucket).WithContext("s3-bucket '" + bucket + "'"));
  }
  if (options.default_bucket.empty()) return Status::Ok();
  return CheckS3BucketName(options.default_bucket)
      .WithContext("default-bucket 's3://" + options.default_bucket + "'");
}

Result<std::string> FindRegion(const S3Options& options, const EnvironmentLookup& environment,
                               const AwsProfile& profile) {
  const auto setting = profile.find("region");
  const std::pair<const char*, std::string> kPlaces[] = {
      {"s3-region", options.region},
      {"AWS_REGION", environment("AWS_REGION").value_or("")},
      {"AWS_DEFAULT_REGION", environment("AWS_DEFAULT_REGION").value_or("")},
      {"the profile's region", setting == profile.end() ? "" : setting->second},
  };
  for (const auto& [name, region] : kPlaces) {
    if (region.empty()) continue;
    if (!IsRegionName(region)) return Malformed(std::string(name) + " is not a region such as eu-west-1");
    return region;
  }
  return std::string(kDefaultRegion);
}

}  // namespace

Status CheckS3Key(std::string_view key) {
  if (key.empty()) return Malformed("the object's key is missing");
  if (key.size() > 1024) return Malformed("the object's key is longer than 1024 bytes");
  if (!IsValidUtf8(key)) return Malformed("the object's key is not UTF-8");
  if (key.find_first_of(std::string_view("\r\n\0", 3)) != std::string_view::npos) {
    return Malformed("the object's key has a line break or NUL");
  }
  return Status::Ok();
}

Result<std::unique_ptr<Source>> MakeS3Source(const S3Options& options, std::shared_ptr<const HttpCaller> http,
                                             const EnvironmentLookup& environment, WallClock now) {
  RETURN_IF_ERROR(CheckBuckets(options));
  const AwsFiles files = FindAwsFiles(environment);
  AwsProfile profile;
  auto loaded = LoadAwsProfile(files);
  // Whoever signs nothing does not need the files to be in order.
  if (!loaded.ok() && options.auth == S3Options::Auth::kAuto) return loaded.status();
  if (loaded.ok()) profile = std::move(*loaded);
  ASSIGN_OR_RETURN(std::string region, FindRegion(options, environment, profile));
  ASSIGN_OR_RETURN(S3Endpoint endpoint, S3Endpoint::Create(options, environment, profile));
  std::unique_ptr<Keys> keys;
  bool renewable = false;
  if (options.auth == S3Options::Auth::kAuto) {
    ASSIGN_OR_RETURN(AwsCredentials credentials, FindAwsCredentials({.environment = environment,
                                                                     .files = files,
                                                                     .profile = profile,
                                                                     .region = region,
                                                                     .http = std::move(http),
                                                                     .now = now}));
    log::info("s3://: {} ({}), signing in with {}", endpoint.Shown(), region, credentials.who);
    renewable = credentials.renewable;
    keys = std::make_unique<Keys>("s3-keys", std::move(credentials.make));
  } else {
    log::info("s3://: {} ({}), without credentials", endpoint.Shown(), region);
  }
  auto shared = std::unique_ptr<Shared>(new Shared{.endpoint = std::move(endpoint),
                                                   .regions = Regions(std::move(region)),
                                                   .now = std::move(now),
                                                   .renewable = renewable,
                                                   .keys = std::move(keys)});
  return std::unique_ptr<Source>(std::make_unique<S3Source>(options, std::move(shared)));
}

}  // namespace photovec::fetch
