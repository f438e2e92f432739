// SPDX-License-Identifier: MIT
#include <cstdio>
#include <memory>
#include <string>

#include "api/access_keys.h"
#include "base/log.h"
#include "cli/exit.h"
#include "commands/commands.h"

namespace photovec::commands {
namespace {

class ApiKeyCommand : public cli::Command {
 public:
  std::string path() const override { return "api-key"; }
  std::string summary() const override { return "Make an API key, and the line for the file of --api-keys"; }

  void Declare(cli::FlagSet& flags) override {
    flags.Positional("ID", &id_, "how logs and metrics name it");
    flags.Text("scopes", &scopes_, "LIST",
               "what it opens: embed, admin (metrics, statistics), or embed,admin");
    flags.Text("quota", &quota_, "QUOTA",
               "what it may use: requests=50/s,images=6000/min,bytes=64MiB, or some of it; empty: "
               "--default-quota of the server");
  }

  int Run() override {
    Status wrong = api::CheckKeyId(id_);
    if (wrong.ok()) wrong = api::ParseScopes(scopes_).status().WithContext("--scopes");
    if (wrong.ok()) wrong = api::ParseQuota(quota_).status().WithContext("--quota");
    if (!wrong.ok()) return cli::ReportUsage(wrong);
    const auto key = api::MakeApiKey();
    if (!key.ok()) return cli::ReportFailure(key.status());
    const auto hash = api::HashApiKey(*key);
    if (!hash.ok()) return cli::ReportFailure(hash.status());
    log::Plain("The key, for the client. It is shown this once and kept nowhere: " + *key);
    log::Plain("The line for the file of --api-keys; kill -HUP tells a running server to read it:");
    log::Flush();
    std::printf("%s:%s:%s%s%s\n", id_.c_str(), scopes_.c_str(), hash->c_str(), quota_.empty() ? "" : ":",
                quota_.c_str());
    return cli::kExitOk;
  }

 private:
  std::string id_;
  std::string scopes_ = "embed";
  std::string quota_;
};

}  // namespace

std::unique_ptr<cli::Command> MakeApiKeyCommand() { return std::make_unique<ApiKeyCommand>(); }

}  // namespace photovec::commands
