// SPDX-License-Identifier: MIT
#include "cli/service_manager.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "base/files.h"
#include "base/log.h"

namespace photovec::cli {
namespace {

constexpr int kFirstSocket = 3;  // SD_LISTEN_FDS_START
constexpr int kMostSockets = 64;

/// The variable's text, taken out of the environment; empty without one.
std::string Take(const char* name) {
  const char* text = std::getenv(name);
  std::string taken = text == nullptr ? "" : text;
  unsetenv(name);
  return taken;
}

std::optional<int64_t> Number(const std::string& text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

/// A variable that names a process is meant for that one alone.
bool IsOurs(const std::string& pid) { return pid.empty() || Number(pid) == getpid(); }

std::vector<ServiceManager::Socket> TakeSockets() {
  const std::string pid = Take("LISTEN_PID");
  const int64_t count = Number(Take("LISTEN_FDS")).value_or(0);
  std::string names = Take("LISTEN_FDNAMES");
  std::vector<ServiceManager::Socket> sockets;
  if (pid.empty() || !IsOurs(pid)) return sockets;
  for (int i = 0; i < std::clamp<int64_t>(count, 0, kMostSockets); ++i) {
    const size_t colon = std::min(names.find(':'), names.size());
    sockets.push_back({kFirstSocket + i, names.substr(0, colon)});
    names.erase(0, colon + 1);
  }
  return sockets;
}

}  // namespace

ServiceManager::ServiceManager() : notify_socket_(Take("NOTIFY_SOCKET")), sockets_(TakeSockets()) {
  const std::string pid = Take("WATCHDOG_PID");
  const int64_t microseconds = Number(Take("WATCHDOG_USEC")).value_or(0);
  if (microseconds > 0 && IsOurs(pid)) watchdog_ = std::chrono::microseconds(microseconds);
}

void ServiceManager::Send(const std::string& text) const {
  if (notify_socket_.empty()) return;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (notify_socket_.size() >= sizeof(address.sun_path)) return;
  std::memcpy(address.sun_path, notify_socket_.data(), notify_socket_.size());
  if (address.sun_path[0] == '@') address.sun_path[0] = '\0';  // in the abstract namespace
  const FileDescriptor socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + notify_socket_.size());
  const ssize_t sent = sendto(socket.get(), text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT,
                              reinterpret_cast<const sockaddr*>(&address), size);
  if (sent < 0) log::debug("the service manager was not told: {}", std::strerror(errno));
}

void ServiceManager::Ready(const std::string& status) const { Send("READY=1\nSTATUS=" + status); }
void ServiceManager::Status(const std::string& status) const { Send("STATUS=" + status); }
void ServiceManager::Stopping(const std::string& status) const { Send("STOPPING=1\nSTATUS=" + status); }
void ServiceManager::Alive() const { Send("WATCHDOG=1"); }

void ServiceManager::Reloading() const {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  const auto microseconds = std::chrono::duration_cast<std::chrono::microseconds>(now).count();
  Send("RELOADING=1\nMONOTONIC_USEC=" + std::to_string(microseconds));
}

}  // namespace photovec::cli
