// SPDX-License-Identifier: MIT
#include "model/tensor_loader.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <utility>

#include "base/check.h"
#include "model/families/clip.h"
#include "model/model_config.h"

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

// Of a length that the compiler knows, so that it makes vector instructions of the loop.
constexpr size_t kBlock = 4096;
template <typename Word>
bool AllFinite(const uint8_t* data, Word exponent) {
  Word bad = 0;
  for (size_t i = 0; i < kBlock; ++i) {
    Word bits;
    std::memcpy(&bits, data + i * sizeof(Word), sizeof(Word));
    bad |= static_cast<Word>((bits & exponent) == exponent ? 1 : 0);
  }
  return bad == 0;
}

template <typename Word>
size_t FirstNotFinite(const uint8_t* data, size_t count, Word exponent) {
  for (size_t begin = 0; begin < count; begin += kBlock) {
    if (count - begin >= kBlock && AllFinite(data + begin * sizeof(Word), exponent)) continue;
    for (size_t i = begin; i < std::min(begin + kBlock, count); ++i) {
      Word bits;
      std::memcpy(&bits, data + i * sizeof(Word), sizeof(Word));
      if ((bits & exponent) == exponent) return i;
    }
  }
  return count;
}

/// The index of the first NaN or infinity among the elements; their number when there is none.
size_t FirstNotFinite(DType dtype, std::span<const uint8_t> bytes) {
  const size_t count = bytes.size() / DTypeBytes(dtype);
  switch (dtype) {
    case DType::kF32:
      return FirstNotFinite<uint32_t>(bytes.data(), count, 0x7F800000U);
    case DType::kF16:
      return FirstNotFinite<uint16_t>(bytes.data(), count, 0x7C00U);
    case DType::kBF16:
      return FirstNotFinite<uint16_t>(bytes.data(), count, 0x7F80U);
  }
  return count;
}

bool HasBlocks(const Checkpoint& checkpoint, const BlockNames& names, std::string_view prefix,
               const TransformerConfig& config) {
  const auto has = [&](std::string_view name, std::string_view suffix) {
    return checkpoint.Has(std::string(prefix) + std::string(names.stem) + "0." + std::string(name) +
                          std::string(suffix));
  };
  const bool attention = names.qkv_weight.empty() ? has(names.q, ".weight") : has(names.qkv_weight, "");
  const std::string_view gated = names.gate_up.empty() ? names.gate : names.gate_up;
  return attention && has(config.gated_mlp ? gated : names.fc1, ".weight");
}

template <typename Names, typename Probe>
const Names& Pick(const Checkpoint& checkpoint, const std::vector<Names>& tables,
                  const TransformerConfig& config, Probe probe) {
  for (const Names& names : tables) {
    if (checkpoint.Has(std::string(names.prefix) + probe(names)) &&
        HasBlocks(checkpoint, names.block, names.prefix, config)) {
      return names;
    }
  }
  for (const Names& names : tables) {  // a file with holes: errors should speak its language
    if (checkpoint.Has(std::string(names.prefix) + probe(names))) return names;
  }
  return tables.front();
}

}  // namespace

constexpr WeightNames CanonicalNames() {
  WeightNames names = kClipNames;
  names.prefix = "";
  names.registers = "embeddings.register_tokens";
  names.block.layer_scale1 = "layer_scale1.lambda1";
  names.block.layer_scale2 = "layer_scale2.lambda1";
  names.block.up = "mlp.up";
  names.pool = {.probe = "head.probe",
                .q = "head.attention.q",
                .kv = "head.attention.kv",
                .out = "head.attention.out_proj",
                .norm = "head.layernorm",
                .fc1 = "head.mlp.fc1",
                .fc2 = "head.mlp.fc2"};
  return names;
}
const WeightNames kCanonicalNames = CanonicalNames();

TensorLoader::TensorLoader(std::shared_ptr<const Checkpoint> checkpoint, std::string config_file)
    : storage_(std::make_shared<TensorStorage>()), config_file_(std::move(config_file)) {
  storage_->checkpoint = std::move(checkpoint);
}

void TensorLoader::Fail(Status status) {
  if (status_.ok()) status_ = std::move(status);
}

TensorView TensorLoader::Find(const std::string& name, const Shape& shape) {
  if (!status_.ok()) return {};
  Result<TensorView> found = checkpoint().Get(name, storage_->owned);
  if (!found.ok()) {
    Fail(
        {found.status().code(), found.status().message() + " (expected shape " + ShapeToString(shape) + ")"});
    return {};
  }
  if (!SameShape(shape, found->shape)) {
    Fail({Code::kInvalidRequest, checkpoint().WhereIs(name) + ": tensor '" + name + "' has shape " +
                                     ShapeToString(found->shape) + ", expected " + ShapeToString(shape) +
                                     " from " + config_file_});
    return {};
  }
  found->shape = shape;
  return std::move(*found);
}

// Finiteness is looked at here, where every byte passes through the caches anyway.
void TensorLoader::Digest(const TensorView& view, const std::string& canonical) {
  constexpr std::string_view kDtypeNames[] = {"F32", "F16", "BF16"};
  digest_.Update(canonical + "\n" + std::string(kDtypeNames[static_cast<size_t>(view.dtype)]) + "\n" +
                 ShapeToString(view.shape) + "\n");
  constexpr size_t kChunk = size_t{1} << 18;
  const std::span<const uint8_t> bytes(static_cast<const uint8_t*>(view.data), view.bytes());
  for (size_t begin = 0; begin < bytes.size(); begin += kChunk) {
    const auto chunk = bytes.subspan(begin, std::min(kChunk, bytes.size() - begin));
    const size_t bad = FirstNotFinite(view.dtype, chunk);
    if (bad * DTypeBytes(view.dtype) < chunk.size()) {
      return Fail({Code::kInvalidRequest, checkpoint().WhereIs(view.name) + ": tensor '" + view.name +
                                              "' has a NaN or an infinity (element " +
                                              std::to_string(begin / DTypeBytes(view.dtype) + bad) +
                                              "): the file is broken, or training was"});
    }
    digest_.Update(chunk);
  }
}

void TensorLoader::Take(const TensorName& name, Shape shape, TensorView& out) {
  TensorView found = Find(name.file, shape);
  if (!status_.ok()) return;
  Digest(found, name.canonical);
  out = std::move(found);
}

void TensorLoader::TakeFused(const Fused& names, int64_t rows, int64_t columns,
                             const std::vector<Linear*>& out) {
  const auto parts = static_cast<int64_t>(out.size());
  TensorView weight = Find(names.weight, {parts * rows, columns});
  TensorView bias = Find(names.bias, {parts * rows});
  if (!status_.ok()) return;
  weight.shape = {rows, columns};
  bias.shape = {rows};
  for (size_t i = 0; i < out.size(); ++i) {
    Digest(weight, names.canonical[i] + ".weight");
    Digest(bias, names.canonical[i] + ".bias");
    *out[i] = {weight, bias};
    weight.data = static_cast<const uint8_t*>(weight.data) + weight.bytes();
    bias.data = static_cast<const uint8_t*>(bias.data) + bias.bytes();
  }
}

void TensorLoader::TakeTransposed(const TensorName& name, int64_t rows, int64_t columns, TensorView& out) {
  TensorView view = Find(name.file, {columns, rows});
  if (!status_.ok()) return;
  const size_t size = DTypeBytes(view.dtype);
  std::vector<uint8_t>& copy = storage_->owned.emplace_back(view.bytes());
  const auto* from = static_cast<const uint8_t*>(view.data);
  for (size_t r = 0; r < static_cast<size_t>(rows); ++r) {
    for (size_t c = 0; c < static_cast<size_t>(columns); ++c) {
      std::memcpy(copy.data() + (r * static_cast<size_t>(columns) + c) * size,
                  from + (c * static_cast<size_t>(rows) + r) * size, size);
    }
  }
  view.shape = {rows, columns};
  view.data = copy.data();
  Digest(view, name.canonical);
  out = std::move(view);
}

void TensorLoader::TakeNorm(const TensorName& stem, int64_t width, Norm& out) {
  Take({stem.file + ".weight", stem.canonical + ".weight"}, {width}, out.gamma);
  Take({stem.file + ".bias", stem.canonical + ".bias"}, {width}, out.beta);
}

void TensorLoader::TakeLinear(const TensorName& stem, int64_t rows, int64_t columns, Linear& out) {
  Take({stem.file + ".weight", stem.canonical + ".weight"}, {rows, columns}, out.weight);
  Take({stem.file + ".bias", stem.canonical + ".bias"}, {rows}, out.bias);
}

void TensorLoader::Replace(std::vector<float> values, TensorView& view) {
  std::vector<uint8_t>& bytes = storage_->owned.emplace_back(values.size() * sizeof(float));
  std::memcpy(bytes.data(), values.data(), bytes.size());
  view.dtype = DType::kF32;
  view.data = bytes.data();
}

void TensorLoader::Zeros(int64_t count, TensorView& out) {
  if (!status_.ok()) return;
  out.shape = {count};
  Replace(std::vector<float>(static_cast<size_t>(count)), out);
}

float TensorLoader::TakeScalar(const std::string& name) {
  TensorView view;
  Take({name, name}, {}, view);
  return status_.ok() ? view.ToFloats().front() : 0.0F;
}

void TensorLoader::TakeBlock(const TransformerConfig& config, const BlockNames& names, const TensorName& stem,
                             Block& block) {
  const int64_t d = config.hidden_size;
  const int64_t f = config.mlp_size;
  const BlockNames& canonical = kCanonicalNames.block;
  const auto called = [&](std::string_view file, std::string_view as) {
    return TensorName{stem.file + std::string(file), stem.canonical + std::string(as)};
  };
  const auto linear = [&](std::string_view file, std::string_view as, bool bias, Linear& out) {
    const TensorName name = called(file, as);
    if (bias) return TakeLinear(name, d, d, out);
    Take({name.file + ".weight", name.canonical + ".weight"}, {d, d}, out.weight);
  };
  TakeNorm(called(names.norm1, canonical.norm1), d, block.norm1);
  if (names.qkv_weight.empty()) {
    linear(names.q, canonical.q, biases_.query, block.q);
    linear(names.k, canonical.k, config.has_key_bias, block.k);
    linear(names.v, canonical.v, biases_.value, block.v);
    if (!biases_.query) Zeros(d, block.q.bias);
    if (!biases_.value) Zeros(d, block.v.bias);
  } else {
    TakeFused({called(names.qkv_weight, "").file,
               called(names.qkv_bias, "").file,
               {called("", canonical.q).canonical, called("", canonical.k).canonical,
                called("", canonical.v).canonical}},
              d, d, {&block.q, &block.k, &block.v});
  }
  TakeLinear(called(names.out, canonical.out), d, d, block.out);
  if (config.has_layer_scale)
    Take(called(names.layer_scale1, canonical.layer_scale1), {d}, block.layer_scale1);
  TakeNorm(called(names.norm2, canonical.norm2), d, block.norm2);
  const TensorName fc1 = called(config.gated_mlp ? names.gate : names.fc1, canonical.fc1);
  const TensorName up = called(names.up, canonical.up);
  if (!config.gated_mlp || names.gate_up.empty()) {
    TakeLinear(fc1, f, d, block.fc1);
    if (config.gated_mlp) TakeLinear(up, f, d, block.up);
  } else {
    const std::string both = called(names.gate_up, "").file;
    TakeFused({both + ".weight", both + ".bias", {fc1.canonical, up.canonical}}, f, d,
              {&block.fc1, &block.up});
  }
  TakeLinear(called(config.gated_mlp ? names.down : names.fc2, canonical.fc2), d, f, block.fc2);
  if (config.has_layer_scale)
    Take(called(names.layer_scale2, canonical.layer_scale2), {d}, block.layer_scale2);
}

void TensorLoader::TakeBlocks(const TransformerConfig& config, const BlockNames& names,
                              const std::string& prefix, std::vector<Block>& out) {
  for (int i = 0; i < config.layers && status_.ok(); ++i) {
    const std::string number = std::to_string(i) + ".";
    TakeBlock(config, names,
              {prefix + std::string(names.stem) + number, std::string(kCanonicalNames.block.stem) + number},
              out.emplace_back());
  }
}

Result<std::shared_ptr<const Checkpoint>> OpenCheckpoint(const std::string& model_dir,
                                                         const ModelConfig& config) {
  ASSIGN_OR_RETURN(const auto checkpoint, Checkpoint::Open(model_dir, config.open_clip_weights));
  const auto known = [&](const Checkpoint& tensors) {
    const auto has = [&](std::string_view prefix, std::string_view name, std::string_view suffix) {
      return tensors.Has(std::string(prefix) + std::string(name) + std::string(suffix));
    };
    return std::ranges::any_of(
               config.vision_names,
               [&](const auto& names) { return has(names.prefix, names.patch, ".weight"); }) ||
           std::ranges::any_of(config.text_names, [&](const auto& names) {
             return has(names.prefix, names.token_embedding, "");
           });
  };
  if (known(*checkpoint)) return checkpoint;
  for (const std::string_view wrapper : {"clip.", "model.", "module.", "model.clip.", "module.clip."}) {
    const std::shared_ptr<const Checkpoint> inside = checkpoint->Within(wrapper);
    if (known(*inside)) return inside;
  }
  return checkpoint;
}

const WeightNames& PickNames(const Checkpoint& checkpoint, const std::vector<WeightNames>& tables,
                             const TransformerConfig& config) {
  return Pick(checkpoint, tables, config,
              [](const WeightNames& names) { return std::string(names.patch) + ".weight"; });
}

const TextNames& PickNames(const Checkpoint& checkpoint, const std::vector<TextNames>& tables,
                           const TransformerConfig& config) {
  return Pick(checkpoint, tables, config,
              [](const TextNames& names) { return std::string(names.token_embedding); });
}

}  // namespace photovec::model
