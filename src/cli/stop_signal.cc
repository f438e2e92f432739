// SPDX-License-Identifier: MIT
#include "cli/stop_signal.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <utility>

#include "base/thread_pool.h"
#include "cli/exit.h"

namespace photovec::cli {
namespace {

sigset_t WatchedSet() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGHUP);
  sigaddset(&set, SIGUSR1);
  return set;
}

}  // namespace

StopSignal::StopSignal() {
  signal(SIGPIPE, SIG_IGN);
  const sigset_t set = WatchedSet();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  signal_fd_ = signalfd(-1, &set, SFD_CLOEXEC);
  wake_fd_ = eventfd(0, EFD_CLOEXEC);
  watcher_ = std::thread([this] { Watch(); });
}

StopSignal::~StopSignal() {
  const uint64_t one = 1;
  // A counter of one can always be written.
  [[maybe_unused]] const ssize_t written = write(wake_fd_, &one, sizeof(one));
  watcher_.join();
  close(wake_fd_);
  close(signal_fd_);
  const sigset_t set = WatchedSet();
  pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
}

void StopSignal::Watch() {
  SetThreadName("signals");
  while (true) {
    pollfd fds[2] = {{signal_fd_, POLLIN, 0}, {wake_fd_, POLLIN, 0}};
    if (poll(fds, 2, -1) < 0) continue;
    if (fds[1].revents != 0) return;
    if (fds[0].revents == 0) continue;
    signalfd_siginfo info{};
    if (read(signal_fd_, &info, sizeof(info)) != static_cast<ssize_t>(sizeof(info))) continue;
    Received(static_cast<int>(info.ssi_signo));
  }
}

void StopSignal::Received(int signal) {
  std::scoped_lock lock(mutex_);
  if (signal == SIGHUP) {
    reload_ = true;
  } else if (signal == SIGUSR1) {
    reopen_ = true;
  } else {
    if (requested_) _exit(kExitFailure);
    requested_ = true;
  }
  changed_.notify_all();
}

bool StopSignal::requested() const {
  std::scoped_lock lock(mutex_);
  return requested_;
}

bool StopSignal::WaitFor(std::chrono::milliseconds time) const {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, time, [&] { return requested_; });
}

bool StopSignal::TakeReload() {
  std::scoped_lock lock(mutex_);
  return std::exchange(reload_, false);
}

bool StopSignal::TakeReopen() {
  std::scoped_lock lock(mutex_);
  return std::exchange(reopen_, false);
}

}  // namespace photovec::cli
