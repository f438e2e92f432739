// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "cli/flag_set.h"
#include "experiment/run/sweep.h"

namespace photovec::commands {

/// What the user asked `photovec experiment` for, as typed.
struct ExperimentOptions {
  std::vector<std::string> models;
  std::vector<std::string> vary;
  std::vector<std::string> fixed;    ///< --set
  std::vector<std::string> servers;  ///< --server
  std::string images;
  std::string source = "store";
  std::string api = "native";
  std::string arrival = "closed";
  int clients = 30;
  std::string think = "3-5";
  double requests_per_s = 0;
  std::string images_per_request = "30-50";
  std::string duration = "60s";
  std::string warmup = "5s";
  std::string drain = "60s";
  int repetitions = 3;
  std::string objective;
  std::string capacity_trial = "15s";
  std::string latency = "p50=40ms,p95=180ms";  ///< DESIGN §1: what the replaced service's store did
  uint64_t bandwidth = 0;
  double error_rate = 0;
  int64_t seed = 7;
  std::string out;
  std::string trace;
  double trace_seconds = 3;
  std::string language = "en";
};

/// Declares the flags.
/// \param options outlives `flags`.
void DeclareExperimentFlags(cli::FlagSet& flags, ExperimentOptions* options);

/// Checks everything that can be checked before a server is started and turns it into a plan.
/// \param program the binary `photovec`, for servers and object store.
/// \param work_dir where logs go.
/// Errors: kInvalidRequest (say which option, and what is accepted); kNotFound for a folder without photos.
Result<experiment::SweepOptions> MakeSweep(const ExperimentOptions& options, const std::string& program,
                                           const std::string& work_dir);

/// The options as a report shows them: name and value, in the order of --help.
std::vector<std::pair<std::string, std::string>> DescribeOptions(const ExperimentOptions& options);

}  // namespace photovec::commands
