// SPDX-License-Identifier: MIT
#include "net/door.h"

#include <fcntl.h>
#include <sys/socket.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cerrno>
#include <cstring>
#include <exception>
#include <new>
#include <string>
#include <utility>

#include "base/log.h"
#include "net/handler.h"
#include "net/response.h"

namespace photovec::net {
namespace {

namespace asio = boost::asio;
using ErrorCode = boost::system::error_code;
using asio::generic::stream_protocol;

constexpr int kAcceptsInARow = 64;  // about 1 ms: then the loop's connections have their turn
constexpr auto kNoFilesPause = std::chrono::milliseconds(10);
constexpr auto kWarnInterval = std::chrono::seconds(5);

FileDescriptor OpenSpare() { return FileDescriptor(open("/dev/null", O_RDONLY | O_CLOEXEC)); }

SessionContext WithHosts(SessionContext context, const HostRules& hosts) {
  context.hosts = &hosts;
  return context;
}

}  // namespace

Door::Door(ListenSocket socket, DoorPlan plan)
    : socket_(std::move(socket)),
      plan_(std::move(plan)),
      context_(WithHosts(plan_.context, plan_.hosts)),
      readiness_(plan_.loops[0]->context),
      grace_(plan_.loops[0]->context),
      spare_(OpenSpare()),
      end_(ended_.get_future().share()) {}

void Door::Open() {
  asio::co_spawn(plan_.loops[0]->context, AcceptLoop(), [this](const std::exception_ptr& error) {
    if (error) log::error("{}: accepting failed; no new connections are taken", socket_.name());
    ended_.set_value();
  });
}

Task<void> Door::AcceptLoop() {
  // A copy of the descriptor, because Asio wants to close what it waits on.
  ErrorCode error;
  readiness_.assign(fcntl(socket_.fd(), F_DUPFD_CLOEXEC, 0), error);
  while (!closed_ && !error) {
    co_await readiness_.async_wait(asio::posix::stream_descriptor::wait_read,
                                   asio::redirect_error(asio::use_awaitable, error));
    Step step = Step::kTaken;
    for (int i = 0; i < kAcceptsInARow && !closed_ && step == Step::kTaken; ++i) step = AcceptOne();
    if (step == Step::kTaken) co_await asio::post(readiness_.get_executor(), asio::use_awaitable);
    if (step != Step::kNoFiles) continue;
    asio::steady_timer pause(readiness_.get_executor(), kNoFilesPause);
    ErrorCode ignored;
    co_await pause.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  }
  if (error && !closed_) log::error("{}: {}; no new connections are taken", socket_.name(), error.message());
}

Door::Step Door::AcceptOne() {
  ListenSocket::Accepted accepted = socket_.Accept();
  if (accepted.socket.valid()) {
    try {
      Admit(std::move(accepted));
      return Step::kTaken;
    } catch (const std::bad_alloc&) {  // the newcomer is lost, the door stays open
      return NoRoom(ENOMEM);
    }
  }
  switch (accepted.error) {
    case EAGAIN:
      return Step::kNobody;
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
      return NoRoom(accepted.error);
    default:  // the newcomer has left again, or its network failed: accept(2), "Error handling"
      return Step::kTaken;
  }
}

/// There are no more files. Whoever has waited longest gives up his, or else the newcomer is told.
Door::Step Door::NoRoom(int error) {
  if (plan_.accept_errors != nullptr) plan_.accept_errors->Add();
  ++unreported_;
  if (const TimePoint now = Clock::now(); now - last_warning_ > kWarnInterval) {
    log::warn(
        "{}: cannot accept a connection: {} ({} times since the last such line); raise the limit of open "
        "files "
        "or lower --max-connections",
        socket_.name(), std::strerror(error), unreported_);
    last_warning_ = now;
    unreported_ = 0;
  }
  if (plan_.table.EvictOne() || (plan_.relief != nullptr && plan_.relief->EvictOne())) return Step::kNoFiles;
  spare_ = FileDescriptor();
  const ListenSocket::Accepted newcomer = socket_.Accept();
  if (newcomer.socket.valid()) Refuse(newcomer);
  spare_ = OpenSpare();
  return Step::kNoFiles;
}

/// Too many connections: one try to say so, without waiting.
void Door::Refuse(const ListenSocket::Accepted& newcomer) {
  if (tls()) return;  // nothing can be said before a handshake
  HttpError error{
      Status(Code::kUnavailable, "too many connections are open, and requests are in work on all")};
  error.peer = newcomer.address;
  const Response response = context_.handler.Refuse("refused", error);
  HeadOptions options;
  options.keep_alive = false;
  const std::string reply = WriteHead(response, options) + response.body;
  // A client that has left does not mind.
  [[maybe_unused]] const ssize_t sent =
      send(newcomer.socket.get(), reply.data(), reply.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  shutdown(newcomer.socket.get(), SHUT_WR);
}

void Door::Admit(ListenSocket::Accepted accepted) {
  const bool counted = !accepted.loopback || plan_.count_loopback;
  auto slot = plan_.table.Enter(counted ? accepted.group : std::string());
  if (!slot) {
    Refuse(accepted);
    return;
  }
  const std::shared_ptr<EventLoop>& loop = plan_.loops[next_loop_++ % plan_.loops.size()];
  asio::post(loop->context, [this, loop, accepted = std::move(accepted), slot = std::move(slot)]() mutable {
    Serve(loop, std::move(accepted), std::move(slot));
  });
}

/// On the loop's thread.
void Door::Serve(const std::shared_ptr<EventLoop>& loop, ListenSocket::Accepted accepted,
                 std::unique_ptr<ConnectionTable::Slot> slot) {
  ConnectionIo::Socket socket(loop->context);
  const int family = socket_.is_unix() ? AF_UNIX : AF_INET;
  ErrorCode error;
  socket.assign(stream_protocol(family, 0), accepted.socket.get(), error);
  if (error) {
    log::warn("a new connection cannot be watched: {}", error.message());
    return;
  }
  accepted.socket.Release();
  const auto on_close = [raw = loop.get()](ConnectionIo& io) { raw->connections.erase(&io); };
  auto io = std::make_shared<ConnectionIo>(
      std::move(socket), Peer{std::move(accepted.address), plan_.admin, {}}, std::move(slot), loop, on_close);
  loop->connections.insert(io.get());
  if (tls()) io->UseTls(plan_.certificates->current());
  const bool stays = io->slot().Attach([weak = std::weak_ptr(io), raw = loop.get()] {
    asio::post(raw->context, [weak] {
      if (const auto victim = weak.lock()) victim->Abort();
    });
  });
  if (!stays) return;
  asio::co_spawn(loop->context, ServeConnection(io, context_, *loop),
                 [io](const std::exception_ptr& failure) {
                   if (!failure) return;
                   log::error("a connection ended by an unexpected failure");
                   io->Abort();
                 });
}

void Door::CloseNow() {
  if (closed_) return;
  if (!socket_.adopted()) {
    while (AcceptOne() == Step::kTaken) {
    }
  }
  closed_ = true;
  ErrorCode ignored;
  readiness_.close(ignored);
  socket_.Close();
}

void Door::Close(std::chrono::milliseconds grace) {
  asio::post(plan_.loops[0]->context, [this, grace] {
    if (closed_) return;
    socket_.StopNewcomers();
    if (grace.count() == 0 || socket_.adopted()) {
      grace_.cancel();
      CloseNow();
      return;
    }
    grace_.expires_after(grace);
    grace_.async_wait([this](const ErrorCode& error) {
      if (!error) CloseNow();
    });
  });
}

bool Door::WaitClosed(Deadline deadline) const {
  if (!deadline.infinite()) return end_.wait_until(deadline.at()) == std::future_status::ready;
  end_.wait();
  return true;
}

}  // namespace photovec::net
