// SPDX-License-Identifier: MIT
#pragma once

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <string>
#include <string_view>

#include "base/result.h"
#include "model/config.h"

namespace photovec::model {

// Far above any published model; they keep all size arithmetic within 64 bits and a hostile config from
// asking for absurd memory before its tensors are even looked for.
inline constexpr int kMaxSide = 4096;
inline constexpr int kMaxWidth = 65536;
inline constexpr int kMaxLayers = 1024;
inline constexpr int kMaxVocabulary = 1 << 22;
inline constexpr int kMaxTextTokens = 4096;
inline constexpr int kMaxRegisters = 1024;

/// `"hidden_act" is "relu"; supported: ...`
Status Unsupported(std::string_view key, const boost::json::value& found, std::string_view supported);

/// One object of a model's config. Keys are named with their path in errors ("vision_config.patch_size"); a
/// key that is missing or null has its fallback. Borrows the object. Errors: kInvalidRequest naming the key, what it
/// holds and what is supported.
class Section {
 public:
  Section(const boost::json::object& object, std::string prefix)
      : object_(&object), prefix_(std::move(prefix)) {}

  /// nullptr when it is missing or null.
  const boost::json::value* Find(std::string_view key) const;
  /// The object under `key`; an empty one when it is missing.
  Result<Section> Object(std::string_view key) const;
  /// An integer in [low, high].
  Result<int> Int(std::string_view key, int fallback, int low, int high) const;
  /// A side in pixels: N or [N, N].
  Result<int> Side(std::string_view key, int fallback) const;
  Result<bool> Bool(std::string_view key, bool fallback) const;
  /// In (0, high].
  Result<double> Positive(std::string_view key, double fallback, double high) const;
  Result<float> Epsilon(std::string_view key, float fallback) const;
  Result<Activation> Act(std::string_view key, Activation fallback) const;
  /// Refuses every value but `wanted`, which a missing key stands for.
  Status Only(std::string_view key, bool wanted, std::string_view why) const;

  const boost::json::object& object() const { return *object_; }
  std::string Path(std::string_view key) const { return prefix_ + std::string(key); }
  /// kInvalidRequest: "vision_config.hidden_size 7 is not a multiple of ...".
  Status Fail(const std::string& what) const { return {Code::kInvalidRequest, prefix_ + what}; }

 private:
  const boost::json::object* object_;
  std::string prefix_;
};

/// What all towers must hold: heads of equal size.
Status CheckHeads(const Section& section, const TransformerConfig& config, std::string_view heads_key);
/// At least one whole patch.
Status CheckPatches(const Section& section, const VisionConfig& config);

}  // namespace photovec::model
