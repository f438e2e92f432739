// SPDX-License-Identifier: MIT
#include "model/vision_model.h"

#include <algorithm>
#include <span>
#include <string_view>
#include <utility>

#include "base/checksum/digest.h"
#include "model/safetensors.h"
#include "model/weight_names.h"

namespace photovec::model {
namespace {

using Shape = std::vector<int64_t>;

std::span<const int64_t> WithoutLeadingOnes(std::span<const int64_t> shape) {
  while (!shape.empty() && shape.front() == 1) shape = shape.subspan(1);
  return shape;
}

/// Some families store [D] as [1, 1, D] and [T, D] as [1, T, D]; that is the same memory.
bool SameShape(const Shape& expected, const Shape& found) {
  return std::ranges::equal(WithoutLeadingOnes(expected), WithoutLeadingOnes(found));
}

/// Takes tensors out of a checkpoint one by one. The first failure sticks, and turns what follows into
/// no-ops, so that the list of tensors below can be read as a list.
class Loader {
 public:
  Loader(const Checkpoint& checkpoint, std::string prefix)
      : checkpoint_(checkpoint), prefix_(std::move(prefix)) {}

  /// `name` is whole; see Prefixed().
  void Take(const std::string& name, Shape expected, TensorView& out) {
    if (!status_.ok()) return;
    Result<TensorView> found = checkpoint_.Get(name);
    if (!found.ok()) {
      status_ = {found.status().code(),
                 found.status().message() + " (expected shape " + ShapeToString(expected) + ")"};
      return;
    }
    if (!SameShape(expected, found->shape)) {
      status_ = {Code::kInvalidRequest, checkpoint_.WhereIs(name) + ": tensor '" + name + "' has shape " +
                                            ShapeToString(found->shape) + ", expected " +
                                            ShapeToString(expected) + " from config.json"};
      return;
    }
    found->shape = std::move(expected);
    Digest(*found);
    out = std::move(*found);
  }

  void TakeNorm(const std::string& stem, int64_t width, Norm& out) {
    Take(stem + ".weight", {width}, out.gamma);
    Take(stem + ".bias", {width}, out.beta);
  }

  void TakeLinear(const std::string& stem, int64_t rows, int64_t columns, Linear& out) {
    Take(stem + ".weight", {rows, columns}, out.weight);
    Take(stem + ".bias", {rows}, out.bias);
  }

  std::string Prefixed(std::string_view name) const { return prefix_ + std::string(name); }
  const Status& status() const { return status_; }
  std::string HexDigest() { return digest_.HexDigest(); }

 private:
  /// The prefix stays out, so that the same weights saved from CLIPModel and from CLIPVisionModel are the
  /// same.
  void Digest(const TensorView& view) {
    std::string_view name = view.name;
    if (name.starts_with(prefix_)) name.remove_prefix(prefix_.size());
    constexpr std::string_view kDtypeNames[] = {"F32", "F16", "BF16"};
    digest_.Update(std::string(name) + "\n" + std::string(kDtypeNames[static_cast<size_t>(view.dtype)]) +
                   "\n" + ShapeToString(view.shape) + "\n");
    digest_.Update(std::span(static_cast<const uint8_t*>(view.data), view.bytes()));
  }

  const Checkpoint& checkpoint_;
  const std::string prefix_;
  Status status_;
  Sha256 digest_;
};

void TakeBlock(Loader& loader, const VisionConfig& config, const WeightNames& names, const std::string& stem,
               Block& block) {
  const int64_t d = config.hidden_size;
  const int64_t f = config.mlp_size;
  const auto at = [&](std::string_view name) { return stem + std::string(name); };
  loader.TakeNorm(at(names.norm1), d, block.norm1);
  loader.TakeLinear(at(names.q), d, d, block.q);
  loader.TakeLinear(at(names.k), d, d, block.k);
  loader.TakeLinear(at(names.v), d, d, block.v);
  loader.TakeLinear(at(names.out), d, d, block.out);
  if (config.has_layer_scale) loader.Take(at(names.layer_scale1), {d}, block.layer_scale1);
  loader.TakeNorm(at(names.norm2), d, block.norm2);
  loader.TakeLinear(at(names.fc1), f, d, block.fc1);
  loader.TakeLinear(at(names.fc2), d, f, block.fc2);
  if (config.has_layer_scale) loader.Take(at(names.layer_scale2), {d}, block.layer_scale2);
}

VisionWeights TakeAll(Loader& loader, const VisionConfig& config, const WeightNames& names) {
  const int64_t d = config.hidden_size;
  const int64_t p = config.patch_size;
  const auto at = [&](std::string_view name) { return loader.Prefixed(name); };
  VisionWeights weights;
  loader.Take(at(names.patch), {d, 3, p, p}, weights.patch);
  if (config.has_patch_bias) loader.Take(at(names.patch_bias), {d}, weights.patch_bias);
  if (config.has_class_token) loader.Take(at(names.class_token), {d}, weights.class_token);
  loader.Take(at(names.position), {config.tokens(), d}, weights.position);
  if (config.has_pre_norm) loader.TakeNorm(at(names.pre_norm), d, weights.pre_norm);
  for (int i = 0; i < config.layers && loader.status().ok(); ++i) {
    TakeBlock(loader, config, names, at(names.block) + std::to_string(i) + ".",
              weights.blocks.emplace_back());
  }
  if (config.has_post_norm) loader.TakeNorm(at(names.post_norm), d, weights.post_norm);
  if (config.projection_dim > 0) {
    loader.Take(std::string(names.projection), {config.projection_dim, d}, weights.projection.weight);
  }
  return weights;
}

Result<VisionConfig> LoadConfig(const std::string& path) {
  ASSIGN_OR_RETURN(const auto file, MappedFile::Open(path));
  const std::span<const uint8_t> text = file->bytes();
  auto config = ParseConfig({reinterpret_cast<const char*>(text.data()), text.size()});
  if (!config.ok()) return config.status().WithContext(path);
  return config;
}

}  // namespace

Result<VisionModel> LoadVisionModel(const std::string& model_dir) {
  VisionModel model;
  ASSIGN_OR_RETURN(model.config, LoadConfig(model_dir + "/config.json"));
  ASSIGN_OR_RETURN(const auto checkpoint, Checkpoint::Open(model_dir));

  // Every architecture that ParseConfig accepts is CLIP's so far.
  const WeightNames& names = kClipNames;
  // A vision tower saved on its own may lack the prefix.
  const std::string prefixed = std::string(names.prefix) + std::string(names.patch);
  const bool bare = !checkpoint->Has(prefixed) && checkpoint->Has(names.patch);
  Loader loader(*checkpoint, bare ? "" : std::string(names.prefix));
  model.weights = TakeAll(loader, model.config, names);
  RETURN_IF_ERROR(loader.status());
  model.weights_sha256 = loader.HexDigest();
  model.storage = checkpoint;
  return model;
}

}  // namespace photovec::model
