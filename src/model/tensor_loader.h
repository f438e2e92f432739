// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/checksum/digest.h"
#include "base/result.h"
#include "base/tensor_view.h"
#include "model/config.h"
#include "model/safetensors.h"
#include "model/vision_model.h"
#include "model/weight_names.h"

namespace photovec::model {

/// A tensor's name in the file, and the one that it has in every file's digest.
struct TensorName {
  std::string file;
  std::string canonical;
};

/// What the views of a loaded tower point into.
struct TensorStorage {
  std::shared_ptr<const Checkpoint> checkpoint;
  std::deque<std::vector<uint8_t>> owned;  ///< what the files have otherwise
};

/// Takes tensors out of a checkpoint one by one: checks their shapes, looks for NaN and infinity, and digests
/// names, shapes, number formats and bytes. The first failure sticks and turns what follows into no-ops, so
/// that a list of tensors can be read as a list.
///
/// The digest does not depend on how a file spells and arranges its tensors: each has a canonical name, fused
/// ones are digested as their parts. The same weights in another layout are the same weights. One thread.
class TensorLoader {
 public:
  /// \param config_file what errors about shapes name.
  TensorLoader(std::shared_ptr<const Checkpoint> checkpoint, std::string config_file);

  void Take(const TensorName& name, std::vector<int64_t> shape, TensorView& out);
  /// Linears of one shape that the file has as one weight and one bias, each with the parts one after
  /// another: views into these. Digested as if each stood alone.
  struct Fused {
    std::string weight, bias;            ///< whole names
    std::vector<std::string> canonical;  ///< stems, one for each of `out`
  };
  void TakeFused(const Fused& names, int64_t rows, int64_t columns, const std::vector<Linear*>& out);
  /// The file has [columns, rows]; `out` is a copy as [rows, columns].
  void TakeTransposed(const TensorName& name, int64_t rows, int64_t columns, TensorView& out);
  void TakeNorm(const TensorName& stem, int64_t width, Norm& out);
  void TakeLinear(const TensorName& stem, int64_t rows, int64_t columns, Linear& out);
  /// A bias that the file does not have, as zeros. Not digested.
  void Zeros(int64_t count, TensorView& out);
  /// `values` from now on, in place of what was taken.
  void Replace(std::vector<float> values, TensorView& view);
  /// The number of a tensor of one element. Errors as Take's.
  float TakeScalar(const std::string& name);
  /// All blocks, by their names, which `prefix` precedes.
  void TakeBlocks(const TransformerConfig& config, const BlockNames& names, const std::string& prefix,
                  std::vector<Block>& out);
  void Fail(Status status);

  /// Whether a linear's biases are in the file, where the config can say.
  struct BiasRule {
    bool query = true;
    bool value = true;
  };
  void SetBiases(BiasRule rule) { biases_ = rule; }

  const Checkpoint& checkpoint() const { return *storage_->checkpoint; }
  const Status& status() const { return status_; }
  std::shared_ptr<TensorStorage> storage() const { return storage_; }
  /// Call once, last.
  std::string HexDigest() { return digest_.HexDigest(); }

 private:
  TensorView Find(const std::string& name, const std::vector<int64_t>& shape);
  void Digest(const TensorView& view, const std::string& canonical);
  void TakeBlock(const TransformerConfig& config, const BlockNames& names, const TensorName& stem,
                 Block& block);

  std::shared_ptr<TensorStorage> storage_;
  const std::string config_file_;
  BiasRule biases_;
  Status status_;
  Sha256 digest_;
};

struct ModelConfig;

/// The checkpoint of a folder; where its tensors have a prefix of a program that wraps the model ("clip.",
/// "model."), without it. Errors: as Checkpoint::Open.
Result<std::shared_ptr<const Checkpoint>> OpenCheckpoint(const std::string& model_dir,
                                                         const ModelConfig& config);

/// The first of `tables` whose patch, or token embedding, and first block are in the checkpoint; else the
/// first.
const WeightNames& PickNames(const Checkpoint& checkpoint, const std::vector<WeightNames>& tables,
                             const TransformerConfig& config);
const TextNames& PickNames(const Checkpoint& checkpoint, const std::vector<TextNames>& tables,
                           const TransformerConfig& config);

/// How tensors are named in digests: as CLIP's and SigLIP's are in transformers, what these lack as DINOv2's.
extern const WeightNames kCanonicalNames;

}  // namespace photovec::model
