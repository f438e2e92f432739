// SPDX-License-Identifier: MIT
#include "preprocess/spec.h"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <span>
#include <utility>

#include "base/files.h"
#include "base/json/reader.h"

namespace photovec::preprocess {
namespace {

namespace bjson = boost::json;

// Bounds the slot (48 MiB) and every product of sizes in the resizer; no published model exceeds 1024.
constexpr int kMaxSide = 4096;
// Real files have 1 KiB.
constexpr std::size_t kMaxFileBytes = 1U << 20;

// transformers' OPENAI_CLIP_MEAN and OPENAI_CLIP_STD: what a missing key means.
constexpr double kClipMean[3] = {0.48145466, 0.4578275, 0.40821073};
constexpr double kClipStd[3] = {0.26862954, 0.26130258, 0.27577711};

// Processors whose keys mean what this file takes them to mean. Others reuse the key names for other
// arithmetic (ConvNext's "size" is divided by a crop percentage), which would give wrong vectors silently.
constexpr std::string_view kKnownProcessors[] = {"CLIPImageProcessor", "CLIPImageProcessorFast",
                                                 "CLIPFeatureExtractor", "BitImageProcessor",
                                                 "BitImageProcessorFast"};

Status Unsupported(std::string_view key, const bjson::value& found, std::string_view supported) {
  std::string shown = bjson::serialize(found);
  constexpr std::size_t kMaxShown = 100;
  if (shown.size() > kMaxShown) shown = shown.substr(0, kMaxShown) + "...";
  return {Code::kInvalidRequest,
          "\"" + std::string(key) + "\" holds " + shown + "; supported: " + std::string(supported)};
}

const bjson::value* Find(const bjson::object& config, std::string_view key) {
  return config.if_contains(bjson::string_view(key.data(), key.size()));
}

/// As Find, for the keys where Python's None (JSON null) means "use the default".
const bjson::value* FindNotNull(const bjson::object& config, std::string_view key) {
  const bjson::value* value = Find(config, key);
  return value == nullptr || value->is_null() ? nullptr : value;
}

bool IsSide(const bjson::value& value) {
  return value.is_int64() && value.get_int64() >= 1 && value.get_int64() <= kMaxSide;
}

Result<bool> ReadSwitch(const bjson::object& config, std::string_view key) {
  const bjson::value* value = Find(config, key);
  if (value == nullptr) return true;
  if (value->is_null()) return false;  // as Python takes None in a condition
  if (!value->is_bool()) return Unsupported(key, *value, "true or false");
  return value->get_bool();
}

Status CheckProcessor(const bjson::object& config) {
  for (const std::string_view key : {"image_processor_type", "feature_extractor_type"}) {
    const bjson::value* value = FindNotNull(config, key);
    if (value == nullptr) continue;
    bool known = false;
    for (const std::string_view name : kKnownProcessors) {
      known = known || (value->is_string() && std::string_view(value->get_string()) == name);
    }
    if (!known) {
      return Unsupported(key, *value, "CLIPImageProcessor, CLIPFeatureExtractor and BitImageProcessor");
    }
  }
  return Status::Ok();
}

Result<int> ReadResizeShort(const bjson::object& config) {
  constexpr std::string_view kSupported =
      "an integer or {\"shortest_edge\": N}, 1 <= N <= 4096 (a fixed height and width would need a resize "
      "that photovec does not have)";
  const bjson::value* value = FindNotNull(config, "size");
  if (value == nullptr) return 224;
  if (const bjson::value* square = Find(config, "use_square_size")) {
    return Unsupported("use_square_size", *square, "no such key");
  }
  const bjson::value* edge = value;
  if (const bjson::object* sizes = value->if_object()) {
    // CLIPImageProcessor reads only shortest_edge, also where longest_edge stands beside it.
    edge = sizes->if_contains("shortest_edge");
    if (edge == nullptr) return Unsupported("size", *value, kSupported);
  }
  if (!IsSide(*edge)) return Unsupported("size", *value, kSupported);
  return static_cast<int>(edge->get_int64());
}

Result<int> ReadCrop(const bjson::object& config) {
  constexpr std::string_view kSupported =
      "an integer or {\"height\": N, \"width\": N} with both equal, 1 <= N <= 4096";
  const bjson::value* value = FindNotNull(config, "crop_size");
  if (value == nullptr) return 224;
  const bjson::value* height = value;
  const bjson::value* width = value;
  if (const bjson::object* sizes = value->if_object()) {
    height = sizes->if_contains("height");
    width = sizes->if_contains("width");
  } else if (const bjson::array* pair = value->if_array()) {
    height = pair->size() == 2 ? &(*pair)[0] : nullptr;
    width = pair->size() == 2 ? &(*pair)[1] : nullptr;
  }
  if (height == nullptr || width == nullptr || !IsSide(*height) || !IsSide(*width) ||
      height->get_int64() != width->get_int64()) {
    return Unsupported("crop_size", *value, kSupported);
  }
  return static_cast<int>(height->get_int64());
}

Result<Filter> ReadFilter(const bjson::object& config) {
  constexpr std::string_view kSupported = "1 (lanczos), 2 (bilinear) and 3 (bicubic)";
  const bjson::value* value = Find(config, "resample");
  if (value == nullptr) return Filter::kBicubic;
  if (!value->is_int64()) return Unsupported("resample", *value, kSupported);
  switch (value->get_int64()) {
    case 1:
      return Filter::kLanczos;
    case 2:
      return Filter::kBilinear;
    case 3:
      return Filter::kBicubic;
    default:
      return Unsupported("resample", *value, kSupported);
  }
}

/// A JSON number as a float, or NaN when it is none or does not fit.
float ToFloat(const bjson::value& value) {
  double wide = std::numeric_limits<double>::quiet_NaN();
  if (value.is_double()) wide = value.get_double();
  if (value.is_int64()) wide = static_cast<double>(value.get_int64());
  if (std::abs(wide) > static_cast<double>(std::numeric_limits<float>::max())) {
    return std::numeric_limits<float>::quiet_NaN();
  }
  return static_cast<float>(wide);
}

struct ChannelKey {
  std::string_view name;
  std::span<const double, 3> fallback;
  bool positive;  // whether 0 and below make no sense
};

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

Result<PixelNormalization> ReadNormalization(const bjson::object& config) {
  PixelNormalization result;
  ASSIGN_OR_RETURN(const bool do_rescale, ReadSwitch(config, "do_rescale"));
  ASSIGN_OR_RETURN(const bool do_normalize, ReadSwitch(config, "do_normalize"));
  if (!do_rescale) {
    result.rescale = 1.0F;
  } else if (const bjson::value* factor = Find(config, "rescale_factor")) {
    result.rescale = ToFloat(*factor);
    if (!std::isfinite(result.rescale) || result.rescale <= 0.0F) {
      return Unsupported("rescale_factor", *factor, "a positive number");
    }
  }
  if (do_normalize) {
    RETURN_IF_ERROR(ReadChannels(config, {"image_mean", kClipMean, false}, result.mean));
    RETURN_IF_ERROR(ReadChannels(config, {"image_std", kClipStd, true}, result.std));
  }
  return result;
}

std::string Number(float value) {
  char text[32];
  const std::to_chars_result end = std::to_chars(text, text + sizeof text, value);
  return {text, end.ptr};
}

std::string Triple(const float values[3]) {
  return Number(values[0]) + "," + Number(values[1]) + "," + Number(values[2]);
}

std::string_view FilterName(Filter filter) {
  switch (filter) {
    case Filter::kLanczos:
      return "lanczos";
    case Filter::kBilinear:
      return "bilinear";
    case Filter::kBicubic:
      return "bicubic";
  }
  return "unknown";
}

}  // namespace

Result<Spec> ParseSpec(std::string_view json_text) {
  ASSIGN_OR_RETURN(const bjson::object config, json::ParseObject(json_text));
  RETURN_IF_ERROR(CheckProcessor(config));
  // Without them photos would reach the model in sizes of their own.
  for (const std::string_view key : {"do_resize", "do_center_crop"}) {
    ASSIGN_OR_RETURN(const bool on, ReadSwitch(config, key));
    if (!on) return Unsupported(key, bjson::value(false), "true (the model needs one fixed size)");
  }
  Spec spec;
  ASSIGN_OR_RETURN(spec.filter, ReadFilter(config));
  ASSIGN_OR_RETURN(spec.resize_short, ReadResizeShort(config));
  ASSIGN_OR_RETURN(spec.crop, ReadCrop(config));
  ASSIGN_OR_RETURN(spec.normalization, ReadNormalization(config));
  return spec;
}

Result<Spec> LoadSpec(const std::string& model_dir) {
  const std::filesystem::path path = std::filesystem::path(model_dir) / "preprocessor_config.json";
  const auto not_found = [&](const std::string& why) {
    return Status(Code::kNotFound, path.string() + ": cannot be read (" + why +
                                       "); a model directory needs it, as downloaded from HuggingFace");
  };
  const Result<std::string> text = ReadFile(path.string(), kMaxFileBytes);
  if (!text.ok() && text.status().code() == Code::kBodyTooLarge) {
    return Status(Code::kInvalidRequest, path.string() + ": larger than 1 MiB, so no preprocessor config");
  }
  if (!text.ok()) return not_found(text.status().message());
  Result<Spec> spec = ParseSpec(*text);
  if (!spec.ok()) return spec.status().WithContext(path.string());
  return spec;
}

Spec SquashVariant(const Spec& spec) {
  Spec squash = spec;
  squash.mode = ResizeMode::kSquash;
  squash.filter = Filter::kBicubic;
  squash.resize_short = spec.crop;
  return squash;
}

std::string Describe(const Spec& spec) {
  std::string text;
  if (spec.mode == ResizeMode::kSquash) {
    text = "mode=squash filter=cubic";
  } else {
    text = "mode=shortest_edge filter=" + std::string(FilterName(spec.filter)) +
           " resize_short=" + std::to_string(spec.resize_short);
  }
  text += " crop=" + std::to_string(spec.crop) + " rescale=" + Number(spec.normalization.rescale);
  text += " mean=" + Triple(spec.normalization.mean) + " std=" + Triple(spec.normalization.std);
  return text;
}

}  // namespace photovec::preprocess
