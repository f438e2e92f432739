// SPDX-License-Identifier: MIT
#include "model/random/init.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <span>
#include <thread>
#include <vector>

#include "model/random/model_files.h"
#include "model/random/tensors.h"
#include "model/safetensors.h"

namespace photovec::model {
namespace {

Status WriteText(const std::string& path, const std::string& text) {
  std::ofstream file(path, std::ios::trunc | std::ios::binary);
  file << text << std::flush;
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
    std::vector<int64_t> shape(static_cast<size_t>(tensor.leading_ones), 1);
    shape.insert(shape.end(), tensor.shape.begin(), tensor.shape.end());
    declarations.push_back({tensor.name, options.dtype, std::move(shape)});
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

Status WriteRandomModel(const Preset& preset, const std::string& model_dir,
                        const RandomInitOptions& options) {
  if (preset.config.gated_mlp) {
    return {Code::kNotImplemented, "random weights are not written for models with gated MLPs"};
  }
  Preset trained = preset;
  if (preset.trained_size > 0) trained.config.image_size = preset.trained_size;
  std::vector<RandomTensor> tensors = RandomTensors(trained.config, options.seed);
  if (trained.text) {
    for (RandomTensor& tensor : RandomTensors(*trained.text, options.seed))
      tensors.push_back(std::move(tensor));
  }
  RETURN_IF_ERROR(WriteTensors(tensors, model_dir + "/model.safetensors", options));
  for (const ModelFile& file : ModelFiles(trained, options.dtype)) {
    RETURN_IF_ERROR(WriteText(model_dir + "/" + file.name, file.text));
  }
  return Status::Ok();
}

Status WriteRandomModel(const VisionConfig& config, const std::string& model_dir,
                        const RandomInitOptions& options) {
  return WriteRandomModel(Preset{"", "", config}, model_dir, options);
}

Preset ImagesOnly(Preset preset) {
  preset.text.reset();
  if (preset.config.architecture == "CLIPModel") preset.config.architecture = "CLIPVisionModelWithProjection";
  if (preset.config.architecture == "SiglipModel") preset.config.architecture = "SiglipVisionModel";
  return preset;
}

}  // namespace photovec::model
