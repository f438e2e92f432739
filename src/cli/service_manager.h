// SPDX-License-Identifier: MIT
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"

namespace photovec::cli {

/// What systemd, or another that speaks its protocols, tells a service and hears from it (sd_notify(3),
/// sd_listen_fds(3)). Without one everything does nothing. Make it before any thread, because it takes its
/// variables out of the environment, so that no process that we start believes they are meant for it. Then
/// thread-safe.
class ServiceManager {
 public:
  ServiceManager();

  struct Socket {
    int fd = -1;
    std::string name;  ///< FileDescriptorName= of the .socket unit
  };
  /// Sockets that it has opened for us. The caller owns their descriptors.
  const std::vector<Socket>& sockets() const { return sockets_; }
  /// How often it wants to hear that we are alive; nullopt: not at all.
  std::optional<Clock::duration> watchdog() const { return watchdog_; }

  /// `status` is what `systemctl status` shows.
  void Ready(const std::string& status) const;
  void Status(const std::string& status) const;
  void Reloading() const;  ///< Ready() ends it
  void Stopping(const std::string& status) const;
  void Alive() const;

 private:
  void Send(const std::string& text) const;

  std::string notify_socket_;
  std::optional<Clock::duration> watchdog_;
  std::vector<Socket> sockets_;
};

}  // namespace photovec::cli
