// SPDX-License-Identifier: MIT
#include "preprocess/spec_keys.h"

#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>
#include <cmath>
#include <cstddef>
#include <limits>
#include <string>

namespace photovec::preprocess {

namespace bjson = boost::json;

Status Unsupported(std::string_view key, const bjson::value& found, std::string_view supported) {
  std::string shown = bjson::serialize(found);
  constexpr std::size_t kMaxShown = 100;
  if (shown.size() > kMaxShown) shown = shown.substr(0, kMaxShown) + "...";
  return {Code::kInvalidRequest,
          "\"" + std::string(key) + "\" holds " + shown + "; supported: " + std::string(supported)};
}

const bjson::value* FindNotNull(const bjson::object& config, std::string_view key) {
  const bjson::value* value = config.if_contains(bjson::string_view(key.data(), key.size()));
  return value == nullptr || value->is_null() ? nullptr : value;
}

bool IsSide(const bjson::value& value) {
  constexpr int kMaxSide = 4096;
  return value.is_int64() && value.get_int64() >= 1 && value.get_int64() <= kMaxSide;
}

float ToFloat(const bjson::value& value) {
  double wide = std::numeric_limits<double>::quiet_NaN();
  if (value.is_double()) wide = value.get_double();
  if (value.is_int64()) wide = static_cast<double>(value.get_int64());
  if (std::abs(wide) > static_cast<double>(std::numeric_limits<float>::max())) {
    return std::numeric_limits<float>::quiet_NaN();
  }
  return static_cast<float>(wide);
}

Status ReadChannels(const bjson::object& config, const ChannelKey& key, float out[3]) {
  const std::string_view supported =
      key.positive ? "a positive number, or three of them" : "a number, or three of them";
  const bjson::value* value = FindNotNull(config, key.name);
  for (std::size_t c = 0; c < 3; ++c) {
    if (value == nullptr) {
      out[c] = static_cast<float>(key.fallback[c]);
      continue;
    }
    const bjson::array* list = value->if_array();
    if (list != nullptr && list->size() != 3) return Unsupported(key.name, *value, supported);
    out[c] = ToFloat(list != nullptr ? (*list)[c] : *value);
    if (!std::isfinite(out[c]) || (key.positive && out[c] <= 0.0F)) {
      return Unsupported(key.name, *value, supported);
    }
  }
  return Status::Ok();
}

}  // namespace photovec::preprocess
