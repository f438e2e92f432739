// SPDX-License-Identifier: MIT
#include "commands/access_flags.h"

#include <utility>

#include "base/log.h"

namespace photovec::commands {

void DeclareAccessFlags(cli::FlagSet& flags, AccessFlags* options) {
  flags.Group("Access");
  flags.Text("api-keys", &options->keys_path, "FILE",
             "hashes of the API keys that open the server (photovec api-key makes them); empty: it is open");
  flags.Text("default-quota", &options->default_quota, "QUOTA",
             "what a key without a quota of its own may use: requests=50/s,images=6000/min,bytes=64MiB, or "
             "some of it; empty: no limit");
  flags.List("cors-origin", &options->cors_origins, "ORIGIN",
             "https://HOST whose pages may use the server from a browser; none: only its own");
  flags.Text("access-log", &options->access_log_path, "FILE",
             "append a line of JSON about every request to it; -: standard output; empty: off");
  flags.Text("request-log", &options->request_log_path, "FILE",
             "append the times of each embedding request to it, as a line of JSON; empty: off");
}

Result<std::unique_ptr<Access>> Access::Open(const AccessFlags& flags) {
  auto access = std::make_unique<Access>();
  auto quota = api::ParseQuota(flags.default_quota);
  if (!quota.ok()) return quota.status().WithContext("--default-quota");
  access->options_.default_quota = *quota;
  for (const std::string& origin : flags.cors_origins) RETURN_IF_ERROR(api::OriginRules::Check(origin));
  access->options_.origins = api::OriginRules(flags.cors_origins);
  if (!flags.keys_path.empty()) {
    auto keys = api::KeyRing::Load(flags.keys_path);
    if (!keys.ok()) return keys.status().WithContext("--api-keys");
    access->keys_ = std::move(*keys);
    access->options_.keys = access->keys_.get();
    log::info("{} API keys from {}", access->keys_->size(), flags.keys_path);
  } else if (!flags.default_quota.empty()) {
    return Status(Code::kInvalidRequest, "--default-quota is for keys: it needs --api-keys");
  }
  if (!flags.access_log_path.empty()) {
    ASSIGN_OR_RETURN(access->access_log_, api::AccessLog::Open(flags.access_log_path));
  }
  if (!flags.request_log_path.empty()) {
    ASSIGN_OR_RETURN(access->request_log_, request_log::RequestLog::Open(flags.request_log_path));
  }
  return access;
}

void Access::Fill(api::HttpApiOptions* options) const {
  options->access = options_;
  options->access_log = access_log_.get();
  options->request_log = request_log_.get();
}

void Access::ReloadKeys() {
  if (!keys_) return log::info("SIGHUP: there are no API keys to read anew");
  const Status read = keys_->Reload();
  if (read.ok()) {
    log::info("SIGHUP: {} API keys", keys_->size());
  } else {
    log::error("SIGHUP: the API keys stay as they were: {}", read.message());
  }
}

void Access::ReopenLogs() {
  if (access_log_) access_log_->Reopen();
  if (request_log_) request_log_->Reopen();
}

void Access::StopLogs() {
  if (access_log_) access_log_->Stop();
  if (request_log_) request_log_->Stop();
}

}  // namespace photovec::commands
