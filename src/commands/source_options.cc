// SPDX-License-Identifier: MIT
#include "commands/source_options.h"

#include <string_view>

namespace photovec::commands {

void DeclareSourceFlags(FlagSet& flags, SourceOptions* options) {
  flags.Group("Sources");
  flags.Text("image-root", &options->fetch.image_root, "DIR",
             "folder whose files clients may name; empty: none");
  flags.List("allow-host", &options->fetch.allow_hosts, "PATTERN",
             "http(s) host that clients may name: images.example.com, *.example.com, host:9000; none: off");
  flags.List("allow-cidr", &options->fetch.allow_cidrs, "CIDR",
             "private network that those hosts may resolve to, such as 10.1.0.0/16");
  flags.Text("default-bucket", &options->default_bucket, "gs://NAME",
             "bucket where bare names are looked up; empty: none");
  flags.List("gcs-bucket", &options->fetch.gcs.allowed_buckets, "NAME",
             "bucket that clients may name as gs://NAME/OBJECT; *: any; none: gs:// is off");
  flags.Choice("gcs-auth", &options->gcs_auth, {"auto", "anonymous"},
               "auto: Application Default Credentials; anonymous: public buckets");
  flags.Text("gcs-endpoint", &options->fetch.gcs.endpoint, "URL",
             "where gs:// objects are read; empty: STORAGE_EMULATOR_HOST, else Google");
  flags.Text("gcs-user-project", &options->fetch.gcs.user_project, "ID",
             "project that pays for requester-pays buckets");
}

Result<fetch::FetchOptions> ToFetchOptions(const SourceOptions& options) {
  constexpr std::string_view kGcs = "gs://";
  fetch::FetchOptions fetch = options.fetch;
  fetch.gcs.auth =
      options.gcs_auth == "anonymous" ? fetch::GcsOptions::Auth::kAnonymous : fetch::GcsOptions::Auth::kAuto;
  if (options.default_bucket.empty()) return fetch;
  if (!fetch.image_root.empty()) {
    return Status(Code::kInvalidRequest,
                  "--default-bucket and --image-root both say what a bare name means; give one of them");
  }
  if (!options.default_bucket.starts_with(kGcs)) {
    return Status(Code::kInvalidRequest, "--default-bucket must be written gs://NAME");
  }
  fetch.gcs.default_bucket = options.default_bucket.substr(kGcs.size());
  return fetch;
}

}  // namespace photovec::commands
