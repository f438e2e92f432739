// SPDX-License-Identifier: MIT
#include "net/server.h"

#include <sys/resource.h>

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <optional>
#include <thread>
#include <unordered_set>
#include <utility>
#include <vector>

#include "base/log.h"
#include "base/machine.h"
#include "base/thread_pool.h"
#include "metrics/names.h"
#include "net/connection_io.h"
#include "net/response.h"
#include "net/session.h"

namespace photovec::net {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using ErrorCode = boost::system::error_code;

constexpr auto kLagInterval = std::chrono::milliseconds(100);
constexpr auto kAcceptPause = std::chrono::milliseconds(100);  // after accept fails, e.g. for want of files
constexpr auto kStopReport = std::chrono::seconds(5);
constexpr int kWorkerPoolNice = 5;  // behind the loops, before decode and encode
constexpr int kMostConnections = 4096;

/// One event loop: a context, its thread, and what lives on it.
struct Loop {
  asio::io_context context{1};
  asio::executor_work_guard<asio::io_context::executor_type> guard{context.get_executor()};
  asio::steady_timer lag_timer{context};
  DateLine date;
  std::unordered_set<ConnectionIo*> connections;  // on the loop's thread only
  std::thread thread;
};

ServerOptions WithDefaults(ServerOptions options) {
  const auto cpus = static_cast<int>(ProbeMachine().cpus.size());
  if (options.io_threads <= 0) options.io_threads = cpus > 4 ? 2 : 1;
  if (options.worker_threads <= 0) options.worker_threads = std::clamp(cpus / 4, 1, 4);
  if (options.max_connections <= 0) {
    rlimit files{};
    getrlimit(RLIMIT_NOFILE, &files);
    const rlim_t half = files.rlim_cur / 2;
    options.max_connections = static_cast<int>(std::clamp<rlim_t>(half, 16, kMostConnections));
  }
  return options;
}

Status ListenError(const ServerOptions& options, const ErrorCode& error) {
  const std::string where = options.host + ":" + std::to_string(options.port);
  if (error == asio::error::address_in_use) {
    return {Code::kUnavailable, "cannot listen on " + where +
                                    ": another process uses the port; stop it, or choose another with --port "
                                    "(0 takes any free one)"};
  }
  if (error == asio::error::access_denied) {
    return {Code::kInvalidRequest,
            "cannot listen on " + where + ": ports below 1024 need rights; choose a higher one with --port"};
  }
  return {Code::kInvalidRequest, "cannot listen on " + where + ": " + error.message() +
                                     "; --host must be an address of this machine, or 0.0.0.0 for all"};
}

/// Tried on a thread of its own, so that a start fails at once.
Status CheckLoopPriority(LoopPriority priority) {
  bool allowed = true;
  if (priority == LoopPriority::kRealtime) {
    std::thread([&] { allowed = SetLoopPriority(LoopPriority::kRealtime); }).join();
  }
  if (allowed) return Status::Ok();
  return {Code::kInvalidRequest,
          "--loop-priority=realtime is not allowed here: it takes root, CAP_SYS_NICE or a limit of real-time "
          "priorities (ulimit -r 1, LimitRTPRIO=1 in a systemd unit); or use auto"};
}

Result<tcp::endpoint> EndpointOf(const ServerOptions& options) {
  ErrorCode error;
  const std::string host = options.host == "localhost" ? "127.0.0.1" : options.host;
  const asio::ip::address address = asio::ip::make_address(host, error);
  if (error) {
    return Status(
        Code::kInvalidRequest,
        "\"" + options.host + "\" is not an IP address: --host takes one, such as 127.0.0.1 or 0.0.0.0");
  }
  return tcp::endpoint(address, options.port);
}

}  // namespace

class Server::Impl {
 public:
  Impl(Handler& handler, MemoryBudget& budget, metrics::Registry& registry, ServerOptions options)
      : options_(WithDefaults(std::move(options))),
        loop_lag_(registry.GetDistribution(metrics::name::kLoopLagSeconds,
                                           "How late a timer of an event loop ran", metrics::kSecondsBuckets,
                                           {})),
        connections_(registry.GetGauge(metrics::name::kConnections, "Open HTTP connections", {})),
        // A connection has at most one task: the queue cannot overflow.
        workers_(std::in_place, "http-work", options_.worker_threads, kWorkerPoolNice,
                 static_cast<size_t>(options_.max_connections) + 1),
        context_{handler, budget, *workers_, options_, draining_} {}

  ~Impl() { Stop(Deadline(Clock::now())); }

  Status Start() {
    RETURN_IF_ERROR(CheckLoopPriority(options_.loop_priority));
    for (int i = 0; i < options_.io_threads; ++i) loops_.push_back(std::make_shared<Loop>());
    RETURN_IF_ERROR(Listen());
    for (size_t i = 0; i < loops_.size(); ++i) StartLoop(i);
    asio::co_spawn(loops_[0]->context, AcceptLoop(), [](const std::exception_ptr& error) {
      if (error) log::error("the accept loop failed; no new connections are taken");
    });
    return Status::Ok();
  }

  uint16_t port() const { return port_.load(); }
  size_t connections() const {
    std::scoped_lock lock(mutex_);
    return open_;
  }

  void BeginDrain() {
    if (draining_.exchange(true)) return;
    for (size_t i = 0; i < loops_.size(); ++i) {
      asio::post(loops_[i]->context, [this, i] {
        ErrorCode ignored;
        if (i == 0) acceptor_->close(ignored);
        AbortConnections(*loops_[i], true);
      });
    }
  }

  void Stop(Deadline deadline) {
    std::scoped_lock stopping(stop_mutex_);
    BeginDrain();
    if (loops_.empty()) return;
    std::unique_lock lock(mutex_);
    const auto gone = [this] { return open_ == 0; };
    const bool drained = deadline.infinite() ? (all_gone_.wait(lock, gone), true)
                                             : all_gone_.wait_until(lock, deadline.at(), gone);
    if (!drained) {
      log::warn("{} connections are broken at the end of the drain", open_);
      for (const auto& loop : loops_) {
        asio::post(loop->context, [loop] { AbortConnections(*loop, false); });
      }
      while (!all_gone_.wait_for(lock, kStopReport, gone)) {
        log::warn("{} connections wait for the pipeline to answer their cancelled requests", open_);
      }
    }
    lock.unlock();
    workers_.reset();
    for (const auto& loop : loops_) {
      loop->context.stop();
      if (loop->thread.joinable()) loop->thread.join();
    }
    acceptor_.reset();
    loops_.clear();
  }

 private:
  Status Listen() {
    ASSIGN_OR_RETURN(const tcp::endpoint endpoint, EndpointOf(options_));
    ErrorCode error;
    acceptor_.emplace(loops_[0]->context);
    acceptor_->open(endpoint.protocol(), error);
    if (!error) acceptor_->set_option(tcp::acceptor::reuse_address(true), error);
    if (!error) acceptor_->bind(endpoint, error);
    if (!error) acceptor_->listen(asio::socket_base::max_listen_connections, error);
    if (error) {
      acceptor_.reset();
      loops_.clear();
      return ListenError(options_, error);
    }
    port_.store(acceptor_->local_endpoint(error).port());
    return Status::Ok();
  }

  void StartLoop(size_t index) {
    Loop& loop = *loops_[index];
    loop.lag_timer.expires_after(kLagInterval);
    MeasureLag(loop);
    loop.thread = std::thread([&loop, index, priority = options_.loop_priority] {
      SetThreadName("http-io-" + std::to_string(index));
      SetLoopPriority(priority);
      for (;;) {
        try {
          loop.context.run();
          return;
        } catch (const std::exception& error) {  // only out of memory: every handler guards itself
          log::error("event loop {}: {}", index, error.what());
        }
      }
    });
  }

  void MeasureLag(Loop& loop) {
    loop.lag_timer.async_wait([this, &loop](const ErrorCode& error) {
      if (error) return;
      const TimePoint now = Clock::now();
      loop_lag_->Observe(std::chrono::duration<double>(now - loop.lag_timer.expiry()).count());
      loop.lag_timer.expires_at(now + kLagInterval);
      MeasureLag(loop);
    });
  }

  Task<void> AcceptLoop() {
    size_t next = 0;
    while (!draining_.load()) {
      const size_t index = next++ % loops_.size();
      ErrorCode error;
      tcp::socket socket = co_await acceptor_->async_accept(loops_[index]->context,
                                                            asio::redirect_error(asio::use_awaitable, error));
      if (draining_.load()) break;
      if (error) {
        if (error != asio::error::connection_aborted) {
          log::warn("cannot accept a connection: {}", error.message());
          asio::steady_timer pause(loops_[0]->context, kAcceptPause);
          co_await pause.async_wait(asio::redirect_error(asio::use_awaitable, error));
        }
        continue;
      }
      if (!Enter()) {
        Refuse(socket);
        continue;
      }
      asio::post(loops_[index]->context, [this, index, socket = std::move(socket)]() mutable {
        Serve(loops_[index], std::move(socket));
      });
    }
  }

  bool Enter() {
    std::scoped_lock lock(mutex_);
    if (open_ >= static_cast<size_t>(options_.max_connections)) return false;
    ++open_;
    connections_->Set(static_cast<double>(open_));
    return true;
  }

  void Leave() {
    std::scoped_lock lock(mutex_);
    --open_;
    connections_->Set(static_cast<double>(open_));
    if (open_ == 0) all_gone_.notify_all();
  }

  /// Too many connections: one try to say so, without waiting.
  void Refuse(tcp::socket& socket) {
    HttpError error{Status(Code::kUnavailable, "too many connections are open")};
    ErrorCode gone;  // one that broke at once has no address
    error.peer = socket.remote_endpoint(gone).address().to_string();
    const Response response = context_.handler.Refuse("refused", error);
    HeadOptions options;
    options.keep_alive = false;
    const std::string reply = WriteHead(response, options) + response.body;
    ErrorCode ignored;
    socket.non_blocking(true, ignored);
    socket.write_some(asio::buffer(reply), ignored);
    socket.close(ignored);
  }

  /// On the loop's thread.
  void Serve(const std::shared_ptr<Loop>& loop, tcp::socket socket) {
    const auto on_close = [this, raw = loop.get()](ConnectionIo& io) {
      raw->connections.erase(&io);
      Leave();
    };
    ErrorCode ignored;  // a connection that broke at once has no address, and shows it at its first read
    Peer peer{socket.remote_endpoint(ignored).address().to_string()};
    auto io = std::make_shared<ConnectionIo>(std::move(socket), std::move(peer), loop, on_close);
    loop->connections.insert(io.get());
    asio::co_spawn(loop->context, ServeConnection(io, context_, loop->date),
                   [io](const std::exception_ptr& error) {
                     if (!error) return;
                     log::error("a connection ended by an unexpected failure");
                     io->Abort();
                   });
  }

  static void AbortConnections(Loop& loop, bool only_idle) {
    for (ConnectionIo* io : loop.connections) {
      if (!only_idle || io->idle()) io->Abort();
    }
  }

  const ServerOptions options_;
  metrics::Distribution* const loop_lag_;
  metrics::Gauge* const connections_;
  std::optional<ThreadPool> workers_;
  std::atomic<bool> draining_{false};
  const SessionContext context_;
  std::vector<std::shared_ptr<Loop>> loops_;
  std::optional<tcp::acceptor> acceptor_;
  std::atomic<uint16_t> port_{0};

  std::mutex stop_mutex_;
  mutable std::mutex mutex_;  // guards open_
  std::condition_variable all_gone_;
  size_t open_ = 0;
};

Server::Server(Handler& handler, MemoryBudget& budget, metrics::Registry& registry, ServerOptions options)
    : impl_(std::make_unique<Impl>(handler, budget, registry, std::move(options))) {}
Server::~Server() = default;
Status Server::Start() { return impl_->Start(); }
uint16_t Server::port() const { return impl_->port(); }
void Server::BeginDrain() { impl_->BeginDrain(); }
void Server::Stop(Deadline deadline) { impl_->Stop(deadline); }
size_t Server::connections() const { return impl_->connections(); }

}  // namespace photovec::net
