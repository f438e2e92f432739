// SPDX-License-Identifier: MIT
#include "experiment/load/load_run.h"

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <charconv>
#include <chrono>
#include <utility>

#include "base/clock.h"
#include "base/deadline.h"
#include "base/quantile.h"

namespace photovec::experiment {
namespace {

namespace asio = boost::asio;
using ErrorCode = boost::system::error_code;

constexpr int64_t kLook_us = 50'000;  // how often `stop` is read
// After a request without reply a closed loop's client waits this long at least: a server that is gone must
// not be asked ten thousand times a second.
constexpr int64_t kBackOff_us = 100'000;

TimePoint AtUs(int64_t us) { return TimePoint(std::chrono::microseconds(us)); }

/// "60", "0.5"
std::string NumberText(double value) {
  char text[32];
  return {text, std::to_chars(text, text + sizeof(text), value).ptr};
}

}  // namespace

LoadRun::LoadRun(const LoadOptions& options, const std::atomic<bool>& stop)
    : options_(options), stop_(stop), schedule_(options), messages_(options) {}

Result<LoadResult> LoadRun::Go() {
  start_us_ = NowMicros();
  began_us_ = start_us_ + static_cast<int64_t>(options_.warmup_s * 1e6);
  end_us_ = began_us_ + static_cast<int64_t>(options_.seconds * 1e6);
  Spawn(Watch());
  if (options_.arrival == Arrival::kClosed) {
    for (int i = 0; i < options_.clients; ++i) {
      clients_.push_back(std::make_unique<Client>(context_, options_.port));
    }
    for (int i = 0; i < options_.clients; ++i) Spawn(RunClient(i));
  } else {
    Spawn(Pace());
  }
  context_.run();
  if (!failure_.ok()) return failure_;
  return Collect();
}

void LoadRun::Spawn(Task<void> task) {
  asio::co_spawn(context_, std::move(task), [this](const std::exception_ptr& error) {
    if (!error) return;
    std::string what = "unknown";
    try {
      std::rethrow_exception(error);
    } catch (const std::exception& exception) {
      what = exception.what();
    } catch (...) {
      what = "an exception of no known type";
    }
    failure_ = Status(Code::kInternal, "the load generator failed: " + what);
    Finish();
  });
}

LoadRun::Task<void> LoadRun::WaitUntil(asio::steady_timer& timer, int64_t at_us) {
  timer.expires_at(AtUs(at_us));
  ErrorCode cancelled;
  co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, cancelled));
}

/// Sends one request and fills all of the sample but intended_us.
LoadRun::Task<net::ClientOutcome> LoadRun::Ask(uint64_t request, net::ClientConnection& connection,
                                               ClientSample* sample) {
  LoadMessage message;
  messages_.Write(schedule_.Images(request), &message);
  sample->images = message.images;
  net::ClientOutcome outcome = co_await connection.Ask(message.pieces);
  co_return outcome;
}

void LoadRun::Record(ClientSample sample, net::ClientOutcome outcome) {
  --under_way_;
  if (over_ && stopped_us_ != 0 && !outcome.failure.empty()) return;  // it was broken off, it did not fail
  sample.sent_us = outcome.sent_us;
  sample.done_us = outcome.done_us;
  sample.failed_images = sample.images;
  if (over_ && !outcome.failure.empty()) {
    sample.error = "no reply within " + NumberText(options_.drain_s) + " s after the end of the load";
  } else if (!outcome.failure.empty()) {
    sample.error = std::move(outcome.failure);
  } else {
    LoadMessages::Verdict verdict = messages_.Judge(sample.images, outcome.reply);
    sample.status = outcome.reply.status;
    sample.failed_images = verdict.failed_images;
    sample.error = std::move(verdict.error);
  }
  samples_.push_back(std::move(sample));
}

LoadRun::Task<void> LoadRun::RunClient(int index) {
  Client& client = *clients_[static_cast<size_t>(index)];
  co_await WaitUntil(client.timer, start_us_ + schedule_.ClientStartUs(index));
  for (uint64_t i = 0; !over_; ++i) {
    const int64_t begin_us = NowMicros();
    if (begin_us >= end_us_) co_return;
    const uint64_t request = LoadSchedule::ClientRequest(index, i);
    ClientSample sample;
    const bool measured = Measured(begin_us);
    if (measured) ++under_way_;
    net::ClientOutcome outcome = co_await Ask(request, client.connection, &sample);
    sample.intended_us = outcome.sent_us;
    const bool no_reply = !outcome.failure.empty();
    if (measured) Record(std::move(sample), std::move(outcome));
    const int64_t think_us = schedule_.ThinkUs(request);
    const int64_t wait_us = no_reply ? std::max(think_us, kBackOff_us) : think_us;
    const int64_t next_us = NowMicros() + wait_us;
    if (over_ || next_us >= end_us_) co_return;
    if (wait_us > 0) co_await WaitUntil(client.timer, next_us);
  }
}

net::ClientConnection* LoadRun::TakeConnection() {
  if (!idle_.empty()) {
    net::ClientConnection* connection = idle_.back();
    idle_.pop_back();
    return connection;
  }
  if (connections_.size() >= static_cast<size_t>(options_.max_connections)) return nullptr;
  connections_.push_back(std::make_unique<net::ClientConnection>(context_, options_.port));
  return connections_.back().get();
}

LoadRun::Task<void> LoadRun::Pace() {
  const std::vector<int64_t> arrivals = schedule_.Arrivals();
  for (size_t n = 0; n < arrivals.size(); ++n) {
    const int64_t intended_us = start_us_ + arrivals[n];
    if (NowMicros() < intended_us) co_await WaitUntil(pace_timer_, intended_us);
    if (over_) co_return;
    Spawn(RunArrival(n, intended_us, TakeConnection()));
  }
}

/// \param connection null: all are busy.
LoadRun::Task<void> LoadRun::RunArrival(uint64_t n, int64_t intended_us, net::ClientConnection* connection) {
  ClientSample sample;
  sample.intended_us = intended_us;
  const bool measured = Measured(intended_us);
  if (measured) ++under_way_;
  net::ClientOutcome outcome;
  if (connection == nullptr) {
    sample.images = static_cast<int>(schedule_.Images(n).size());
    outcome.failure = "not sent: all " + std::to_string(options_.max_connections) + " connections are busy";
    outcome.sent_us = outcome.done_us = NowMicros();
  } else {
    outcome = co_await Ask(n, *connection, &sample);
    idle_.push_back(connection);
  }
  if (measured) Record(std::move(sample), std::move(outcome));
}

LoadRun::Task<void> LoadRun::Watch() {
  const int64_t drained_us = end_us_ + static_cast<int64_t>(options_.drain_s * 1e6);
  for (;;) {
    const int64_t now_us = NowMicros();
    if (now_us >= began_us_ && cpu_before_s_ < 0) cpu_before_s_ = Seconds(ThreadCpuTime());
    if (stop_.load(std::memory_order_relaxed)) stopped_us_ = now_us;
    // An arrival just before the end may not have run yet: one more look lets it.
    const bool answered = now_us >= end_us_ + kLook_us && under_way_ == 0;
    if (over_ || stopped_us_ != 0 || answered || now_us >= std::max(drained_us, end_us_ + kLook_us)) break;
    int64_t next_us = now_us + kLook_us;
    if (now_us < began_us_) next_us = std::min(next_us, began_us_);
    co_await WaitUntil(watch_timer_, next_us);
  }
  Finish();
}

void LoadRun::Finish() {
  over_ = true;
  pace_timer_.cancel();
  watch_timer_.cancel();
  for (const auto& client : clients_) {
    client->timer.cancel();
    client->connection.Abort();
  }
  for (const auto& connection : connections_) connection->Abort();
}

LoadResult LoadRun::Collect() {
  LoadResult result;
  result.began_us = began_us_;
  const int64_t until_us = stopped_us_ != 0 ? std::clamp(stopped_us_, began_us_, end_us_) : end_us_;
  result.seconds = static_cast<double>(until_us - began_us_) / 1e6;
  result.cpu_seconds = cpu_before_s_ < 0 ? 0 : Seconds(ThreadCpuTime()) - cpu_before_s_;
  std::stable_sort(samples_.begin(), samples_.end(), [](const ClientSample& a, const ClientSample& b) {
    return a.intended_us < b.intended_us;
  });
  if (options_.arrival != Arrival::kClosed && !samples_.empty()) {
    std::vector<double> late_ms;
    late_ms.reserve(samples_.size());
    for (const ClientSample& sample : samples_) {
      late_ms.push_back(static_cast<double>(sample.sent_us - sample.intended_us) / 1e3);
    }
    result.late_p99_ms = Quantile(std::move(late_ms), 0.99);
  }
  result.samples = std::move(samples_);
  return result;
}

}  // namespace photovec::experiment
