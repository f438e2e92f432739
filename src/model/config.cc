// SPDX-License-Identifier: MIT
#include "model/config.h"

#include <array>
#include <boost/json.hpp>
#include <cmath>
#include <string>
#include <string_view>
#include <utility>

#include "base/json/reader.h"

namespace photovec::model {
namespace {

namespace bjson = boost::json;

struct ActivationRow {
  std::string_view name;
  Activation activation;
};

// Names as transformers' ACT2FN spells them. The first of each kind is the one that ActivationName() gives
// back; the tanh forms differ only in how they are computed.
constexpr std::array kActivations = {
    ActivationRow{"quick_gelu", Activation::kQuickGelu},
    ActivationRow{"gelu", Activation::kGeluErf},
    ActivationRow{"gelu_python", Activation::kGeluErf},
    ActivationRow{"gelu_pytorch_tanh", Activation::kGeluTanh},
    ActivationRow{"gelu_new", Activation::kGeluTanh},
    ActivationRow{"gelu_fast", Activation::kGeluTanh},
    ActivationRow{"gelu_accurate", Activation::kGeluTanh},
};

std::string ActivationList() {
  std::string list;
  for (const ActivationRow& row : kActivations) {
    if (!list.empty()) list += ", ";
    list += row.name;
  }
  return list;
}

Status Bad(std::string_view key, const bjson::value& found, std::string_view supported) {
  std::string text = bjson::serialize(found);
  constexpr size_t kShown = 80;
  if (text.size() > kShown) text = text.substr(0, kShown) + "...";
  return {Code::kInvalidRequest,
          "\"" + std::string(key) + "\" is " + text + "; supported: " + std::string(supported)};
}

/// One object of the config; keys are named with their path in errors ("vision_config.patch_size").
class Section {
 public:
  Section(const bjson::object& object, std::string prefix) : object_(object), prefix_(std::move(prefix)) {}

  /// An integer in [low, high]; `fallback` when the key is missing.
  Result<int> Int(std::string_view key, int fallback, int low, int high) const {
    const bjson::value* found = object_.if_contains(key);
    if (found == nullptr) return fallback;
    const int64_t* value = found->if_int64();
    if (value == nullptr || *value < low || *value > high) {
      return Bad(prefix_ + std::string(key), *found,
                 "an integer from " + std::to_string(low) + " to " + std::to_string(high));
    }
    return static_cast<int>(*value);
  }

  Result<float> PositiveFloat(std::string_view key, float fallback) const {
    const bjson::value* found = object_.if_contains(key);
    if (found == nullptr) return fallback;
    bjson::error_code error;
    const auto value = found->to_number<double>(error);
    if (error.failed() || !std::isfinite(value) || value <= 0.0 || value > 1.0) {
      return Bad(prefix_ + std::string(key), *found, "a number above 0 and at most 1");
    }
    return static_cast<float>(value);
  }

  Result<Activation> Act(std::string_view key, Activation fallback) const {
    const bjson::value* found = object_.if_contains(key);
    if (found == nullptr) return fallback;
    if (const bjson::string* name = found->if_string()) {
      for (const ActivationRow& row : kActivations) {
        if (row.name == std::string_view(*name)) return row.activation;
      }
    }
    return Bad(prefix_ + std::string(key), *found, ActivationList());
  }

 private:
  const bjson::object& object_;
  std::string prefix_;
};

constexpr std::string_view kArchitectures = "CLIPModel, CLIPVisionModel, CLIPVisionModelWithProjection";

/// The first of "architectures", or what transformers' AutoModel would take for the "model_type".
Result<std::string> Architecture(const bjson::object& root) {
  if (const bjson::value* listed = root.if_contains("architectures");
      listed != nullptr && !listed->is_null()) {
    const bjson::array* array = listed->if_array();
    const bool usable = array != nullptr && !array->empty() && array->front().is_string();
    if (!usable) return Bad("architectures", *listed, "a list with one of " + std::string(kArchitectures));
    const std::string name(array->front().as_string());
    if (name == "CLIPModel" || name == "CLIPVisionModel" || name == "CLIPVisionModelWithProjection") {
      return name;
    }
    return Bad("architectures", *listed, kArchitectures);
  }
  const bjson::value* type = root.if_contains("model_type");
  if (type == nullptr) {
    return Status(Code::kInvalidRequest,
                  "neither \"architectures\" nor \"model_type\" is present: not a HuggingFace model config?");
  }
  if (*type == "clip") return std::string("CLIPModel");
  if (*type == "clip_vision_model") return std::string("CLIPVisionModel");
  return Bad("model_type", *type, "clip, clip_vision_model");
}

struct VisionSection {
  const bjson::object* object = nullptr;
  std::string prefix;
};

/// Where the vision tower's keys are. A "vision_config_dict" (written by old converters) replaces
/// "vision_config" as a whole, its gaps filled with defaults: CLIPConfig.__init__ of transformers 4.40.
Result<VisionSection> FindVisionSection(const bjson::object& root, bool nested, const bjson::object& empty) {
  if (!nested) return VisionSection{&root, ""};
  for (const std::string_view key : {"vision_config_dict", "vision_config"}) {
    const bjson::value* found = root.if_contains(key);
    if (found == nullptr || found->is_null()) continue;
    if (!found->is_object()) return Bad(key, *found, "an object");
    return VisionSection{&found->as_object(), std::string(key) + "."};
  }
  return VisionSection{&empty, "vision_config."};
}

Status CheckShapes(const VisionConfig& config, const std::string& prefix) {
  const auto fail = [&](const std::string& what) { return Status(Code::kInvalidRequest, prefix + what); };
  if (config.image_size % config.patch_size != 0) {
    return fail("image_size " + std::to_string(config.image_size) + " is not a multiple of patch_size " +
                std::to_string(config.patch_size) + "; supported: whole patches only");
  }
  if (config.hidden_size % config.heads != 0) {
    return fail("hidden_size " + std::to_string(config.hidden_size) +
                " is not a multiple of num_attention_heads " + std::to_string(config.heads) +
                "; supported: heads of equal size");
  }
  return Status::Ok();
}

// Far above any published vision transformer; they keep all size arithmetic within 64 bits and a hostile
// config from asking for absurd memory before its tensors are even looked for.
constexpr int kMaxSide = 4096;
constexpr int kMaxWidth = 65536;
constexpr int kMaxLayers = 1024;

Result<VisionConfig> FromObject(const bjson::object& root) {
  VisionConfig config;
  ASSIGN_OR_RETURN(config.architecture, Architecture(root));
  const bjson::value* type = root.if_contains("model_type");
  const bool nested = config.architecture == "CLIPModel" || (type != nullptr && *type == "clip");
  const bjson::object empty;
  ASSIGN_OR_RETURN(const VisionSection where, FindVisionSection(root, nested, empty));
  const Section vision(*where.object, where.prefix);

  // Defaults: CLIPVisionConfig.__init__ of transformers 4.40.
  ASSIGN_OR_RETURN(config.image_size, vision.Int("image_size", 224, 1, kMaxSide));
  ASSIGN_OR_RETURN(config.patch_size, vision.Int("patch_size", 32, 1, kMaxSide));
  ASSIGN_OR_RETURN(config.hidden_size, vision.Int("hidden_size", 768, 1, kMaxWidth));
  ASSIGN_OR_RETURN(config.layers, vision.Int("num_hidden_layers", 12, 1, kMaxLayers));
  ASSIGN_OR_RETURN(config.heads, vision.Int("num_attention_heads", 12, 1, kMaxWidth));
  ASSIGN_OR_RETURN(config.mlp_size, vision.Int("intermediate_size", 3072, 1, kMaxWidth));
  ASSIGN_OR_RETURN(config.activation, vision.Act("hidden_act", Activation::kQuickGelu));
  ASSIGN_OR_RETURN(config.layer_norm_eps, vision.PositiveFloat("layer_norm_eps", 1e-5F));
  ASSIGN_OR_RETURN([[maybe_unused]] const int channels, vision.Int("num_channels", 3, 3, 3));

  // CLIPModel projects to the width named at the top; a vision model with projection to its own.
  if (config.architecture == "CLIPModel") {
    ASSIGN_OR_RETURN(config.projection_dim, Section(root, "").Int("projection_dim", 512, 1, kMaxWidth));
  } else if (config.architecture == "CLIPVisionModelWithProjection") {
    ASSIGN_OR_RETURN(config.projection_dim, vision.Int("projection_dim", 512, 1, kMaxWidth));
  }
  RETURN_IF_ERROR(CheckShapes(config, where.prefix));
  return config;
}

}  // namespace

std::string_view ActivationName(Activation activation) {
  for (const ActivationRow& row : kActivations) {
    if (row.activation == activation) return row.name;
  }
  return "unknown";
}

double VisionConfig::FlopsPerImage() const {
  const double t = tokens();
  const double d = hidden_size;
  const double f = mlp_size;
  const double patch = 2.0 * patches() * 3.0 * patch_size * patch_size * d;
  const double block = 8.0 * t * d * d + 4.0 * t * d * f + 4.0 * t * t * d;
  const double head = 2.0 * d * projection_dim;
  return patch + layers * block + head;
}

Result<VisionConfig> ParseConfig(std::string_view json_text) {
  ASSIGN_OR_RETURN(const bjson::object root, json::ParseObject(json_text));
  return FromObject(root);
}

}  // namespace photovec::model
