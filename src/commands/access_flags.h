// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "api/access_keys.h"
#include "api/access_log.h"
#include "api/http_api.h"
#include "base/result.h"
#include "cli/flag_set.h"
#include "request_log/writer.h"

namespace photovec::commands {

/// Who may use the server, and what is written of it, as flags say it.
struct AccessFlags {
  std::string keys_path;
  std::string default_quota;
  std::vector<std::string> cors_origins;
  std::string access_log_path;
  std::string request_log_path;
};

/// Declares --api-keys, --default-quota, --cors-origin, --access-log and --request-log.
/// \param options outlives `flags`.
void DeclareAccessFlags(cli::FlagSet& flags, AccessFlags* options);

/// Keys and logs of a running server; outlives whatever serves requests. Not thread-safe.
class Access {
 public:
  /// Errors: kInvalidRequest for what the user can put right on the command line; others as KeyRing::Load and
  /// LineWriter::Open.
  static Result<std::unique_ptr<Access>> Open(const AccessFlags& flags);

  /// Points the options at what is here.
  void Fill(api::HttpApiOptions* options) const;
  /// After SIGHUP. A file that cannot be used changes nothing, and is told of in the log.
  void ReloadKeys();
  /// After SIGUSR1: another program has renamed the logs.
  void ReopenLogs();
  /// Writes the last lines: before a process ends without destructors.
  void StopLogs();

 private:
  std::unique_ptr<api::KeyRing> keys_;
  api::AccessOptions options_;
  std::unique_ptr<api::AccessLog> access_log_;
  std::unique_ptr<request_log::RequestLog> request_log_;
};

}  // namespace photovec::commands
