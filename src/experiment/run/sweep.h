// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "experiment/load/capacity_search.h"
#include "experiment/load/load_generator.h"
#include "experiment/run/server_process.h"
#include "experiment/run/variants.h"
#include "experiment/run_data.h"
#include "metrics/nvml.h"

namespace photovec::experiment {

/// One server under test. In `command` these words are replaced, wherever they stand in a word: {port_file}
/// (where the server must write its port once it is ready), {request_log} (docs/metrics.md), {store_url}
/// (http://127.0.0.1:PORT).
struct SweepVariant {
  std::string name;
  std::vector<Setting> settings;
  std::vector<std::string> command;
};

/// Where an experiment stands, for a progress line.
struct SweepProgress {
  std::string what;  ///< "streams=2, 1 of 3: measuring"
  double done = 0;   ///< 0..1
  double seconds_left = 0;
};

struct SweepOptions {
  std::vector<SweepVariant> variants;
  int repetitions = 3;
  LoadOptions load;  ///< without port and references
  /// Starts the object store; {port_file} is replaced. Empty: none, the load brings its photos or references
  /// itself.
  std::vector<std::string> store_command;
  std::vector<std::string> objects;    ///< names in the store; references are made of them
  std::string work_dir;                ///< for logs and port files; exists
  std::optional<Objective> objective;  ///< then, after the repetitions, each variant's capacity is searched
  double capacity_trial_s = 15;
  std::function<void(const SweepProgress&)>
      on_progress;  ///< at most a few times a second, on the calling thread
};

/// Counts what a server completed within the measured time of `run`, whenever it began: images by the moment
/// at which their vector was there, or, where the log does not say, by the end of their request.
void CountCompleted(const std::vector<request_log::Record>& log, Run& run);

/// Runs every variant `repetitions` times, interleaved (A B C A B C ...), each run with a server of its own:
/// start, warm-up, load, stop. A run that fails is marked in the data and the next one goes on.
class Sweep {
 public:
  explicit Sweep(SweepOptions options) : options_(std::move(options)) {}

  /// Fills data.variants (in the order of the options) and data.interrupted. Blocks.
  /// \param stop ends soon; what had run is in `data`.
  /// Errors: kUnavailable when the object store does not start. Failures of servers under test are no errors.
  Status Execute(ExperimentData& data, const std::atomic<bool>& stop);

 private:
  using Server = std::unique_ptr<ServerProcess>;
  Status StartStore(const std::atomic<bool>& stop);
  Run RunOnce(size_t variant, int repetition, const std::atomic<bool>& stop);
  void Measure(ServerProcess& server, const std::string& what, Run& run, const std::atomic<bool>& stop);
  Result<Capacity> FindCapacity(size_t variant, double first_guess, const std::atomic<bool>& stop);
  Result<Server> StartServer(size_t variant, const std::string& label, const std::atomic<bool>& stop);
  Result<LoadResult> Load(const LoadOptions& load, const std::string& what, double expected_s,
                          const std::atomic<bool>& stop);
  LoadOptions LoadFor(uint16_t port) const;
  std::vector<std::string> Fill(const std::vector<std::string>& command, const std::string& label) const;
  std::string PathFor(const std::string& label, const char* suffix) const;
  double ExpectedRunSeconds() const;
  void Report(const std::string& what, double seconds_in) const;
  void ReportTrial(size_t variant, int trial, const LoadOptions& load) const;

  const SweepOptions options_;
  Server store_;
  std::string store_url_;
  std::unique_ptr<metrics::Nvml> nvml_;
  size_t runs_done_ = 0;
  double finished_seconds_ = 0;  // of all runs so far, start and stop included
};

}  // namespace photovec::experiment
