// SPDX-License-Identifier: MIT
// open_clip's file. Source: open_clip 3.3's factory.py and transform.py (the transform for inference).
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include "base/json/reader.h"
#include "preprocess/spec.h"
#include "preprocess/spec_keys.h"

namespace photovec::preprocess {
namespace {

namespace bjson = boost::json;

// An absent object has the same meaning as an empty one.
Result<bjson::object> Inner(const bjson::object& config, std::string_view key) {
  const bjson::value* value = FindNotNull(config, key);
  if (value == nullptr) return bjson::object();
  if (const bjson::object* object = value->if_object()) return *object;
  return Unsupported(key, *value, "an object");
}

// The model's own size: open_clip puts it over what preprocess_cfg says.
Result<int> ReadImageSize(const bjson::object& config) {
  ASSIGN_OR_RETURN(const bjson::object model, Inner(config, "model_cfg"));
  ASSIGN_OR_RETURN(const bjson::object vision, Inner(model, "vision_cfg"));
  const bjson::value* value = FindNotNull(vision, "image_size");
  if (value == nullptr) return 224;
  const bjson::value* height = value;
  const bjson::value* width = value;
  if (const bjson::array* pair = value->if_array()) {
    height = pair->size() == 2 ? &(*pair)[0] : nullptr;
    width = pair->size() == 2 ? &(*pair)[1] : nullptr;
  }
  if (height == nullptr || width == nullptr || !IsSide(*height) || !IsSide(*width) || *height != *width) {
    return Unsupported("image_size", *value, "an integer, or two that are equal, from 1 to 4096");
  }
  return static_cast<int>(height->get_int64());
}

Status ReadResizeMode(const bjson::object& config, Spec& spec) {
  spec.mode = ResizeMode::kShortestEdge;
  const bjson::value* value = FindNotNull(config, "resize_mode");
  if (value == nullptr || *value == "shortest") return Status::Ok();
  if (*value == "squash") {
    spec.mode = ResizeMode::kFixed;
    return Status::Ok();
  }
  if (*value != "longest") return Unsupported("resize_mode", *value, "shortest, longest and squash");
  spec.mode = ResizeMode::kLongestEdge;
  const bjson::value* fill = FindNotNull(config, "fill_color");
  if (fill != nullptr && *fill != 0) return Unsupported("fill_color", *fill, "0");
  return Status::Ok();
}

Status ReadInterpolation(const bjson::object& config, Spec& spec) {
  const bjson::value* value = FindNotNull(config, "interpolation");
  spec.filter = Filter::kBicubic;
  // "random" is about training; open_clip then takes bicubic for inference.
  if (value == nullptr || *value == "bicubic" || *value == "random") return Status::Ok();
  if (*value != "bilinear") return Unsupported("interpolation", *value, "bicubic, bilinear and random");
  spec.filter = Filter::kBilinear;
  return Status::Ok();
}

}  // namespace

Result<Spec> ParseOpenClipSpec(std::string_view json_text) {
  ASSIGN_OR_RETURN(const bjson::object config, json::ParseObject(json_text));
  ASSIGN_OR_RETURN(const bjson::object preprocess, Inner(config, "preprocess_cfg"));
  if (const bjson::value* mode = FindNotNull(preprocess, "mode"); mode != nullptr && *mode != "RGB") {
    return Unsupported("mode", *mode, "RGB");
  }
  Spec spec;
  ASSIGN_OR_RETURN(spec.crop, ReadImageSize(config));
  spec.resize_short = spec.crop;
  RETURN_IF_ERROR(ReadResizeMode(preprocess, spec));
  RETURN_IF_ERROR(ReadInterpolation(preprocess, spec));
  // A straight resize leaves nothing to crop.
  if (spec.mode != ResizeMode::kFixed) spec.rounding = CropRounding::kHalfEven;
  RETURN_IF_ERROR(ReadChannels(preprocess, {"mean", kClipMean, false}, spec.normalization.mean));
  RETURN_IF_ERROR(ReadChannels(preprocess, {"std", kClipStd, true}, spec.normalization.std));
  return spec;
}

}  // namespace photovec::preprocess
