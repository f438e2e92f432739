// SPDX-License-Identifier: MIT
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/machine.h"
#include "base/result.h"
#include "encode/encoder.h"

namespace photovec::bench {

/// N encoder streams of `threads` threads each; 0: chosen from the machine.
struct BenchLayout {
  int streams = 0;
  int threads = 0;
};

struct BenchEncodeOptions {
  /// A HuggingFace model directory, or the name of a preset: then random weights are made in memory.
  std::string model = "clip-vit-b-32";
  std::vector<encode::Precision> precisions = {encode::Precision::kAuto};
  std::vector<BenchLayout> layouts = {{}};
  std::vector<int> batches = {1, 8, 32};  ///< 1 to 64
  /// 0: images. Otherwise batches are of texts of so many tokens each (all that the tower has, unless it is
  /// causal).
  int tokens = 0;
  int rounds = 15;             ///< of each: encode, bare products, encode, …; medians are reported
  double slice_seconds = 0.2;  ///< how long each lasts within a round, at least
  bool pin_threads = true;
  /// Called before each measurement with a line for people; may be empty.
  std::function<void(const std::string&)> progress;
};

/// One precision, layout and batch size. GFLOP/s count executed FLOPs only. Rates are medians over rounds,
/// shares medians of each round's own ratio, so that noise which lasts longer than a round cancels out.
struct BenchEncodeRow {
  std::string precision;
  std::string detail;  ///< of the encoder: library, instruction set, layout
  int streams = 0;
  int threads = 0;                  ///< per stream
  int batch = 0;                    ///< images or texts, per stream
  double items_per_s = 0;           ///< images or texts, all streams together
  double gflops = 0;                ///< of the encoder
  double ceiling_gflops = 0;        ///< the better of the two below
  double ceiling_whole_gflops = 0;  ///< bare products of the whole batch, oneDNN's own threads
  double ceiling_dealt_gflops = 0;  ///< bare products, cut and dealt to threads as in the encoder
  double share_of_ceiling = 0;
  /// The same of the work that each does in a second of CPU time, for machines that others use, too.
  double share_by_cpu_time = 0;
  double peak_gflops = 0;  ///< fused multiply-adds in registers on the same threads
  double batch_ms = 0;     ///< how long one batch takes
  double floor_ms = 0;     ///< and its bare products, the better of both kinds
  /// CPU time that the encoder's threads got / wall time: below 1 the machine was busy.
  double cpu_share = 0;
};

struct BenchEncodeReport {
  std::string model;
  int tokens = 0;             ///< of each text; 0: images
  double flops_per_item = 0;  ///< of an image or text, nothing skipped
  double executed_flops_per_item =
      0;                 ///< without the last block's saved tail, and what a causal text does not see
  std::string verified;  ///< what was checked before timing, in words
  std::vector<BenchEncodeRow> rows;  ///< precisions x layouts x batches, in the order of the options
  Machine machine;
};

/// Verifies (every batch size and stream gives the bits of single images; a shortened model equals
/// encode/reference) and then measures, alternating between the encoder and its ceiling. Blocking.
/// Errors: kInvalidRequest for options, model and preset; kInternal when an answer is wrong; as
/// CreateEncoder.
Result<BenchEncodeReport> RunBenchEncode(const BenchEncodeOptions& options);

/// A table and what its columns mean, for people.
std::string ToText(const BenchEncodeReport& report);
/// One JSON object: the fields of the first row at the top, all rows under "measurements".
std::string ToJson(const BenchEncodeReport& report);

}  // namespace photovec::bench
