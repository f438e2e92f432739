// SPDX-License-Identifier: MIT
#include "net/event_loop.h"

#include <chrono>
#include <exception>
#include <utility>

#include "base/log.h"

namespace photovec::net {
namespace {

constexpr auto kTick = std::chrono::milliseconds(100);

}  // namespace

EventLoop::EventLoop(std::string name, LoopPriority priority, metrics::Distribution* lag)
    : name_(std::move(name)), priority_(priority), lag_(lag) {}

void EventLoop::Start() {
  last_tick_.store(Clock::now().time_since_epoch().count());
  timer_.expires_after(kTick);
  Tick();
  thread_ = std::thread([this] { Run(); });
}

void EventLoop::Run() {
  SetThreadName(name_);
  SetLoopPriority(priority_);
  for (;;) {
    try {
      context.run();
      return;
    } catch (const std::exception& error) {  // only out of memory: every handler guards itself
      log::error("event loop {}: {}", name_, error.what());
    }
  }
}

void EventLoop::Tick() {
  timer_.async_wait([this](const boost::system::error_code& error) {
    if (error) return;
    const TimePoint now = Clock::now();
    if (lag_ != nullptr) lag_->Observe(std::chrono::duration<double>(now - timer_.expiry()).count());
    last_tick_.store(now.time_since_epoch().count());
    timer_.expires_at(now + kTick);
    Tick();
  });
}

void EventLoop::Stop() {
  context.stop();
  if (thread_.joinable()) thread_.join();
}

void EventLoop::AbortAll() {
  for (ConnectionIo* io : connections) io->Abort();
}

void EventLoop::AbortIdle() {
  for (ConnectionIo* io : connections) {
    if (io->idle() && !io->HasInput()) io->Abort();
  }
}

}  // namespace photovec::net
