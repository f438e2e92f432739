// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>

#include "base/environment.h"
#include "base/result.h"
#include "fetch/s3/options.h"
#include "fetch/s3/profile.h"

namespace photovec::fetch {

/// The domain that serves a region: "amazonaws.com", "amazonaws.com.cn" for China, and so on.
std::string_view AwsDnsSuffix(std::string_view region);

/// 1 to 40 lower-case letters, digits and "-": a region becomes part of a host name.
bool IsRegionName(std::string_view region);

/// 3 to 63 characters: lower-case letters, digits, "-" and "."; a letter or digit at both ends of each part
/// between dots; not an IP address. Source:
/// docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html. Errors: kInvalidRequest saying what
/// is wrong with it.
Status CheckS3BucketName(std::string_view bucket);

/// Where an object is, as it goes over the wire and as it is signed.
struct S3Place {
  std::string url;   ///< "https://photos.s3.eu-west-1.amazonaws.com/a%20b.jpg"
  std::string host;  ///< "photos.s3.eu-west-1.amazonaws.com", with its port unless that is the scheme's own
  std::string path;  ///< "/a%20b.jpg"
};

/// How buckets and keys become URLs. Immutable; thread-safe.
class S3Endpoint {
 public:
  /// \param profile for its endpoint_url. Errors: kInvalidRequest naming the option or variable.
  static Result<S3Endpoint> Create(const S3Options& options, const EnvironmentLookup& environment,
                                   const AwsProfile& profile);

  /// \param bucket, region valid.
  /// \param key any bytes: each but unreserved ones and "/" is encoded, nothing
  /// is normalised.
  S3Place Place(const std::string& bucket, std::string_view key, const std::string& region) const;

  bool aws() const { return host_.empty(); }
  /// "AWS" or "http://127.0.0.1:9000", for logs.
  std::string Shown() const;

 private:
  std::string scheme_ = "https";
  std::string host_;  ///< with its port; empty: AWS, by region
  std::string base_;  ///< path of the endpoint: "" or "/gateway"
  S3Options::Addressing addressing_ = S3Options::Addressing::kAuto;
};

}  // namespace photovec::fetch
