// SPDX-License-Identifier: MIT
#include "bench/runner.h"

#include <algorithm>
#include <atomic>
#include <barrier>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <tuple>
#include <utility>

#include "base/quantile.h"
#include "base/thread_pool.h"

namespace photovec::bench {
namespace {

constexpr int kMostWindows = 100;
constexpr std::chrono::milliseconds kLook{5};

Clock::duration ToDuration(double seconds) {
  return std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
}

// Threads that run one job after the other.
class Crew {
 public:
  explicit Crew(int threads) {
    for (int i = 0; i < threads; ++i) threads_.emplace_back([this, i] { Serve(i); });
  }
  ~Crew() {
    {
      const std::scoped_lock lock(mutex_);
      over_ = true;
    }
    changed_.notify_all();
    for (std::thread& thread : threads_) thread.join();
  }
  Crew(const Crew&) = delete;
  Crew& operator=(const Crew&) = delete;

  // `job` runs on every thread, with the thread's number; Wait() before the next.
  void Start(std::function<void(int)> job) {
    {
      const std::scoped_lock lock(mutex_);
      job_ = std::move(job);
      busy_ = static_cast<int>(threads_.size());
      ++jobs_;
    }
    changed_.notify_all();
  }
  void Wait() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return busy_ == 0; });
  }

 private:
  void Serve(int thread) {
    std::unique_lock lock(mutex_);
    for (int64_t done = 0;; ++done) {
      changed_.wait(lock, [&] { return over_ || jobs_ > done; });
      if (jobs_ == done) return;
      lock.unlock();
      job_(thread);
      lock.lock();
      if (--busy_ == 0) changed_.notify_all();
    }
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::function<void(int)> job_;
  int64_t jobs_ = 0;
  int busy_ = 0;
  bool over_ = false;
  std::vector<std::thread> threads_;  // last: they use all of the above
};

// What one thread of a slice did. On a cache line of its own, since it counts while it is timed.
struct alignas(64) Account {
  std::atomic<double> amount = 0;  // written by its thread only
  Status status;
  int64_t units = 0;
  double seconds = 0;
  double cpu_seconds = 0;             // of the thread
  double contestant_cpu_seconds = 0;  // meanwhile
};

class SliceRun {
 public:
  // `window` is the contestant's, or null.
  SliceRun(const Contestant& contestant, double seconds, const Window* window)
      : contestant_(contestant),
        seconds_(seconds),
        window_(window),
        start_(contestant.threads + 1),
        accounts_(static_cast<size_t>(contestant.threads)) {}

  Result<Slice> Run(Crew& crew) {
    // From before the workers are made: what works for them outside is idle then, and seen by cpu_time.
    const double cpu_seconds = Seconds(contestant_.cpu_time());
    crew.Start([this](int thread) { RunThread(thread, accounts_[static_cast<size_t>(thread)]); });
    start_.arrive_and_wait();
    const Moment begin{Clock::now(), cpu_seconds, 0};
    Moment opened, closed;
    if (window_ != nullptr) {
      std::tie(opened, closed) = Watch();
      over_ = true;
    }
    crew.Wait();
    for (const Account& account : accounts_) RETURN_IF_ERROR(account.status);
    Slice slice = window_ == nullptr ? Whole(begin, Now()) : Watched(opened, closed);
    for (const Account& account : accounts_) {
      slice.units += account.units;
      slice.threads_cpu_seconds += account.cpu_seconds;
    }
    if (slice.amount > 0 || window_ == nullptr) return slice;
    return Status(Code::kInvalidRequest, contestant_.name + ": nothing was done within " +
                                             std::to_string(seconds_) + " s; measure longer (--seconds)");
  }

 private:
  struct Moment {
    TimePoint at;
    double cpu_seconds = 0;
    double amount = 0;
  };

  Moment Now() const {
    double amount = 0;
    for (const Account& account : accounts_) amount += account.amount;
    return {Clock::now(), Seconds(contestant_.cpu_time()), amount};
  }

  void RunThread(int thread, Account& account) {
    if (contestant_.nice > 0) SetThreadNice(contestant_.nice);
    const Result<std::unique_ptr<Worker>> worker = contestant_.start(thread);
    start_.arrive_and_wait();  // also when it failed: the others wait for it
    account.status = worker.ok() ? Work(**worker, thread, account) : worker.status();
    if (!account.status.ok()) over_ = true;
  }

  Status Work(Worker& worker, int thread, Account& account) {
    const std::chrono::nanoseconds cpu = ThreadCpuTime();
    const bool first = thread == 0;
    const double contestant_cpu = first ? Seconds(contestant_.cpu_time()) : 0;
    const TimePoint begin = Clock::now();
    const TimePoint end = window_ == nullptr ? begin + ToDuration(seconds_) : TimePoint::max();
    do {
      ASSIGN_OR_RETURN(const double amount, worker.Work());
      account.amount.store(account.amount.load(std::memory_order_relaxed) + amount,
                           std::memory_order_relaxed);
      ++account.units;
    } while (!over_.load(std::memory_order_relaxed) && Clock::now() < end);
    ASSIGN_OR_RETURN(const double rest, worker.Finish());
    account.amount = account.amount + rest;
    account.seconds = std::chrono::duration<double>(Clock::now() - begin).count();
    account.cpu_seconds = Seconds(ThreadCpuTime() - cpu);
    if (first) account.contestant_cpu_seconds = Seconds(contestant_.cpu_time()) - contestant_cpu;
    return Status::Ok();
  }

  std::pair<Moment, Moment> Watch() {
    const TimePoint settled_by = Clock::now() + ToDuration(window_->settle_seconds);
    while (Clock::now() < settled_by && !over_ && !(window_->settled && window_->settled())) {
      std::this_thread::sleep_for(window_->settled ? kLook : settled_by - Clock::now());
    }
    if (window_->at_border) window_->at_border(true);
    const Moment opened = Now();
    Moment closed = opened;
    for (int i = 0; i < kMostWindows && !over_; ++i) {
      std::this_thread::sleep_for(ToDuration(seconds_));
      closed = Now();
      if (window_->at_border) window_->at_border(false);
      if (closed.amount - opened.amount >= window_->least_amount) break;
    }
    return {opened, closed};
  }

  Slice Watched(const Moment& opened, const Moment& closed) const {
    Slice slice;
    slice.amount = window_->amount ? window_->amount(opened.at, closed.at) : closed.amount - opened.amount;
    slice.seconds = std::chrono::duration<double>(closed.at - opened.at).count();
    slice.rate = slice.amount / slice.seconds;
    slice.cpu_seconds = closed.cpu_seconds - opened.cpu_seconds;
    slice.cpus = slice.cpu_seconds / slice.seconds;
    return slice;
  }

  Slice Whole(const Moment& begin, const Moment& end) const {
    Slice slice;
    slice.amount = end.amount;
    // By the threads' own clocks: this one may have been kept from the CPU when they began.
    for (const Account& account : accounts_) slice.seconds = std::max(slice.seconds, account.seconds);
    slice.cpu_seconds = end.cpu_seconds - begin.cpu_seconds;
    // Until the first thread ended: afterwards fewer threads work, which says nothing about the machine.
    slice.cpus = accounts_[0].contestant_cpu_seconds / accounts_[0].seconds;
    for (const Account& account : accounts_) slice.rate += account.amount / account.seconds;
    return slice;
  }

  const Contestant& contestant_;
  const double seconds_;
  const Window* const window_;
  std::barrier<> start_;
  std::atomic<bool> over_{false};
  std::vector<Account> accounts_;
};

Result<Slice> RunSliceOn(Crew* crew, const Contestant& contestant, double seconds) {
  SliceRun run(contestant, seconds, seconds > 0 ? contestant.window.get() : nullptr);
  if (crew != nullptr) return run.Run(*crew);
  Crew fresh(contestant.threads);
  return run.Run(fresh);
}

Status WarmUp(Crew* crew, const Contestant& contestant) {
  if (contestant.warm_up) return contestant.warm_up();
  return contestant.window == nullptr ? RunSliceOn(crew, contestant, 0).status() : Status::Ok();
}

Status TakeTurn(Crew* crew, const Contestant& contestant, Series& series) {
  struct Release {
    const Contestant& contestant;
    ~Release() {
      if (contestant.release) contestant.release();
    }
  };
  const auto missing = [&](const Status& status) {
    if (!contestant.may_be_missing || status.code() != Code::kUnavailable) return status;
    series.missing = status.message();
    return Status::Ok();
  };
  if (!series.missing.empty()) return Status::Ok();
  if (contestant.prepare) {
    const Status prepared = contestant.prepare();
    if (!prepared.ok()) return missing(prepared);
  }
  const Release release{contestant};
  if (series.slices.empty()) {
    const Status verified = contestant.verify ? contestant.verify() : Status::Ok();
    if (!verified.ok()) return missing(verified);
    RETURN_IF_ERROR(WarmUp(crew, contestant));
  }
  ASSIGN_OR_RETURN(const Slice slice, RunSliceOn(crew, contestant, contestant.seconds));
  series.slices.push_back(slice);
  return Status::Ok();
}

class FunctionWorker final : public Worker {
 public:
  explicit FunctionWorker(std::function<Result<double>()> work) : work_(std::move(work)) {}
  Result<double> Work() override { return work_(); }

 private:
  const std::function<Result<double>()> work_;
};

}  // namespace

std::unique_ptr<Worker> MakeWorker(std::function<Result<double>()> work) {
  return std::make_unique<FunctionWorker>(std::move(work));
}

double MedianOfRounds(size_t rounds, const std::function<double(size_t round)>& figure) {
  std::vector<double> values;
  for (size_t round = 0; round < rounds; ++round) values.push_back(figure(round));
  return Median(std::move(values));
}

double Series::Median(const std::function<double(const Slice&)>& figure) const {
  return MedianOfRounds(slices.size(), [&](size_t round) { return figure(slices[round]); });
}

Result<std::vector<Series>> TakeTurns(std::vector<Contestant>& contestants, const RoundOptions& options) {
  std::unique_ptr<Crew> crew;
  if (options.keep_threads) crew = std::make_unique<Crew>(contestants.front().threads);
  std::vector<Series> series(contestants.size());
  const TimePoint end = Clock::now() + ToDuration(options.seconds);
  for (int round = 0; round < options.rounds || Clock::now() < end; ++round) {
    for (size_t i = 0; i < contestants.size(); ++i) {
      // Another order each round, so that none always follows the same one.
      const size_t at = (i + static_cast<size_t>(round)) % contestants.size();
      RETURN_IF_ERROR(TakeTurn(crew.get(), contestants[at], series[at]));
    }
    if (options.after_round) options.after_round(round, series);
  }
  return series;
}

Result<Slice> RunSlice(const Contestant& contestant, double seconds) {
  return RunSliceOn(nullptr, contestant, seconds);
}

}  // namespace photovec::bench
