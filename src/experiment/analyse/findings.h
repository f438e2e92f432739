// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "experiment/analyse/analysis.h"

namespace photovec::experiment {

/// A device, thread team or stream that is used for this share of the time has no room left: the rest is lost
/// between batches and to the scheduler. The owners aimed at the same figure for their GPU.
inline constexpr double kFull = 0.90;
/// Above this share of the machine the load generator takes CPU from what it measures.
inline constexpr double kGeneratorHeavy = 0.10;
/// p95 of identical runs on a quiet machine stays within a few percent; beyond this, changes of 10% mean
/// little.
inline constexpr double kNoisy = 0.20;
/// A request's parts must explain at least this share of its total (the sum check of the experiment).
inline constexpr double kAccounted = 0.95;
/// Event-loop lag (p99) above which replies wait visibly for the loop; a healthy one stays below 1 ms.
inline constexpr double kLoopLagMs = 10.0;

/// What takes most of a request's time.
enum class Wall : uint8_t {
  kNone,        ///< no requests
  kStore,       ///< loading from the object store
  kDecoders,    ///< decode workers: decode and preprocess
  kEncoder,     ///< streams
  kServer,      ///< receive, parse, collect, serialise
  kLoadDecode,  ///< loading and decoding, of a server that cannot tell them apart on its critical path
  kPreprocess,  ///< preprocessing whole requests, of such a server
};
struct WallShare {
  Wall wall = Wall::kNone;
  std::string_view
      stage;           ///< the longest stage of the wall that is work: "fetch", "decode", "preprocess", ...
  double share = 0;    ///< of the request's mean total
  double ms = 0;       ///< waiting and working
  double wait_ms = 0;  ///< of that, waiting for a free place (download slot, decoder, stream)
};
/// The largest share of the mean critical path; waiting counts to what is waited for.
WallShare FindWall(const VariantFacts& facts);

/// Findings in the order in which they are shown; the first is the headline. Needs everything else of
/// `analysis`.
std::vector<Finding> MakeFindings(const ExperimentData& data, const Analysis& analysis);

}  // namespace photovec::experiment
