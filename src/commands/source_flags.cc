// SPDX-License-Identifier: MIT
#include "commands/source_flags.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <string_view>

namespace photovec::commands {

namespace {

// How images move, wherever over the network they come from.
void DeclareTransferFlags(cli::FlagSet& flags, SourceOptions* options) {
  flags.Number("fetch-timeout", &options->fetch_seconds, 0.001, 3'600,
               "seconds that the download of one image may take, over all attempts and redirects");
  flags.Number("fetch-connect-timeout", &options->connect_seconds, 0.001, 3'600,
               "seconds to connect to an origin or a store, TLS included");
  flags.Integer("fetch-attempts", &options->fetch.max_attempts, 1, 10,
                "times that one image is asked for when it fails in passing; 1: no retries");
  flags.OnOff("fetch-hedge", &options->fetch.hedge,
              "ask an object store a second time, beside a request that is slower than 95% of the last; at "
              "most 2% more requests");
  flags.Integer("fetch-concurrency", &options->fetch.max_transfers, 1, 4'096, "downloads at a time");
  flags.Integer("fetch-concurrency-per-host", &options->fetch.max_transfers_per_host, 1, 4'096,
                "downloads at a time from one host or bucket");
  flags.Text(
      "fetch-ca-file", &options->fetch.ca_file, "FILE",
      "PEM certificates that vouch for origins and stores (a private MinIO's, for example), instead of "
      "the system's; empty: the system's");
  flags.Text("fetch-user-agent", &options->fetch.user_agent, "TEXT",
             "User-Agent of downloads, for origins that refuse unknown ones");
  flags.Switch("fetch-proxy-from-env", &options->fetch.use_env_proxy,
               "reach object stores through http_proxy and https_proxy; plain URLs never use them");
}

std::chrono::milliseconds Milliseconds(double seconds) {
  return std::chrono::milliseconds(std::max<int64_t>(1, std::llround(seconds * 1e3)));
}

}  // namespace

void DeclareSourceFlags(cli::FlagSet& flags, SourceOptions* options) {
  flags.Group("Sources");
  flags.Text("image-root", &options->fetch.image_root, "DIR",
             "folder whose files clients may name; empty: none");
  flags.List("allow-host", &options->fetch.allow_hosts, "PATTERN",
             "http(s) host that clients may name: images.example.com, *.example.com, host:9000; none: off");
  flags.List("allow-cidr", &options->fetch.allow_cidrs, "CIDR",
             "private network that those hosts may resolve to, such as 10.1.0.0/16");
  flags.Text("default-bucket", &options->default_bucket, "gs://NAME|s3://NAME",
             "bucket where bare names are looked up; empty: none");
  flags.List("gcs-bucket", &options->fetch.gcs.allowed_buckets, "NAME",
             "bucket that clients may name as gs://NAME/OBJECT; *: any; none: gs:// is off");
  flags.Choice("gcs-auth", &options->fetch.gcs.auth,
               "auto: Application Default Credentials; anonymous: public buckets");
  flags.Text("gcs-endpoint", &options->fetch.gcs.endpoint, "URL",
             "where gs:// objects are read; empty: STORAGE_EMULATOR_HOST, else Google");
  flags.Text("gcs-user-project", &options->fetch.gcs.user_project, "ID",
             "project that pays for requester-pays buckets");
  flags.List("s3-bucket", &options->fetch.s3.allowed_buckets, "NAME",
             "bucket that clients may name as s3://NAME/KEY; *: any; none: s3:// is off");
  flags.Choice("s3-auth", &options->fetch.s3.auth,
               "auto: the credentials that the AWS SDKs find; anonymous: public buckets");
  flags.Text("s3-endpoint", &options->fetch.s3.endpoint, "URL",
             "where s3:// objects are read (MinIO, R2, Ceph); empty: AWS_ENDPOINT_URL_S3, else AWS");
  flags.Text("s3-region", &options->fetch.s3.region, "REGION",
             "region of the buckets; empty: AWS_REGION, the profile's, else us-east-1");
  flags.Choice("s3-addressing", &options->fetch.s3.addressing,
               "https://endpoint/bucket/key or https://bucket.endpoint/key; auto: virtual on AWS alone");
  DeclareTransferFlags(flags, options);
}

Result<fetch::FetchOptions> ToFetchOptions(const SourceOptions& options) {
  constexpr std::string_view kGcs = "gs://";
  constexpr std::string_view kS3 = "s3://";
  fetch::FetchOptions fetch = options.fetch;
  fetch.total_timeout = Milliseconds(options.fetch_seconds);
  fetch.connect_timeout = Milliseconds(options.connect_seconds);
  if (options.default_bucket.empty()) return fetch;
  if (!fetch.image_root.empty()) {
    return Status(Code::kInvalidRequest,
                  "--default-bucket and --image-root both say what a bare name means; give one of them");
  }
  if (options.default_bucket.starts_with(kGcs)) {
    fetch.gcs.default_bucket = options.default_bucket.substr(kGcs.size());
  } else if (options.default_bucket.starts_with(kS3)) {
    fetch.s3.default_bucket = options.default_bucket.substr(kS3.size());
  } else {
    return Status(Code::kInvalidRequest, "--default-bucket must be written gs://NAME or s3://NAME");
  }
  return fetch;
}

}  // namespace photovec::commands
