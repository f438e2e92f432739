// SPDX-License-Identifier: MIT
// transformers' files. Source: transformers 5.24's image_processing_utils.py, image_processing_backends.py
// (the Pillow backend) and the classes of the table below.
#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <cctype>
#include <cmath>
#include <string>

#include "base/json/reader.h"
#include "preprocess/spec.h"
#include "preprocess/spec_keys.h"

namespace photovec::preprocess {
namespace {

namespace bjson = boost::json;

/// A processor whose keys mean what this file takes them to mean, and what it does where they are missing.
/// Others reuse the key names for other arithmetic (ConvNext's "size" is divided by a crop percentage), which
/// would give wrong vectors silently.
struct ProcessorClass {
  std::string_view name;  // without "Fast" and "Pil", which name the same arithmetic by other means
  Filter filter;
  bool fixed_size;  // "size" is of height and width, not of the shortest edge
  int size;
  bool center_crop;    // to 224
  bool int_is_square;  // "size": N means N x N
  bool normalize;
  const double (*mean)[3];  // nullptr: none
  const double (*std)[3];
};

constexpr ProcessorClass kClasses[] = {
    {"CLIPImageProcessor", Filter::kBicubic, false, 224, true, false, true, &kClipMean, &kClipStd},
    {"BitImageProcessor", Filter::kBicubic, false, 224, true, false, true, &kClipMean, &kClipStd},
    {"SiglipImageProcessor", Filter::kBicubic, true, 224, false, false, true, &kHalf, &kHalf},
    {"DINOv3ViTImageProcessor", Filter::kBilinear, true, 224, false, true, true, &kImageNetMean,
     &kImageNetStd},
    {"Tipsv2ImageProcessor", Filter::kBilinear, true, 448, false, true, false, nullptr, nullptr},
};
constexpr std::string_view kSupportedClasses =
    "CLIPImageProcessor, SiglipImageProcessor, BitImageProcessor, DINOv3ViTImageProcessor and "
    "Tipsv2ImageProcessor, each also with Fast or Pil behind it";

/// What transformers takes where the file names no processor.
struct ModelType {
  std::string_view name;  // of config.json
  std::string_view processor;
};
constexpr ModelType kModelTypes[] = {
    {"siglip", "SiglipImageProcessor"},        {"siglip_vision_model", "SiglipImageProcessor"},
    {"siglip2", "Siglip2ImageProcessor"},      {"siglip2_vision_model", "Siglip2ImageProcessor"},
    {"dinov2", "BitImageProcessor"},           {"dinov2_with_registers", "BitImageProcessor"},
    {"dinov3_vit", "DINOv3ViTImageProcessor"}, {"tipsv2", "Tipsv2ImageProcessor"},
};

/// "SiglipImageProcessor" for every spelling of it.
std::string BaseName(std::string_view name) {
  std::string base(name);
  constexpr std::string_view kOld = "FeatureExtractor";
  if (base.ends_with(kOld)) base.replace(base.size() - kOld.size(), kOld.size(), "ImageProcessor");
  if (base.ends_with("Fast")) base.resize(base.size() - 4);
  if (base.ends_with("Pil")) base.resize(base.size() - 3);
  return base;
}

Result<const ProcessorClass*> FindClass(std::string_view key, const bjson::value& name) {
  const std::string base = name.is_string() ? BaseName(std::string_view(name.get_string())) : "";
  for (const ProcessorClass& known : kClasses) {
    if (known.name == base) return &known;
  }
  if (base == "Siglip2ImageProcessor") {
    return Unsupported(key, name,
                       std::string(kSupportedClasses) +
                           " (this one is of SigLIP 2 NaFlex, whose images have many shapes; take a "
                           "checkpoint of one size, such as siglip2-base-patch16-224)");
  }
  return Unsupported(key, name, kSupportedClasses);
}

Result<const ProcessorClass*> ReadClass(const bjson::object& config, std::string_view model_type) {
  for (const std::string_view key : {"image_processor_type", "feature_extractor_type"}) {
    if (const bjson::value* name = FindNotNull(config, key)) return FindClass(key, *name);
  }
  for (const ModelType& type : kModelTypes) {
    if (type.name == model_type) return FindClass("image_processor_type", bjson::value(type.processor));
  }
  return &kClasses[0];
}

Result<bool> ReadSwitch(const bjson::object& config, std::string_view key, bool fallback) {
  const bjson::value* value = FindNotNull(config, key);
  if (value == nullptr) return fallback;
  if (!value->is_bool()) return Unsupported(key, *value, "true or false");
  return value->get_bool();
}

/// The one key of `sizes` that is not null, or both of height and width when they are equal; nullptr for
/// anything else.
const bjson::value* OnlyEdge(const bjson::object& sizes, bool* fixed) {
  const auto count =
      std::count_if(sizes.begin(), sizes.end(), [](const auto& entry) { return !entry.value().is_null(); });
  const bjson::value* shortest = FindNotNull(sizes, "shortest_edge");
  const bjson::value* height = FindNotNull(sizes, "height");
  const bjson::value* width = FindNotNull(sizes, "width");
  *fixed = shortest == nullptr;
  if (shortest != nullptr) return count == 1 ? shortest : nullptr;
  return count == 2 && height != nullptr && width != nullptr && *height == *width ? height : nullptr;
}

Status ReadSize(const bjson::object& config, const ProcessorClass& defaults, Spec& spec) {
  constexpr std::string_view kSupported =
      "an integer, {\"shortest_edge\": N} alone, or {\"height\": N, \"width\": N} with both equal, "
      "1 <= N <= 4096";
  ASSIGN_OR_RETURN(const bool int_is_square, ReadSwitch(config, "default_to_square", defaults.int_is_square));
  ASSIGN_OR_RETURN(const bool kosmos, ReadSwitch(config, "use_square_size", false));
  if (kosmos) return Unsupported("use_square_size", bjson::value(true), "false");
  bool fixed = defaults.fixed_size;
  spec.resize_short = defaults.size;
  if (const bjson::value* value = FindNotNull(config, "size")) {
    const bjson::value* edge = value;
    fixed = int_is_square;
    if (const bjson::object* sizes = value->if_object()) {
      edge = OnlyEdge(*sizes, &fixed);
    } else if (const bjson::array* pair = value->if_array()) {
      edge = pair->size() == 2 && (*pair)[0] == (*pair)[1] ? &(*pair)[0] : nullptr;
      fixed = true;
    }
    if (edge == nullptr || !IsSide(*edge)) return Unsupported("size", *value, kSupported);
    spec.resize_short = static_cast<int>(edge->get_int64());
  }
  spec.mode = fixed ? ResizeMode::kFixed : ResizeMode::kShortestEdge;
  return Status::Ok();
}

Result<int> ReadCropSize(const bjson::object& config, const ProcessorClass& defaults) {
  constexpr std::string_view kSupported =
      "an integer or {\"height\": N, \"width\": N} with both equal, 1 <= N <= 4096";
  const bjson::value* value = FindNotNull(config, "crop_size");
  if (value == nullptr) {
    if (!defaults.center_crop) return Unsupported("crop_size", nullptr, kSupported);
    return 224;
  }
  const bjson::value* edge = value;
  if (const bjson::object* sizes = value->if_object()) {
    bool fixed = true;
    edge = OnlyEdge(*sizes, &fixed);
    if (!fixed) edge = nullptr;
  } else if (const bjson::array* pair = value->if_array()) {
    edge = pair->size() == 2 && (*pair)[0] == (*pair)[1] ? &(*pair)[0] : nullptr;
  }
  if (edge == nullptr || !IsSide(*edge)) return Unsupported("crop_size", *value, kSupported);
  return static_cast<int>(edge->get_int64());
}

Status ReadCrop(const bjson::object& config, const ProcessorClass& defaults, Spec& spec) {
  ASSIGN_OR_RETURN(const bool crop, ReadSwitch(config, "do_center_crop", defaults.center_crop));
  if (crop) {
    ASSIGN_OR_RETURN(spec.crop, ReadCropSize(config, defaults));
    return Status::Ok();
  }
  // Photos would reach the model in sizes of their own.
  if (spec.mode != ResizeMode::kFixed) {
    return Unsupported("do_center_crop", bjson::value(false),
                       "true, or a \"size\" with height and width (the model needs one fixed size)");
  }
  spec.crop = spec.resize_short;
  return Status::Ok();
}

Result<Filter> ReadFilter(const bjson::object& config, Filter fallback) {
  constexpr std::string_view kSupported = "1 (lanczos), 2 (bilinear) and 3 (bicubic), by number or name";
  const bjson::value* value = FindNotNull(config, "resample");
  if (value == nullptr) return fallback;
  std::string name;
  if (const bjson::string* text = value->if_string()) {
    name = std::string(std::string_view(*text));
    name.erase(0, name.rfind('.') + 1);  // of "PILImageResampling.BICUBIC"
    std::transform(name.begin(), name.end(), name.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  }
  if (*value == 1 || name == "lanczos") return Filter::kLanczos;
  if (*value == 2 || name == "bilinear") return Filter::kBilinear;
  if (*value == 3 || name == "bicubic") return Filter::kBicubic;
  return Unsupported("resample", *value, kSupported);
}

Status ReadNormalization(const bjson::object& config, const ProcessorClass& defaults,
                         PixelNormalization& out) {
  ASSIGN_OR_RETURN(const bool do_rescale, ReadSwitch(config, "do_rescale", true));
  ASSIGN_OR_RETURN(const bool do_normalize, ReadSwitch(config, "do_normalize", defaults.normalize));
  if (!do_rescale) {
    out.rescale = 1.0F;
  } else if (const bjson::value* factor = FindNotNull(config, "rescale_factor")) {
    out.rescale = ToFloat(*factor);
    if (!std::isfinite(out.rescale) || out.rescale <= 0.0F) {
      return Unsupported("rescale_factor", *factor, "a positive number");
    }
  }
  if (!do_normalize) return Status::Ok();
  for (const std::string_view key : {"image_mean", "image_std"}) {
    if (defaults.mean == nullptr && FindNotNull(config, key) == nullptr) {
      return Unsupported(key, nullptr, "a number, or three of them");
    }
  }
  const auto& mean = defaults.mean != nullptr ? *defaults.mean : kHalf;
  const auto& std = defaults.std != nullptr ? *defaults.std : kHalf;
  RETURN_IF_ERROR(ReadChannels(config, {"image_mean", mean, false}, out.mean));
  return ReadChannels(config, {"image_std", std, true}, out.std);
}

Result<Spec> ReadSpec(const bjson::object& config, std::string_view model_type) {
  ASSIGN_OR_RETURN(const ProcessorClass* defaults, ReadClass(config, model_type));
  ASSIGN_OR_RETURN(const bool resize, ReadSwitch(config, "do_resize", true));
  if (!resize) {
    return Unsupported("do_resize", bjson::value(false), "true (the model needs one fixed size)");
  }
  ASSIGN_OR_RETURN(const bool pad, ReadSwitch(config, "do_pad", false));
  if (pad) return Unsupported("do_pad", bjson::value(true), "false");
  Spec spec;
  ASSIGN_OR_RETURN(spec.filter, ReadFilter(config, defaults->filter));
  RETURN_IF_ERROR(ReadSize(config, *defaults, spec));
  RETURN_IF_ERROR(ReadCrop(config, *defaults, spec));
  RETURN_IF_ERROR(ReadNormalization(config, *defaults, spec.normalization));
  return spec;
}

}  // namespace

Result<Spec> ParseSpec(std::string_view json_text, std::string_view model_type) {
  ASSIGN_OR_RETURN(const bjson::object config, json::ParseObject(json_text));
  const bjson::value* inner = FindNotNull(config, "image_processor");
  if (inner == nullptr) return ReadSpec(config, model_type);
  if (!inner->is_object()) return Unsupported("image_processor", *inner, "an object");
  Result<Spec> spec = ReadSpec(inner->get_object(), model_type);
  if (!spec.ok()) return spec.status().WithContext("image_processor");
  return spec;
}

}  // namespace photovec::preprocess
