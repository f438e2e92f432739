// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "experiment/run_data.h"

namespace photovec::experiment {

/// How long the stages of a made-up variant take, medians in milliseconds (log-normal around them).
struct SyntheticSpec {
  std::string name = "streams=1";
  int streams = 1;
  int repetitions = 3;
  int requests = 60;  ///< a repetition
  int images = 12;    ///< a request
  double seconds = 30;
  double admit_wait = 0.5;
  double fetch = 60;
  double decode_wait = 4;
  double decode = 8;
  double preprocess = 2;
  double batch_wait = 10;
  double encode = 20;
  double spread = 0.25;  ///< sigma of the logarithm
  double machine_cpu = 0.6;
  double gpu = -1;
  int failed_requests = 0;  ///< a repetition: the first ones get status 429
  int failed_images = 0;    ///< a repetition: one each of the requests behind those
  uint64_t seed = 1;
};
Variant MakeSyntheticVariant(const SyntheticSpec& spec);
ExperimentData MakeSyntheticData(const std::vector<SyntheticSpec>& specs);
/// Three variants, of which more streams shorten the wait for one; for looking at a page.
ExperimentData MakeShowcase();

}  // namespace photovec::experiment
