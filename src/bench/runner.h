// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

/// How every benchmark times: contestants are verified, warmed up, and then take turns for some rounds.
/// Medians over rounds, and medians of each round's own ratio, are what is reported: noise of the machine
/// that lasts longer than a round hits all contestants of it, and cancels out.
///
/// To add a scenario: write src/bench/NAME.{h,cc} with `Result<NAMEReport> RunNAME(options)`, which makes one
/// Contestant for each thing that is compared (its Worker does one unit of work: a photo, a batch, a request)
/// and calls TakeTurns(); write the report with Table (table.h) and json::Writer (base/json/writer.h); add a
/// command that declares its flags and prints the report to src/commands/lab/, and name it in
/// src/commands/lab_programs.cc, so that `photovec` knows it, too.
namespace photovec::bench {

/// What one thread of a contestant does in a slice. Made, used and destroyed on that thread.
class Worker {
 public:
  virtual ~Worker() = default;
  /// One unit of work; how much it was (images, FLOPs), which may be 0. An error ends the benchmark.
  virtual Result<double> Work() = 0;
  /// When time is up: ends what is in flight, and says how much that was.
  virtual Result<double> Finish() { return 0.0; }
};
/// A worker without state of its own.
std::unique_ptr<Worker> MakeWorker(std::function<Result<double>()> work);

/// For work that is not to be counted by whole units (a request takes as long as a slice): the threads go on
/// without end while the runner watches for Contestant::seconds, and what they did meanwhile counts.
struct Window {
  double settle_seconds = 0;      ///< from the threads' start until it opens, at most
  std::function<bool()> settled;  ///< lets it open before; asked every few milliseconds. May be empty
  double least_amount = 0;        ///< it stays open some times as long until this much was done
  /// Called when it opens (true) and whenever it may close (false); the last call was at its end. May be
  /// empty.
  std::function<void(bool opens)> at_border;
  /// How much was done between two moments, asked when all threads have ended; empty: what Work() returned.
  std::function<double(TimePoint begin, TimePoint end)> amount;
};

/// One thing that is timed.
struct Contestant {
  std::string name;
  int threads = 1;
  int nice = 0;          ///< of its threads
  double seconds = 0.5;  ///< how long a slice lasts; each thread ends the unit that it is at
  /// Called on each thread before time runs.
  std::function<Result<std::unique_ptr<Worker>>(int thread)> start;
  std::unique_ptr<Window> window;  ///< null: each thread's own rate, from its start to its end, added up

  // Around its turns; each may be empty.
  std::function<Status()> prepare;  ///< before each turn: gets what it needs
  std::function<Status()> verify;   ///< once, before anything of it is timed: that its answers are right
  std::function<Status()>
      warm_up;  ///< once, after verify; empty: one unit on each thread, or the window settles
  std::function<void()> release;  ///< after each turn that was prepared
  /// kUnavailable of `prepare` and `verify` leaves it out of this round and all others, instead of ending the
  /// benchmark.
  bool may_be_missing = false;

  /// CPU time that counts as its own: this process's, or with what works for it outside.
  std::function<std::chrono::nanoseconds()> cpu_time = [] { return ProcessCpuTime(); };
};

/// What one turn gave.
struct Slice {
  double rate = 0;     ///< a second, all threads together
  double amount = 0;   ///< of work
  int64_t units = 0;   ///< Work() calls, also those outside the window
  double seconds = 0;  ///< wall time
  double cpu_seconds = 0;
  double cpus = 0;                 ///< that were busy with it, on average
  double threads_cpu_seconds = 0;  ///< of the contestant's own threads, also outside the window

  double cpu_ms() const { return cpu_seconds * 1e3 / amount; }  ///< of one image (FLOP)
};

/// What one contestant's turns gave, one slice a round.
struct Series {
  std::vector<Slice> slices;
  std::string missing;  ///< why it was left out; then there may be fewer slices than rounds

  double Median(const std::function<double(const Slice&)>& figure) const;
  double rate() const {
    return Median([](const Slice& slice) { return slice.rate; });
  }
  double cpu_ms() const {
    return Median([](const Slice& slice) { return slice.cpu_ms(); });
  }
};
/// The median of a figure of each round; 0 without rounds.
double MedianOfRounds(size_t rounds, const std::function<double(size_t round)>& figure);

struct RoundOptions {
  int rounds = 1;      ///< at least
  double seconds = 0;  ///< further rounds until so much time has passed
  /// One crew of threads for all turns, instead of new threads for each: for encoders, whose streams pin
  /// their caller and whose ceiling must run where they do. All contestants then have as many threads.
  bool keep_threads = false;
  /// Called after each round (from 0) with what there is so far. May be empty.
  std::function<void(int round, const std::vector<Series>&)> after_round;
};

/// Blocks until all rounds are over; in each, the contestants run in another order. Contestants are borrowed,
/// and their functions are called by this thread, but for `start`. \return one series for each contestant, in
/// the same order.
/// Errors: the first that a contestant's functions or workers return; kInvalidRequest when nothing was done in a
/// window.
Result<std::vector<Series>> TakeTurns(std::vector<Contestant>& contestants, const RoundOptions& options);

/// One slice alone, without what is around a turn: for warm-ups.
/// \param seconds instead of contestant.seconds; 0: one unit on each thread, without the window.
Result<Slice> RunSlice(const Contestant& contestant, double seconds);

}  // namespace photovec::bench
