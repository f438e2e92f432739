// SPDX-License-Identifier: MIT
#include "model/random/init.h"

#include <algorithm>
#include <atomic>
#include <boost/json.hpp>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <span>
#include <thread>
#include <vector>

#include "model/random/tensors.h"
#include "model/safetensors.h"

namespace photovec::model {
namespace {

namespace bjson = boost::json;

std::string_view TorchName(DType dtype) {
  switch (dtype) {
    case DType::kF32:
      return "float32";
    case DType::kF16:
      return "float16";
    case DType::kBF16:
      return "bfloat16";
  }
  return "float32";
}

bjson::object ConfigJson(const VisionConfig& config, DType dtype) {
  return {{"architectures", {config.architecture}},
          {"attention_dropout", 0.0},
          {"hidden_act", ActivationName(config.activation)},
          {"hidden_size", config.hidden_size},
          {"image_size", config.image_size},
          {"initializer_factor", 1.0},
          {"initializer_range", 0.02},
          {"intermediate_size", config.mlp_size},
          {"layer_norm_eps", 1e-5},
          {"model_type", "clip_vision_model"},
          {"num_attention_heads", config.heads},
          {"num_channels", 3},
          {"num_hidden_layers", config.layers},
          {"patch_size", config.patch_size},
          {"projection_dim", config.projection_dim},
          {"torch_dtype", TorchName(dtype)}};
}

/// OpenAI CLIP's own preprocessing.
bjson::object PreprocessorJson(const VisionConfig& config) {
  const int side = config.image_size;
  return {{"crop_size", {{"height", side}, {"width", side}}},
          {"do_center_crop", true},
          {"do_convert_rgb", true},
          {"do_normalize", true},
          {"do_rescale", true},
          {"do_resize", true},
          {"image_mean", {0.48145466, 0.4578275, 0.40821073}},
          {"image_processor_type", "CLIPImageProcessor"},
          {"image_std", {0.26862954, 0.26130258, 0.27577711}},
          {"resample", 3},
          {"rescale_factor", 1.0 / 255.0},
          {"size", {{"shortest_edge", side}}}};
}

/// One key a line, as transformers writes it.
Status WriteJson(const std::string& path, const bjson::object& object) {
  std::ofstream file(path, std::ios::trunc);
  const char* separator = "{\n";
  for (const auto& member : object) {
    file << separator << "  " << bjson::serialize(bjson::value(member.key())) << ": "
         << bjson::serialize(member.value());
    separator = ",\n";
  }
  file << "\n}\n" << std::flush;
  if (file.good()) return Status::Ok();
  return {Code::kUnavailable, path + ": cannot write: " + std::strerror(errno)};
}

void Store(std::span<const float> values, DType dtype, uint8_t* out) {
  if (dtype == DType::kF32) {
    std::memcpy(out, values.data(), values.size_bytes());
    return;
  }
  for (const float value : values) {
    const uint16_t bits = dtype == DType::kF16 ? FloatToHalf(value) : FloatToBFloat16(value);
    std::memcpy(out, &bits, sizeof(bits));
    out += sizeof(bits);
  }
}

/// Draws one tensor, rows dealt out to threads in chunks. `bytes` is resized to the tensor.
void Draw(const RandomTensor& tensor, DType dtype, int threads, std::vector<uint8_t>& bytes) {
  const int64_t rows = tensor.rows();
  const size_t row_size = tensor.row_size();
  const size_t row_bytes = row_size * DTypeBytes(dtype);
  bytes.resize(static_cast<size_t>(rows) * row_bytes);
  constexpr int64_t kChunkValues = 1 << 16;  // half a millisecond of work
  const int64_t chunk = std::max<int64_t>(1, kChunkValues / static_cast<int64_t>(row_size));
  std::atomic<int64_t> next{0};
  const auto work = [&] {
    std::vector<float> row(row_size);
    for (int64_t first; (first = next.fetch_add(chunk)) < rows;) {
      for (int64_t r = first; r < std::min(rows, first + chunk); ++r) {
        tensor.fill(r, row);
        Store(row, dtype, bytes.data() + static_cast<size_t>(r) * row_bytes);
      }
    }
  };
  std::vector<std::jthread> helpers;
  const int64_t chunks = (rows + chunk - 1) / chunk;
  for (int64_t i = 1; i < std::min<int64_t>(threads, chunks); ++i) helpers.emplace_back(work);
  work();
}

Status WriteTensors(const std::vector<RandomTensor>& tensors, const std::string& path,
                    const RandomInitOptions& options) {
  std::vector<SafetensorsWriter::Declaration> declarations;
  for (const RandomTensor& tensor : tensors) {
    declarations.push_back({tensor.name, options.dtype, tensor.shape});
  }
  ASSIGN_OR_RETURN(const auto writer, SafetensorsWriter::Create(path, declarations));
  const int cpus = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  const int threads = options.threads > 0 ? options.threads : cpus;
  std::vector<uint8_t> bytes;
  for (const RandomTensor& tensor : tensors) {
    Draw(tensor, options.dtype, threads, bytes);
    RETURN_IF_ERROR(writer->Append(bytes));
  }
  return writer->Finish();
}

}  // namespace

Status WriteRandomModel(const VisionConfig& config, const std::string& model_dir,
                        const RandomInitOptions& options) {
  const bool clip = config.architecture == "CLIPVisionModelWithProjection" && config.projection_dim > 0;
  if (!clip) {
    return {
        Code::kNotImplemented,
        "random weights are written for CLIPVisionModelWithProjection only, not for " + config.architecture};
  }
  // config.json last: a folder that was left half-done does not look like a model.
  RETURN_IF_ERROR(
      WriteTensors(RandomTensors(config, options.seed), model_dir + "/model.safetensors", options));
  RETURN_IF_ERROR(WriteJson(model_dir + "/preprocessor_config.json", PreprocessorJson(config)));
  return WriteJson(model_dir + "/config.json", ConfigJson(config, options.dtype));
}

}  // namespace photovec::model
