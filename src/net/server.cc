// SPDX-License-Identifier: MIT
#include "net/server.h"

#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "base/log.h"
#include "base/machine.h"
#include "base/thread_pool.h"
#include "metrics/names.h"
#include "net/certificates.h"
#include "net/connection_table.h"
#include "net/door.h"
#include "net/event_loop.h"
#include "net/listen_socket.h"
#include "net/session.h"

namespace photovec::net {
namespace {

namespace asio = boost::asio;

constexpr auto kStopReport = std::chrono::seconds(5);
constexpr auto kAdminGoodbye = std::chrono::seconds(1);
constexpr int kWorkerPoolNice = 5;  // behind the loops, before decode and encode
constexpr int kMostConnections = 4096;
constexpr int kAdminConnections = 64;
constexpr rlim_t kMostFiles = 1U << 20U;
// Log, model, decoders, downloads and what libraries open.
constexpr rlim_t kOtherFiles = 256;

rlim_t FileLimit() {
  rlimit files{};
  getrlimit(RLIMIT_NOFILE, &files);
  return files.rlim_cur;
}

ServerOptions WithDefaults(ServerOptions options) {
  const auto cpus = static_cast<int>(ProbeMachine().cpus.size());
  if (options.io_threads <= 0) options.io_threads = cpus > 4 ? 2 : 1;
  if (options.worker_threads <= 0) options.worker_threads = std::clamp(cpus / 4, 1, 4);
  if (options.max_connections <= 0) {
    options.max_connections = static_cast<int>(std::clamp<rlim_t>(FileLimit() / 2, 16, kMostConnections));
  }
  return options;
}

ConnectionTable::Limits LimitsOf(const ServerOptions& options) {
  const int per_address = options.max_connections_per_address > 0 ? options.max_connections_per_address
                                                                  : std::max(1, options.max_connections / 2);
  return {static_cast<size_t>(options.max_connections), static_cast<size_t>(per_address)};
}

void WarnOfFileLimit(const ServerOptions& options) {
  const rlim_t files = FileLimit();
  if (static_cast<rlim_t>(options.max_connections) + kAdminConnections + kOtherFiles <= files) return;
  log::warn(
      "--max-connections={} and the limit of open files is {}: with so many connections there are no files "
      "left for "
      "decoders and downloads; raise it (ulimit -n, LimitNOFILE= in a systemd unit) to {} or more, or allow "
      "fewer",
      options.max_connections, files,
      options.max_connections + kAdminConnections + static_cast<int>(kOtherFiles));
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

/// Which names are taken at a TCP listener.
HostRules RulesFor(const ListenSocket& socket, const ServerOptions& options, const std::string& host) {
  if (socket.is_unix()) return {};
  std::vector<std::string> names = options.server_names;
  if (names.empty() && !socket.loopback()) return {};
  names.push_back(host);
  return HostRules(std::move(names));
}

}  // namespace

class Server::Impl {
 public:
  Impl(Handler& handler, MemoryBudget& budget, metrics::Registry& registry, ServerOptions options)
      : options_(WithDefaults(std::move(options))),
        registry_(registry),
        tls_counters_{Handshakes("ok"), Handshakes("failed")},
        table_(
            LimitsOf(options_),
            {registry.GetGauge(metrics::name::kConnections,
                               "Open HTTP connections, without those of the admin port", {}),
             registry.GetCounter(metrics::name::kConnectionsEvicted,
                                 "Waiting connections closed to make room for new ones", {}),
             registry.GetCounter(metrics::name::kConnectionsRefused,
                                 "New connections refused because requests are in work on all others", {})}),
        admin_table_({kAdminConnections, 0}, {}),
        // A connection has at most one task: the queue cannot overflow.
        workers_(std::in_place, "http-work", options_.worker_threads, kWorkerPoolNice,
                 static_cast<size_t>(options_.max_connections) + 1),
        context_{handler, budget, *workers_, options_, phase_, tls_counters_} {}

  ~Impl() { Stop(Deadline(Clock::now())); }

  Status Start() {
    RETURN_IF_ERROR(CheckLoopPriority(options_.loop_priority));
    WarnOfFileLimit(options_);
    MakeLoops();
    Status opened = OpenDoors();
    if (!opened.ok()) {
      doors_.clear();
      loops_.clear();
      admin_loop_.reset();
      return opened;
    }
    for (const auto& loop : loops_) loop->Start();
    if (admin_loop_) admin_loop_->Start();
    for (const auto& door : doors_) door->Open();
    return Status::Ok();
  }

  uint16_t PortOf(bool admin) const {
    for (const auto& door : doors_) {
      if (door->admin() == admin && door->socket().port() != 0) return door->socket().port();
    }
    return 0;
  }
  size_t connections() const { return table_.size(); }

  std::vector<std::string> listeners() const {
    std::vector<std::string> out;
    for (const auto& door : doors_) {
      const std::string scheme = door->socket().is_unix() ? "" : door->tls() ? "https://" : "http://";
      out.push_back(scheme + door->socket().name() + (door->admin() ? " (admin)" : ""));
    }
    return out;
  }

  Exposure exposure() const {
    Exposure out;
    for (const auto& door : doors_) {
      if (door->socket().is_unix() || door->socket().loopback()) continue;
      out.outside = true;
      out.outside_without_tls = out.outside_without_tls || !door->tls();
    }
    return out;
  }

  Status ReloadCertificates() { return certificates_ ? certificates_->Load() : Status::Ok(); }

  bool LoopsTurn(Clock::duration time) const {
    const TimePoint since = Clock::now() - time;
    return std::all_of(loops_.begin(), loops_.end(),
                       [&](const auto& loop) { return loop->last_tick() >= since; }) &&
           (!admin_loop_ || admin_loop_->last_tick() >= since);
  }

  void BeginLameDuck() {
    DrainPhase serving = DrainPhase::kServing;
    phase_.compare_exchange_strong(serving, DrainPhase::kLameDuck);
  }

  void BeginDrain() {
    if (phase_.exchange(DrainPhase::kClosing) == DrainPhase::kClosing) return;
    for (const auto& door : doors_) {
      if (!door->admin()) door->Close(kDrainGrace);
    }
    for (const auto& loop : loops_) {
      asio::post(loop->context, [loop] {
        auto timer = std::make_shared<asio::steady_timer>(loop->context, kDrainGrace);
        timer->async_wait([raw = loop.get(), timer](const boost::system::error_code& error) {
          if (!error) raw->AbortIdle();
        });
      });
    }
  }

  void Stop(Deadline deadline) {
    std::scoped_lock stopping(stop_mutex_);
    if (stopped_ || loops_.empty()) return;
    BeginDrain();
    CloseDoors(false, deadline);
    if (!table_.WaitEmpty(deadline)) {
      log::warn("{} connections are broken at the end of the drain", table_.size());
      while (!BreakAll(loops_, table_, kStopReport)) {
        log::warn("{} connections wait for the pipeline to answer their cancelled requests", table_.size());
      }
    }
    StopAdmin();
    workers_.reset();
    admin_workers_.reset();
    for (const auto& loop : loops_) loop->Stop();
    if (admin_loop_) admin_loop_->Stop();
    stopped_ = true;
  }

 private:
  using Loops = std::vector<std::shared_ptr<EventLoop>>;

  metrics::Counter* Handshakes(const std::string& result) {
    if (!options_.tls.enabled()) return nullptr;
    return registry_.GetCounter(metrics::name::kTlsHandshakes, "TLS handshakes by how they ended",
                                {{metrics::label::kResult, result}});
  }

  void MakeLoops() {
    metrics::Distribution* lag =
        registry_.GetDistribution(metrics::name::kLoopLagSeconds, "How late a timer of an event loop ran",
                                  metrics::kSecondsBuckets, {});
    for (int i = 0; i < options_.io_threads; ++i) {
      loops_.push_back(
          std::make_shared<EventLoop>("http-io-" + std::to_string(i), options_.loop_priority, lag));
    }
    const AdminOptions& admin = options_.admin;
    const bool adopted =
        std::any_of(options_.adopted.begin(), options_.adopted.end(), [](auto& one) { return one.admin; });
    if (!admin.port && admin.unix_socket.empty() && !adopted) return;
    admin_loop_ = std::make_shared<EventLoop>("http-admin", options_.loop_priority, nullptr);
    admin_workers_.emplace("admin-work", 1, kWorkerPoolNice, kAdminConnections + 1);
  }

  Status OpenDoors() {
    if (options_.tls.enabled()) {
      certificates_.emplace(options_.tls, registry_);
      RETURN_IF_ERROR(certificates_->Load());
    }
    bool adopted_main = false;
    for (const AdoptedSocket& one : options_.adopted) {
      ASSIGN_OR_RETURN(ListenSocket socket, ListenSocket::Adopt(one.fd));
      adopted_main = adopted_main || !one.admin;
      AddDoor(std::move(socket), one.admin);
    }
    if (options_.tcp && !adopted_main) {
      ASSIGN_OR_RETURN(ListenSocket socket,
                       ListenSocket::Tcp(options_.host, options_.port, {"--host", "--port"}));
      AddDoor(std::move(socket), false);
    }
    if (!options_.unix_socket.empty()) {
      ASSIGN_OR_RETURN(ListenSocket socket, ListenSocket::Unix(options_.unix_socket, options_.unix_mode));
      AddDoor(std::move(socket), false);
    }
    if (options_.admin.port) {
      ASSIGN_OR_RETURN(ListenSocket socket, ListenSocket::Tcp(options_.admin.host, *options_.admin.port,
                                                              {"--admin-host", "--admin-port"}));
      AddDoor(std::move(socket), true);
    }
    if (!options_.admin.unix_socket.empty()) {
      ASSIGN_OR_RETURN(ListenSocket socket,
                       ListenSocket::Unix(options_.admin.unix_socket, options_.unix_mode));
      AddDoor(std::move(socket), true);
    }
    return Status::Ok();
  }

  void AddDoor(ListenSocket socket, bool admin) {
    SessionContext context{context_.handler, context_.budget, admin ? *admin_workers_ : *workers_,
                           options_,         phase_,          tls_counters_};
    const bool tls = certificates_ && !socket.is_unix() && (!admin || options_.admin.tls);
    DoorPlan plan{admin ? Loops{admin_loop_} : loops_, admin ? admin_table_ : table_, context};
    plan.hosts = RulesFor(socket, options_, admin ? options_.admin.host : options_.host);
    plan.certificates = tls ? &*certificates_ : nullptr;
    plan.admin = admin;
    plan.relief = &table_;
    plan.count_loopback = options_.max_connections_per_address > 0;
    plan.accept_errors = registry_.GetCounter(
        metrics::name::kAcceptErrors, "Times that no file or memory was left for a new connection", {});
    doors_.push_back(std::make_unique<Door>(std::move(socket), std::move(plan)));
  }

  void CloseDoors(bool admin, Deadline deadline) {
    for (const auto& door : doors_) {
      if (door->admin() != admin || door->WaitClosed(deadline)) continue;
      door->Close(std::chrono::milliseconds(0));
      door->WaitClosed(Deadline());
    }
  }

  /// Breaks every connection of `loops`; true when all are gone within `patience`.
  static bool BreakAll(const Loops& loops, const ConnectionTable& table, Clock::duration patience) {
    for (const auto& loop : loops) {
      asio::post(loop->context, [raw = loop.get()] { raw->AbortAll(); });
    }
    return table.WaitEmpty(Deadline::After(patience));
  }

  /// Last, so that whoever watches the server sees it drain to the end.
  void StopAdmin() {
    if (!admin_loop_) return;
    CloseDoors(true, Deadline(Clock::now()));
    asio::post(admin_loop_->context, [this] { admin_loop_->AbortIdle(); });
    if (admin_table_.WaitEmpty(Deadline::After(kAdminGoodbye))) return;
    while (!BreakAll({admin_loop_}, admin_table_, kStopReport)) {
      log::warn("{} admin connections do not end", admin_table_.size());
    }
  }

  const ServerOptions options_;
  metrics::Registry& registry_;
  const TlsCounters tls_counters_;
  std::optional<Certificates> certificates_;
  ConnectionTable table_;
  ConnectionTable admin_table_;
  std::optional<ThreadPool> workers_;
  std::optional<ThreadPool> admin_workers_;
  std::atomic<DrainPhase> phase_{DrainPhase::kServing};
  const SessionContext context_;
  Loops loops_;
  std::shared_ptr<EventLoop> admin_loop_;
  std::vector<std::unique_ptr<Door>> doors_;  // after the loops, on which they stand

  std::mutex stop_mutex_;
  bool stopped_ = false;
};

Server::Server(Handler& handler, MemoryBudget& budget, metrics::Registry& registry, ServerOptions options)
    : impl_(std::make_unique<Impl>(handler, budget, registry, std::move(options))) {}
Server::~Server() = default;
Status Server::Start() { return impl_->Start(); }
uint16_t Server::port() const { return impl_->PortOf(false); }
uint16_t Server::admin_port() const { return impl_->PortOf(true); }
std::vector<std::string> Server::listeners() const { return impl_->listeners(); }
Exposure Server::exposure() const { return impl_->exposure(); }
Status Server::ReloadCertificates() { return impl_->ReloadCertificates(); }
bool Server::LoopsTurn(Clock::duration time) const { return impl_->LoopsTurn(time); }
void Server::BeginLameDuck() { impl_->BeginLameDuck(); }
void Server::BeginDrain() { impl_->BeginDrain(); }
void Server::Stop(Deadline deadline) { impl_->Stop(deadline); }
size_t Server::connections() const { return impl_->connections(); }

void RaiseFileLimit() {
  rlimit files{};
  if (getrlimit(RLIMIT_NOFILE, &files) != 0) return;
  const rlim_t wanted = std::min(files.rlim_max, kMostFiles);
  if (wanted <= files.rlim_cur) return;
  files.rlim_cur = wanted;
  setrlimit(RLIMIT_NOFILE, &files);  // as many as before are no failure
}

}  // namespace photovec::net
