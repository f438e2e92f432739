// SPDX-License-Identifier: MIT
#include "net/certificates.h"

#include <chrono>
#include <utility>

#include "base/log.h"
#include "metrics/names.h"

namespace photovec::net {
namespace {

using Days = std::chrono::duration<double, std::ratio<86'400>>;
constexpr Days kWarnBefore{14};  // half of what is left when automatic renewal of 90-day certificates begins

void LogCertificate(const TlsContext& context) {
  const Days left = context.expires() - std::chrono::system_clock::now();
  if (left <= Days::zero()) {
    log::error("the TLS certificate of {} expired {:.1f} days ago: clients will refuse it", context.subject(),
               -left.count());
  } else if (left < kWarnBefore) {
    log::warn("the TLS certificate of {} expires in {:.1f} days: renew it, then send SIGHUP",
              context.subject(), left.count());
  } else {
    log::info("TLS certificate of {}, valid for {:.0f} days", context.subject(), left.count());
  }
}

}  // namespace

Certificates::Certificates(TlsOptions options, metrics::Registry& registry)
    : options_(std::move(options)), registry_(registry) {}

Status Certificates::Load() {
  ASSIGN_OR_RETURN(auto loaded, TlsContext::Load(options_));
  LogCertificate(*loaded);
  const auto seconds =
      std::chrono::duration_cast<std::chrono::seconds>(loaded->expires().time_since_epoch()).count();
  registry_
      .GetGauge(metrics::name::kTlsCertificateExpiry, "When the TLS certificate ends, in seconds since 1970",
                {})
      ->Set(static_cast<double>(seconds));
  std::scoped_lock lock(mutex_);
  current_ = std::move(loaded);
  return Status::Ok();
}

std::shared_ptr<const TlsContext> Certificates::current() const {
  std::scoped_lock lock(mutex_);
  return current_;
}

}  // namespace photovec::net
