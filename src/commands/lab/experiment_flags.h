// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/enum_names.h"
#include "base/result.h"
#include "cli/flag_set.h"
#include "experiment/load/load_generator.h"
#include "experiment/report/report.h"
#include "experiment/run/sweep.h"

namespace photovec::commands {

/// How photos come to the server.
enum class PhotoSource {
  kStore,   ///< by reference, from a simulated object store
  kUpload,  ///< in the request
};
constexpr auto EnumNames(PhotoSource /*of*/) {
  return std::array{EnumName{PhotoSource::kStore, "store"}, EnumName{PhotoSource::kUpload, "upload"}};
}

/// Which call asks for vectors.
enum class RequestApi {
  kNative,    ///< POST /embed
  kOriginal,  ///< the replaced service's
};
constexpr auto EnumNames(RequestApi /*of*/) {
  return std::array{EnumName{RequestApi::kNative, "native"}, EnumName{RequestApi::kOriginal, "original"}};
}

/// What the user asked `photovec experiment` for, as typed.
struct ExperimentOptions {
  std::vector<std::string> models;
  std::vector<std::string> vary;
  std::vector<std::string> fixed;    ///< --set
  std::vector<std::string> servers;  ///< --server
  std::string images;
  PhotoSource source = PhotoSource::kStore;
  RequestApi api = RequestApi::kNative;
  experiment::Arrival arrival = experiment::Arrival::kClosed;
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
  std::string latency = "p50=40ms,p95=180ms";  ///< as the replaced service's store (docs/experiment.md)
  uint64_t bandwidth = 0;
  double error_rate = 0;
  int64_t seed = 7;
  std::string out;
  std::string trace;
  double trace_seconds = 3;
  experiment::Language language = experiment::Language::kEnglish;
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
