// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/files.h"
#include "base/result.h"
#include "base/tensor_view.h"

namespace photovec::model {

/// A whole file mapped read-only. Unmapped when destroyed.
/// If another process truncates the file while it is mapped, touching the lost pages is a SIGBUS that no
/// check can prevent; that is why encoders pack what they need and then let go of it (VisionModel::storage).
class MappedFile {
 public:
  /// Errors: kNotFound naming the path; kInvalidRequest when it is no regular file; kUnavailable when it
  /// cannot be opened or mapped (with errno's text).
  static Result<std::shared_ptr<const MappedFile>> Open(const std::string& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  std::span<const uint8_t> bytes() const { return {data_, size_}; }
  /// A second mapping of the pages that hold [offset, offset + size) of the same file, whatever has its name
  /// by now. It is read here and there: without read-ahead, nothing of it in memory yet. `data` becomes where
  /// `offset` lies. Errors: kUnavailable with errno's text.
  Result<std::shared_ptr<const MappedFile>> MapPart(size_t offset, size_t size, const void** data) const;

 private:
  MappedFile() = default;
  std::string path_;
  FileDescriptor file_;
  const uint8_t* data_ = nullptr;
  size_t size_ = 0;
};

/// One tensor as the header of a safetensors file describes it, every number already checked against the
/// file.
struct SafetensorsEntry {
  std::string dtype;  ///< as in the file: "F32", "BF16", "I64", ...
  std::vector<int64_t> shape;
  std::span<const uint8_t> data;
};

/// The header of one safetensors file: name -> entry, spans pointing into `file`.
using SafetensorsHeader = std::unordered_map<std::string, SafetensorsEntry>;

/// Parses and checks a safetensors file that is in memory: header length, JSON, no name twice, ranges inside
/// the file without overlap or holes, byte counts that agree with shape and dtype (dtypes that this code does
/// not know are only range-checked). Source: https://huggingface.co/docs/safetensors, "Format".
/// Errors: kInvalidRequest naming the tensor and what was expected and found.
Result<SafetensorsHeader> ParseSafetensors(std::span<const uint8_t> file);

/// The tensors of a HuggingFace model directory: model.safetensors, or the shards that
/// model.safetensors.index.json names. Immutable; thread-safe. Views stay valid while this object lives.
class Checkpoint {
 public:
  /// \param open_clip open_clip_model.safetensors (or the names that it had before) comes first.
  /// Errors: kNotFound naming the missing file, and how to convert what is there instead; kInvalidRequest naming the
  /// file and the tensor. Shard names must be plain file names inside the directory.
  static Result<std::shared_ptr<const Checkpoint>> Open(const std::string& model_dir, bool open_clip = false);

  /// The same tensors, asked for without what stands before their names ("clip."), as a program has it that
  /// keeps the model as a part of its own.
  std::shared_ptr<const Checkpoint> Within(std::string_view wrapper) const;

  bool Has(std::string_view name) const { return Find(name) != tensors_.end(); }
  /// A float tensor (F32, F16 or BF16; F64 as F32, in memory that is added to `converted`).
  /// Errors: kInvalidRequest naming the file, the tensor and its dtype.
  Result<TensorView> Get(std::string_view name, std::deque<std::vector<uint8_t>>& converted) const;
  /// The file (path) that holds `name`, or where it would be looked for: for error messages.
  std::string WhereIs(std::string_view name) const;
  /// A mapping of its own of nothing but the tensor, for one that is read long after the rest was let go:
  /// `view` points into it. Null for one that was converted: it lies in memory already. Errors: kUnavailable with
  /// errno's text.
  Result<std::shared_ptr<const void>> MapAlone(TensorView& view) const;

 private:
  struct Located {
    size_t file = 0;  ///< index into paths_
    SafetensorsEntry entry;
  };
  using Tensors = std::unordered_map<std::string, Located>;
  Checkpoint() = default;
  Checkpoint(const Checkpoint&) = default;
  Tensors::const_iterator Find(std::string_view name) const {
    return tensors_.find(wrapper_ + std::string(name));
  }
  Status AddFile(const std::string& path);
  Status AddShards(const std::string& model_dir, const std::string& index_path);

  std::vector<std::string> paths_;
  std::vector<std::shared_ptr<const MappedFile>> files_;
  Tensors tensors_;
  std::string wrapper_;  ///< before every name that is asked for
};

/// Writes a safetensors file piece by piece: declare every tensor, then append bytes in that order. One
/// thread. The file appears under its name only after Finish() (written beside it and renamed).
class SafetensorsWriter {
 public:
  struct Declaration {
    std::string name;
    DType dtype = DType::kF32;
    std::vector<int64_t> shape;
  };
  /// Errors: kUnavailable with errno's text.
  static Result<std::unique_ptr<SafetensorsWriter>> Create(const std::string& path,
                                                           std::span<const Declaration> tensors);
  ~SafetensorsWriter();  ///< removes the unfinished file
  SafetensorsWriter(const SafetensorsWriter&) = delete;
  SafetensorsWriter& operator=(const SafetensorsWriter&) = delete;

  Status Append(std::span<const uint8_t> bytes);
  /// Errors: kInternal when not exactly the declared bytes were appended; kUnavailable with errno's text.
  Status Finish();

 private:
  SafetensorsWriter() = default;
  std::string path_;
  std::string temporary_;
  int fd_ = -1;
  uint64_t expected_ = 0;
  uint64_t written_ = 0;
};

}  // namespace photovec::model
