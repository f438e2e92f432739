// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "decode/decoder.h"
#include "preprocess/spec.h"

namespace photovec::bench {

/// Photos held in memory for a benchmark.
struct PhotoSet {
  std::vector<Bytes> photos;
  double mean_megapixels = 0;
  double mean_bytes = 0;
  int refused = 0;  ///< files that did not decode and are left out
};

/// Reads up to `most` photos of a folder and keeps those that decode.
/// Errors: kInvalidRequest when none does (the message says where to get some).
Result<PhotoSet> LoadPhotos(const std::string& dir, int most, const preprocess::Spec& spec,
                            const decode::DecodeOptions& decode);

}  // namespace photovec::bench
