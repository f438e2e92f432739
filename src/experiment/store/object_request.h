// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace photovec::experiment {

/// Whose manners a request expects.
enum class StoreApi { kPlain, kS3, kGcs };

/// What a request's target names, before any file is looked for.
struct ObjectTarget {
  bool gcs = false;
  std::string bucket;  ///< GCS only
  std::string path;    ///< percent-decoded: GCS, the object's name; else the whole path without its first '/'
  bool metadata = false;  ///< GCS without alt=media: the object's description is asked for, not its bytes
};

/// Understands "/storage/v1/b/BUCKET/o/NAME?alt=media" (and "/download/storage/...", which Google's own
/// clients use), every other path, and absolute URLs of both. Errors: kInvalidRequest (an escape that is
/// none, no path), kNotFound (a GCS call other than an object's).
Result<ObjectTarget> ParseTarget(std::string_view target);

/// True for a target that only the GCS API has, also when ParseTarget refuses it.
bool IsGcsTarget(std::string_view target);

/// Which bytes of an object are sent.
struct ByteRange {
  uint64_t begin = 0;
  uint64_t end = 0;            ///< one past the last
  bool partial = false;        ///< 206
  bool unsatisfiable = false;  ///< 416
};
/// \param header the value of Range. As RFC 9110 §14.2 asks, what is malformed or names several ranges is
/// ignored: the whole object is sent.
ByteRange ParseRange(std::string_view header, uint64_t size);

}  // namespace photovec::experiment
