// SPDX-License-Identifier: MIT
#pragma once

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <span>
#include <string_view>

#include "base/result.h"

namespace photovec::preprocess {

// What the readers of transformers' and of open_clip's files share. Keys with null count as absent in both.

/// "KEY holds FOUND; supported: ...", as kInvalidRequest. Long values are cut.
Status Unsupported(std::string_view key, const boost::json::value& found, std::string_view supported);

/// nullptr when the key is absent or null.
const boost::json::value* FindNotNull(const boost::json::object& config, std::string_view key);

/// A side of an image that can be resized to, in pixels: 1 to 4096, which bounds the slot (48 MiB) and every
/// product of sizes in the resizer. No published model exceeds 1024.
bool IsSide(const boost::json::value& value);

/// A JSON number as a float, or NaN when it is none or does not fit.
float ToFloat(const boost::json::value& value);

struct ChannelKey {
  std::string_view name;
  std::span<const double, 3> fallback;
  bool positive = false;  ///< whether 0 and below make no sense
};

/// One number for all channels, or three. Errors: as Unsupported().
Status ReadChannels(const boost::json::object& config, const ChannelKey& key, float out[3]);

// transformers' OPENAI_CLIP_*, IMAGENET_STANDARD_* and IMAGENET_DEFAULT_*, which open_clip has, too.
inline constexpr double kClipMean[3] = {0.48145466, 0.4578275, 0.40821073};
inline constexpr double kClipStd[3] = {0.26862954, 0.26130258, 0.27577711};
inline constexpr double kHalf[3] = {0.5, 0.5, 0.5};
inline constexpr double kImageNetMean[3] = {0.485, 0.456, 0.406};
inline constexpr double kImageNetStd[3] = {0.229, 0.224, 0.225};

}  // namespace photovec::preprocess
