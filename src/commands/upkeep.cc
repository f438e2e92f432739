// SPDX-License-Identifier: MIT
#include "commands/upkeep.h"

#include <chrono>

#include "base/log.h"

namespace photovec::commands {
namespace {

constexpr auto kReloadInterval = std::chrono::hours(6);

}  // namespace

void Upkeep::Look() {
  const TimePoint now = Clock::now();
  if (const auto interval = manager_.watchdog(); interval && now - last_alive_ >= *interval / 4) {
    if (server_.LoopsTurn(*interval / 2)) manager_.Alive();
    last_alive_ = now;
  }
  if (now - last_reload_ >= kReloadInterval) ReloadCertificate();
}

void Upkeep::ReloadCertificate() {
  last_reload_ = Clock::now();
  if (const Status reloaded = server_.ReloadCertificates(); !reloaded.ok()) {
    log::error("the TLS certificate stays as it is: {}", reloaded.message());
  }
}

}  // namespace photovec::commands
