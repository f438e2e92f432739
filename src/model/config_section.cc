// SPDX-License-Identifier: MIT
#include "model/config_section.h"

#include <array>
#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>
#include <cmath>

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
    ActivationRow{"silu", Activation::kSilu},
    ActivationRow{"swish", Activation::kSilu},
};

std::string ActivationList() {
  std::string list;
  for (const ActivationRow& row : kActivations) {
    if (!list.empty()) list += ", ";
    list += row.name;
  }
  return list;
}

}  // namespace

std::string_view ActivationName(Activation activation) {
  for (const ActivationRow& row : kActivations) {
    if (row.activation == activation) return row.name;
  }
  return "unknown";
}

Status Unsupported(std::string_view key, const bjson::value& found, std::string_view supported) {
  std::string text = bjson::serialize(found);
  constexpr size_t kShown = 80;
  if (text.size() > kShown) text = text.substr(0, kShown) + "...";
  return {Code::kInvalidRequest,
          "\"" + std::string(key) + "\" is " + text + "; supported: " + std::string(supported)};
}

const bjson::value* Section::Find(std::string_view key) const {
  const bjson::value* found = object_->if_contains(key);
  return found == nullptr || found->is_null() ? nullptr : found;
}

Result<Section> Section::Object(std::string_view key) const {
  static const bjson::object kEmpty;
  const bjson::value* found = Find(key);
  if (found == nullptr) return Section(kEmpty, Path(key) + ".");
  if (!found->is_object()) return Unsupported(Path(key), *found, "an object");
  return Section(found->get_object(), Path(key) + ".");
}

Result<int> Section::Int(std::string_view key, int fallback, int low, int high) const {
  const bjson::value* found = Find(key);
  if (found == nullptr) return fallback;
  const int64_t* value = found->if_int64();
  if (value == nullptr || *value < low || *value > high) {
    return Unsupported(Path(key), *found,
                       "an integer from " + std::to_string(low) + " to " + std::to_string(high));
  }
  return static_cast<int>(*value);
}

Result<int> Section::Side(std::string_view key, int fallback) const {
  const bjson::value* found = Find(key);
  const bjson::array* pair = found == nullptr ? nullptr : found->if_array();
  if (pair == nullptr) return Int(key, fallback, 1, kMaxSide);
  const bool square = pair->size() == 2 && (*pair)[0].is_int64() && (*pair)[0] == (*pair)[1];
  if (!square || (*pair)[0].get_int64() < 1 || (*pair)[0].get_int64() > kMaxSide) {
    return Unsupported(Path(key), *found,
                       "an integer from 1 to " + std::to_string(kMaxSide) + ", or that twice");
  }
  return static_cast<int>((*pair)[0].get_int64());
}

Result<bool> Section::Bool(std::string_view key, bool fallback) const {
  const bjson::value* found = Find(key);
  if (found == nullptr) return fallback;
  if (!found->is_bool()) return Unsupported(Path(key), *found, "true, false");
  return found->get_bool();
}

Result<double> Section::Positive(std::string_view key, double fallback, double high) const {
  const bjson::value* found = Find(key);
  if (found == nullptr) return fallback;
  bjson::error_code error;
  const auto value = found->to_number<double>(error);
  if (error.failed() || !std::isfinite(value) || value <= 0.0 || value > high) {
    return Unsupported(Path(key), *found,
                       "a number above 0 and at most " + std::to_string(static_cast<int64_t>(high)));
  }
  return value;
}

Result<float> Section::Epsilon(std::string_view key, float fallback) const {
  ASSIGN_OR_RETURN(const double value, Positive(key, static_cast<double>(fallback), 1.0));
  return static_cast<float>(value);
}

Result<Activation> Section::Act(std::string_view key, Activation fallback) const {
  const bjson::value* found = Find(key);
  if (found == nullptr) return fallback;
  if (const bjson::string* name = found->if_string()) {
    for (const ActivationRow& row : kActivations) {
      if (row.name == std::string_view(*name)) return row.activation;
    }
  }
  return Unsupported(Path(key), *found, ActivationList());
}

Status Section::Only(std::string_view key, bool wanted, std::string_view why) const {
  ASSIGN_OR_RETURN(const bool found, Bool(key, wanted));
  if (found == wanted) return Status::Ok();
  return Unsupported(Path(key), bjson::value(found),
                     std::string(wanted ? "true" : "false") + " (" + std::string(why) + ")");
}

Status CheckHeads(const Section& section, const TransformerConfig& config, std::string_view heads_key) {
  if (config.hidden_size % config.heads == 0) return Status::Ok();
  return section.Fail("hidden_size " + std::to_string(config.hidden_size) + " is not a multiple of " +
                      std::string(heads_key) + " " + std::to_string(config.heads) +
                      "; supported: heads of equal size");
}

Status CheckPatches(const Section& section, const VisionConfig& config) {
  if (config.patch_size <= config.image_size) return Status::Ok();
  return section.Fail("patch_size " + std::to_string(config.patch_size) + " is larger than image_size " +
                      std::to_string(config.image_size) + "; supported: at least one whole patch");
}

}  // namespace photovec::model
