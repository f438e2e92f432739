// SPDX-License-Identifier: MIT
#include <sys/stat.h>

#include <boost/json.hpp>
#include <cstring>
#include <set>
#include <utility>

#include "base/json/reader.h"
#include "model/safetensors.h"

namespace photovec::model {
namespace {

namespace bjson = boost::json;

bool Exists(const std::string& path) {
  struct stat info {};
  return stat(path.c_str(), &info) == 0;
}

/// A shard name comes out of a downloaded file: it must not lead out of the model directory.
bool IsPlainFileName(std::string_view name) {
  return !name.empty() && name != "." && name != ".." && name.find('/') == std::string_view::npos &&
         name.find('\0') == std::string_view::npos;
}

std::string MissingFileMessage(const std::string& model_dir) {
  std::string message = model_dir + ": neither model.safetensors nor model.safetensors.index.json is there";
  struct Other {
    const char* name;
    const char* advice;
  };
  constexpr Other kOthers[] = {
      {"pytorch_model.bin",
       "AutoModel.from_pretrained(DIR).save_pretrained(DIR) of Python's transformers makes model.safetensors "
       "of it"},
      {"pytorch_model.bin.index.json",
       "AutoModel.from_pretrained(DIR).save_pretrained(DIR) of Python's transformers makes model.safetensors "
       "of it"},
      {"open_clip_pytorch_model.bin",
       "safetensors.torch.save_model(open_clip.create_model('local-dir:DIR'), "
       "'DIR/open_clip_model.safetensors') "
       "in Python makes open_clip_model.safetensors of it"},
      {"open_clip_model.safetensors", "it needs the open_clip_config.json that was published beside it"},
      {"flax_model.msgpack", "download model.safetensors of the same model"},
      {"model.onnx", "download model.safetensors of the same model"},
  };
  for (const Other& other : kOthers) {
    if (Exists(model_dir + "/" + other.name)) {
      return message + " (" + other.name + " is, but only safetensors files are read: " + other.advice + ")";
    }
  }
  return message + "; a model directory holds config.json, preprocessor_config.json and model.safetensors";
}

/// Numbers of 8 bytes as ones of 4. One that is too large becomes an infinity, which is refused later.
std::vector<uint8_t> ToSingles(std::span<const uint8_t> doubles) {
  std::vector<uint8_t> singles(doubles.size() / 2);
  for (size_t i = 0; i < doubles.size() / sizeof(double); ++i) {
    double wide = 0;
    std::memcpy(&wide, doubles.data() + i * sizeof(double), sizeof(double));
    const auto narrow = static_cast<float>(wide);
    std::memcpy(singles.data() + i * sizeof(float), &narrow, sizeof(float));
  }
  return singles;
}

}  // namespace

Result<std::shared_ptr<const Checkpoint>> Checkpoint::Open(const std::string& model_dir, bool open_clip) {
  std::shared_ptr<Checkpoint> checkpoint(new Checkpoint);
  std::vector<std::string> names;
  if (open_clip) names = {"open_clip_model.safetensors", "open_clip_pytorch_model.safetensors"};
  names.emplace_back("model.safetensors");
  for (const std::string& name : names) {
    const std::string single = model_dir + "/" + name;
    const std::string index = single + ".index.json";
    const bool shards = !Exists(single) && Exists(index);
    if (!shards && !Exists(single)) continue;
    RETURN_IF_ERROR(shards ? checkpoint->AddShards(model_dir, index) : checkpoint->AddFile(single));
    return std::shared_ptr<const Checkpoint>(std::move(checkpoint));
  }
  return Status(Code::kNotFound, MissingFileMessage(model_dir));
}

Status Checkpoint::AddFile(const std::string& path) {
  ASSIGN_OR_RETURN(auto file, MappedFile::Open(path));
  auto header = ParseSafetensors(file->bytes());
  if (!header.ok()) return header.status().WithContext(path);
  for (auto& [name, entry] : *header) {
    const auto [it, fresh] = tensors_.try_emplace(name, Located{paths_.size(), std::move(entry)});
    if (!fresh) {
      return {Code::kInvalidRequest, path + ": tensor '" + name + "' is also in " + paths_[it->second.file]};
    }
  }
  paths_.push_back(path);
  files_.push_back(std::move(file));
  return Status::Ok();
}

Status Checkpoint::AddShards(const std::string& model_dir, const std::string& index_path) {
  ASSIGN_OR_RETURN(const auto file, MappedFile::Open(index_path));
  const std::span<const uint8_t> text = file->bytes();
  auto index = json::ParseObject({reinterpret_cast<const char*>(text.data()), text.size()});
  if (!index.ok()) return index.status().WithContext(index_path);
  const bjson::value* map = index->if_contains("weight_map");
  if (map == nullptr || !map->is_object()) {
    return {Code::kInvalidRequest, index_path + ": no \"weight_map\" object"};
  }
  if (map->as_object().empty()) return {Code::kInvalidRequest, index_path + ": its weight_map is empty"};
  std::set<std::string> shards;  // ordered, so that errors do not depend on hashing
  for (const auto& member : map->as_object()) {
    const bjson::string* shard = member.value().if_string();
    if (shard == nullptr || !IsPlainFileName(*shard)) {
      return {Code::kInvalidRequest, index_path + ": the shard of '" + std::string(member.key()) +
                                         "' is not the name of a file in the same directory"};
    }
    shards.emplace(shard->c_str());
  }
  for (const std::string& shard : shards) RETURN_IF_ERROR(AddFile(model_dir + "/" + shard));
  for (const auto& member : map->as_object()) {
    const auto found = tensors_.find(std::string(member.key()));
    const std::string expected = model_dir + "/" + member.value().as_string().c_str();
    if (found == tensors_.end() || paths_[found->second.file] != expected) {
      return {Code::kInvalidRequest, expected + ": tensor '" + std::string(member.key()) +
                                         "' is not there, though the index says so"};
    }
  }
  return Status::Ok();
}

std::shared_ptr<const Checkpoint> Checkpoint::Within(std::string_view wrapper) const {
  std::shared_ptr<Checkpoint> inside(new Checkpoint(*this));
  inside->wrapper_ = wrapper;
  return inside;
}

Result<TensorView> Checkpoint::Get(std::string_view name, std::deque<std::vector<uint8_t>>& converted) const {
  const std::string full = wrapper_ + std::string(name);
  const auto found = Find(name);
  if (found == tensors_.end()) {
    return Status(Code::kInvalidRequest, WhereIs(name) + ": tensor '" + full + "' is missing");
  }
  const SafetensorsEntry& entry = found->second.entry;
  TensorView view;
  view.name = std::string(name);
  view.shape = entry.shape;
  view.data = entry.data.data();
  if (entry.dtype == "F32") {
    view.dtype = DType::kF32;
  } else if (entry.dtype == "F16") {
    view.dtype = DType::kF16;
  } else if (entry.dtype == "BF16") {
    view.dtype = DType::kBF16;
  } else if (entry.dtype == "F64") {
    view.dtype = DType::kF32;
    view.data = converted.emplace_back(ToSingles(entry.data)).data();
  } else {
    return Status(Code::kInvalidRequest, WhereIs(name) + ": tensor '" + full + "' has dtype " + entry.dtype +
                                             "; supported: F32, F16, BF16, F64");
  }
  return view;
}

Result<std::shared_ptr<const void>> Checkpoint::MapAlone(TensorView& view) const {
  const auto found = Find(view.name);
  if (found == tensors_.end()) return Status(Code::kInternal, "no tensor '" + view.name + "'");
  if (view.data != found->second.entry.data.data()) return std::shared_ptr<const void>();
  const MappedFile& file = *files_[found->second.file];
  const auto offset = static_cast<size_t>(static_cast<const uint8_t*>(view.data) - file.bytes().data());
  ASSIGN_OR_RETURN(std::shared_ptr<const MappedFile> part, file.MapPart(offset, view.bytes(), &view.data));
  return std::shared_ptr<const void>(std::move(part));
}

std::string Checkpoint::WhereIs(std::string_view name) const {
  const auto found = Find(name);
  if (found != tensors_.end()) return paths_[found->second.file];
  return paths_.size() == 1 ? paths_.front() : paths_.front() + " and its sibling shards";
}

}  // namespace photovec::model
