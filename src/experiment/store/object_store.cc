// SPDX-License-Identifier: MIT
#include "experiment/store/object_store.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <chrono>
#include <exception>
#include <optional>
#include <thread>
#include <utility>

#include "base/deadline.h"
#include "base/log.h"
#include "base/thread_pool.h"
#include "experiment/counter_random.h"
#include "experiment/store/object_files.h"
#include "experiment/store/object_reply.h"
#include "experiment/store/store_log.h"

namespace photovec::experiment {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using asio::ip::tcp;
using ErrorCode = boost::system::error_code;
template <typename T>
using Task = asio::awaitable<T>;

constexpr uint32_t kMaxHeaderBytes = 16 * 1024;
constexpr uint64_t kMaxBodyBytes = 1024 * 1024;  // nobody needs one; read, so that the connection can go on
constexpr int kSendBufferBytes = 1024 * 1024;    // a photo goes to the kernel in one call
constexpr auto kAcceptPause = std::chrono::milliseconds(100);  // after accept fails, e.g. for want of files
// A paced body goes out in pieces of this much time: fine beside a photo's tens of milliseconds, few writes.
constexpr auto kPieceTime = std::chrono::milliseconds(4);

Clock::duration Seconds(double seconds) {
  return std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
}

Status CheckOptions(const ObjectStoreOptions& options) {
  if (!(options.error_rate >= 0 && options.error_rate <= 1)) {
    return {Code::kInvalidRequest, "the error rate must be between 0 (never) and 1 (always)"};
  }
  const LatencySpec& latency = options.latency;
  const bool none = latency.p50_ms == 0 && latency.p95_ms == 0;
  if (!none && !(latency.p50_ms > 0 && latency.p95_ms >= latency.p50_ms)) {
    return {Code::kInvalidRequest, "the latency's p50 must be above 0 and its p95 not below p50"};
  }
  return Status::Ok();
}

Status ListenError(const ObjectStoreOptions& options, const ErrorCode& error) {
  const std::string where = options.host + ":" + std::to_string(options.port);
  if (error == asio::error::address_in_use) {
    return {Code::kUnavailable,
            "the object store cannot listen on " + where +
                ": another process uses the port; stop it, or choose another port (0 takes "
                "any free one)"};
  }
  return {Code::kInvalidRequest, "the object store cannot listen on " + where + ": " + error.message() +
                                     "; give an address of this machine and a port that you may use"};
}

/// What a connection keeps from one request to the next.
struct Turn {
  explicit Turn(tcp::socket& connection) : socket(connection), timer(connection.get_executor()) {}
  tcp::socket& socket;
  asio::steady_timer timer;
  beast::flat_buffer buffer;
};

class ObjectStoreImpl final : public ObjectStore {
 public:
  ObjectStoreImpl(ObjectStoreOptions options, ObjectFiles files)
      : options_(std::move(options)), files_(std::move(files)) {}

  ~ObjectStoreImpl() override {
    // A client may hold a reply whose completion is not yet in the loop's queue; after the first turn it is,
    // and before the second it has run: the log has every reply that anybody has.
    asio::post(context_, [this] { asio::post(context_, [this] { context_.stop(); }); });
    if (thread_.joinable()) thread_.join();
  }

  Status Listen() {
    ErrorCode error;
    const asio::ip::address address =
        asio::ip::make_address(options_.host == "localhost" ? "127.0.0.1" : options_.host, error);
    if (error) {
      return {Code::kInvalidRequest,
              "\"" + options_.host + "\" is not an IP address; write one, such as 127.0.0.1 or 0.0.0.0"};
    }
    const tcp::endpoint endpoint(address, options_.port);
    acceptor_.open(endpoint.protocol(), error);
    if (!error) acceptor_.set_option(tcp::acceptor::reuse_address(true), error);
    if (!error) acceptor_.bind(endpoint, error);
    if (!error) acceptor_.listen(asio::socket_base::max_listen_connections, error);
    if (error) return ListenError(options_, error);
    port_ = acceptor_.local_endpoint(error).port();
    return Status::Ok();
  }

  /// \param log may be null.
  void Run(std::unique_ptr<StoreLog> log) {
    log_ = std::move(log);
    files_.Preload();
    log::info("object store: {} files ({} bytes) are mapped", files_.preloaded_files(),
              files_.preloaded_bytes());
    asio::co_spawn(context_, Accept(), [](const std::exception_ptr& error) {
      if (error) log::error("the object store's accept loop failed; no new connections are taken");
    });
    thread_ = std::thread([this] {
      SetThreadName("object-store");
      for (;;) {
        try {
          context_.run();
          return;
        } catch (const std::exception& error) {  // only out of memory: every connection guards itself
          log::error("object store: {}", error.what());
        }
      }
    });
  }

  uint16_t port() const override { return port_; }
  uint64_t requests() const override { return answered_.load(std::memory_order_relaxed); }

 private:
  Task<void> Accept() {
    for (;;) {
      ErrorCode error;
      tcp::socket socket = co_await acceptor_.async_accept(asio::redirect_error(asio::use_awaitable, error));
      if (error == asio::error::operation_aborted) co_return;
      if (error) {
        if (error != asio::error::connection_aborted) {
          log::warn("the object store cannot accept a connection: {}", error.message());
          asio::steady_timer pause(context_, kAcceptPause);
          co_await pause.async_wait(asio::redirect_error(asio::use_awaitable, error));
        }
        continue;
      }
      asio::co_spawn(context_, Serve(std::move(socket)), [](const std::exception_ptr& failure) {
        if (failure) log::error("a connection of the object store ended by an unexpected failure");
      });
    }
  }

  Task<void> Serve(tcp::socket socket) {
    ErrorCode ignored;  // a socket that died already shows it at the first read
    socket.set_option(tcp::no_delay(true), ignored);
    socket.set_option(tcp::socket::send_buffer_size(kSendBufferBytes), ignored);
    socket.non_blocking(true, ignored);
    Turn turn(socket);
    bool keep = true;
    while (keep) keep = co_await ServeRequest(turn);
    socket.shutdown(tcp::socket::shutdown_both, ignored);
  }

  /// One request. True when the connection goes on.
  Task<bool> ServeRequest(Turn& turn) {
    http::request_parser<http::string_body> parser;
    parser.header_limit(kMaxHeaderBytes);
    parser.body_limit(kMaxBodyBytes);
    ErrorCode error;
    co_await http::async_read_header(turn.socket, turn.buffer, parser,
                                     asio::redirect_error(asio::use_awaitable, error));
    const TimePoint received = Clock::now();
    if (!error && !parser.is_done()) {
      co_await http::async_read(turn.socket, turn.buffer, parser,
                                asio::redirect_error(asio::use_awaitable, error));
    }
    if (error) {
      if (IsMalformed(error)) {
        const ObjectReply refusal = MalformedReply(error.message());
        co_await Send(turn, refusal);
      }
      co_return false;
    }
    const uint64_t n = received_++;
    const auto& request = parser.get();
    const bool keep = parser.keep_alive();
    const double latency_ms = InjectedLatencyMs(options_.latency, options_.seed, n);
    const bool outage = RandomUniform(options_.seed, RandomUse::kStoreError, n) < options_.error_rate;
    const ObjectReply reply =
        MakeObjectReply({View(request.method_string()), View(request.target()),
                         View(request[http::field::range]), View(request[http::field::if_range])},
                        files_, outage, keep ? Persistence::kKeepAlive : Persistence::kClose);
    if (latency_ms > 0) {
      turn.timer.expires_at(received + Seconds(latency_ms / 1e3));
      co_await turn.timer.async_wait(asio::redirect_error(asio::use_awaitable, error));
    }
    answered_.fetch_add(1, std::memory_order_relaxed);  // before a client can know it
    const std::optional<uint64_t> sent = co_await Send(turn, reply);
    if (log_)
      log_->Append({n, reply.object, MicrosBetween(TimePoint(), received), latency_ms, reply.status,
                    sent.value_or(0)});
    co_return keep&& sent.has_value();
  }

  /// Bytes of the body that went out; none when the connection broke.
  Task<std::optional<uint64_t>> Send(Turn& turn, const ObjectReply& reply) {
    ErrorCode error;
    if (options_.bandwidth_bytes_per_s == 0 || reply.text) {
      error = co_await Write(turn.socket, reply.head, reply.body);
      if (error) co_return std::nullopt;
      co_return reply.body.size();
    }
    // The last byte of each piece leaves when a line of that bandwidth would have delivered it.
    const TimePoint begin = Clock::now();
    error = co_await Write(turn.socket, reply.head, {});
    const auto bandwidth = static_cast<double>(options_.bandwidth_bytes_per_s);
    const double piece_time = std::chrono::duration<double>(kPieceTime).count();
    const auto piece = std::max<size_t>(1, static_cast<size_t>(bandwidth * piece_time));
    for (size_t sent = 0; sent < reply.body.size() && !error;) {
      const std::string_view part = reply.body.substr(sent, piece);
      sent += part.size();
      turn.timer.expires_at(begin + Seconds(static_cast<double>(sent) / bandwidth));
      co_await turn.timer.async_wait(asio::redirect_error(asio::use_awaitable, error));
      error = co_await Write(turn.socket, part, {});
    }
    if (error) co_return std::nullopt;
    co_return reply.body.size();
  }

  /// All of both. Not asio::async_write, which cuts whatever it is given into pieces of 64 KiB.
  static Task<ErrorCode> Write(tcp::socket& socket, std::string_view first, std::string_view second) {
    ErrorCode error;
    while (!first.empty() || !second.empty()) {
      const std::array buffers = {asio::buffer(first.data(), first.size()),
                                  asio::buffer(second.data(), second.size())};
      const size_t n = socket.write_some(buffers, error);
      const size_t head = std::min(n, first.size());
      first.remove_prefix(head);
      second.remove_prefix(n - head);
      if (error == asio::error::would_block || error == asio::error::try_again) {
        co_await socket.async_wait(tcp::socket::wait_write, asio::redirect_error(asio::use_awaitable, error));
      }
      if (error) break;
    }
    co_return error;
  }

  static std::string_view View(beast::string_view text) { return {text.data(), text.size()}; }

  static bool IsMalformed(const ErrorCode& error) {
    return error.category() == http::make_error_code(http::error::bad_method).category() &&
           error != http::error::end_of_stream && error != http::error::partial_message;
  }

  const ObjectStoreOptions options_;
  ObjectFiles files_;              // on the loop's thread
  std::unique_ptr<StoreLog> log_;  // the same; may be null
  uint64_t received_ = 0;          // the same
  std::atomic<uint64_t> answered_{0};
  uint16_t port_ = 0;
  asio::io_context context_{1};
  tcp::acceptor acceptor_{context_};
  std::thread thread_;
};

}  // namespace

Result<std::unique_ptr<ObjectStore>> ObjectStore::Start(ObjectStoreOptions options) {
  RETURN_IF_ERROR(CheckOptions(options));
  ASSIGN_OR_RETURN(ObjectFiles files, ObjectFiles::Open(options.root));
  const std::string log_path = options.log_path;
  auto store = std::make_unique<ObjectStoreImpl>(std::move(options), std::move(files));
  RETURN_IF_ERROR(store->Listen());
  std::unique_ptr<StoreLog> log;  // after Listen: a port in use must not cost the log of whoever uses it
  if (!log_path.empty()) {
    ASSIGN_OR_RETURN(log, StoreLog::Create(log_path));
  }
  store->Run(std::move(log));
  return std::unique_ptr<ObjectStore>(std::move(store));
}

}  // namespace photovec::experiment
