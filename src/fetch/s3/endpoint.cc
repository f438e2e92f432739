// SPDX-License-Identifier: MIT
#include "fetch/s3/endpoint.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/text/percent.h"
#include "fetch/http/http_url.h"
#include "fetch/reference.h"

namespace photovec::fetch {
namespace {

Status Malformed(std::string what) { return {Code::kInvalidRequest, std::move(what)}; }

bool LowerAlphanumeric(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

struct Named {
  std::string name;
  std::string url;
};

Named FindUrl(const S3Options& options, const EnvironmentLookup& environment, const AwsProfile& profile) {
  if (!options.endpoint.empty()) return {"s3-endpoint", options.endpoint};
  std::string ignored = environment("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS").value_or("");
  if (ignored == "true") return {};
  for (const char* name : {"AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"}) {
    std::string url = environment(name).value_or("");
    if (!url.empty()) return {name, std::move(url)};
  }
  const auto found = profile.find("endpoint_url");
  return found == profile.end() ? Named{} : Named{"the profile's endpoint_url", found->second};
}

}  // namespace

std::string_view AwsDnsSuffix(std::string_view region) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 4> kOthers = {
      {{"cn-", "amazonaws.com.cn"},
       {"eusc-", "amazonaws.eu"},
       {"us-isob-", "sc2s.sgov.gov"},
       {"us-iso-", "c2s.ic.gov"}}};
  for (const auto& [prefix, suffix] : kOthers) {
    if (region.starts_with(prefix)) return suffix;
  }
  return "amazonaws.com";
}

bool IsRegionName(std::string_view region) {
  return !region.empty() && region.size() <= 40 && LowerAlphanumeric(region.front()) &&
         LowerAlphanumeric(region.back()) &&
         std::all_of(region.begin(), region.end(), [](char c) { return LowerAlphanumeric(c) || c == '-'; });
}

Status CheckS3BucketName(std::string_view bucket) {
  if (bucket.size() < 3 || bucket.size() > 63) {
    return Malformed("the bucket's name must have 3 to 63 characters");
  }
  const auto allowed = [](char c) { return LowerAlphanumeric(c) || c == '-' || c == '.'; };
  if (!std::all_of(bucket.begin(), bucket.end(), allowed)) {
    return Malformed("the bucket's name may have lower-case letters, digits, '-' and '.' only");
  }
  for (size_t begin = 0; begin <= bucket.size();) {
    const size_t dot = std::min(bucket.find('.', begin), bucket.size());
    const std::string_view part = bucket.substr(begin, dot - begin);
    if (part.empty() || part.front() == '-' || part.back() == '-') {
      return Malformed(
          "the bucket's name, and each part between its dots, must begin and end with a letter or "
          "digit");
    }
    begin = dot + 1;
  }
  const bool digits = bucket.find_first_not_of("0123456789.") == std::string_view::npos;
  if (digits && std::count(bucket.begin(), bucket.end(), '.') == 3) {
    return Malformed("the bucket's name must not be an IP address");
  }
  return Status::Ok();
}

Result<S3Endpoint> S3Endpoint::Create(const S3Options& options, const EnvironmentLookup& environment,
                                      const AwsProfile& profile) {
  S3Endpoint endpoint;
  endpoint.addressing_ = options.addressing;
  Named named = FindUrl(options, environment, profile);
  if (named.url.empty()) return endpoint;
  while (named.url.ends_with('/')) named.url.pop_back();
  const bool absolute = named.url.starts_with("http://") || named.url.starts_with("https://");
  const auto parsed = HttpUrl::Parse(named.url);
  if (!absolute || !parsed.ok() || named.url.find_first_of("?#% \\") != std::string::npos) {
    return Malformed(named.name +
                     " must be http(s)://HOST[:PORT][/PATH] without a query, such as http://127.0.0.1:9000");
  }
  endpoint.scheme_ = parsed->https() ? "https" : "http";
  endpoint.host_ = parsed->host();
  const int standard = parsed->https() ? 443 : 80;
  if (parsed->port() != standard) endpoint.host_ += ":" + std::to_string(parsed->port());
  const size_t path = named.url.find('/', named.url.find("://") + 3);
  if (path != std::string::npos) endpoint.base_ = named.url.substr(path);
  return endpoint;
}

S3Place S3Endpoint::Place(const std::string& bucket, std::string_view key, const std::string& region) const {
  using Addressing = S3Options::Addressing;
  // The certificate *.s3.REGION.amazonaws.com does not cover a name with dots before it.
  const bool by_path =
      addressing_ == Addressing::kPath ||
      (addressing_ == Addressing::kAuto && (!aws() || bucket.find('.') != std::string::npos));
  S3Place place;
  place.host = aws() ? "s3." + region + "." + std::string(AwsDnsSuffix(region)) : host_;
  place.path = base_;
  if (by_path) {
    place.path += "/" + bucket;
  } else {
    place.host.insert(0, bucket + ".");
  }
  place.path += "/" + PercentEncode(key, "/");
  place.url = scheme_ + "://" + place.host + place.path;
  return place;
}

std::string S3Endpoint::Shown() const { return aws() ? "AWS" : scheme_ + "://" + host_ + base_; }

}  // namespace photovec::fetch
