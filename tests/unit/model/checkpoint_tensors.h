// SPDX-License-Identifier: MIT
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "model/presets.h"
#include "model/random/init.h"
#include "model/safetensors.h"

namespace photovec::model {

/// A tensor that a test changes and writes back.
struct TestTensor {
  std::vector<int64_t> shape;
  std::vector<float> values;
};
using TestTensors = std::map<std::string, TestTensor>;

/// A model folder of its own for each test.
class ModelFolderTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "photovec-family-XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    dir_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(dir_); }

  void WritePreset(const std::string& name, DType dtype = DType::kF32) {
    const auto preset = PresetNamed(name);
    ASSERT_TRUE(preset.ok()) << preset.status().ToString();
    const Status status = WriteRandomModel(*preset, dir_, {.seed = 7, .dtype = dtype});
    ASSERT_TRUE(status.ok()) << status.ToString();
  }
  void WriteText(const std::string& name, const std::string& text) {
    std::ofstream(dir_ + "/" + name, std::ios::trunc) << text;
  }

  /// All tensors of an f32 file.
  TestTensors Read(const std::string& name = "model.safetensors") const {
    TestTensors tensors;
    const auto file = MappedFile::Open(dir_ + "/" + name);
    EXPECT_TRUE(file.ok());
    const auto header = ParseSafetensors((*file)->bytes());
    EXPECT_TRUE(header.ok());
    for (const auto& [key, entry] : *header) {
      TestTensor& tensor = tensors[key];
      tensor.shape = entry.shape;
      tensor.values.resize(entry.data.size() / sizeof(float));
      std::memcpy(tensor.values.data(), entry.data.data(), entry.data.size());
    }
    return tensors;
  }

  void Write(const TestTensors& tensors, const std::string& name = "model.safetensors") {
    std::vector<SafetensorsWriter::Declaration> declarations;
    for (const auto& [key, tensor] : tensors) declarations.push_back({key, DType::kF32, tensor.shape});
    auto writer = SafetensorsWriter::Create(dir_ + "/" + name, declarations);
    ASSERT_TRUE(writer.ok());
    for (const auto& [key, tensor] : tensors) {
      const auto* bytes = reinterpret_cast<const uint8_t*>(tensor.values.data());
      ASSERT_TRUE((*writer)->Append({bytes, tensor.values.size() * sizeof(float)}).ok());
    }
    ASSERT_TRUE((*writer)->Finish().ok());
  }

  /// As model.safetensors of F64, which photovec's own writer does not make.
  void WriteDoubles(const TestTensors& tensors) {
    std::string header = "{";
    std::string data;
    for (const auto& [key, tensor] : tensors) {
      const size_t begin = data.size();
      for (const float value : tensor.values) {
        const double wide = value;
        data.append(reinterpret_cast<const char*>(&wide), sizeof(wide));
      }
      std::string shape;
      for (const int64_t side : tensor.shape) shape += (shape.empty() ? "" : ",") + std::to_string(side);
      header += (header.size() > 1 ? ",\"" : "\"") + key + R"(":{"dtype":"F64","shape":[)" + shape +
                R"(],"data_offsets":[)" + std::to_string(begin) + "," + std::to_string(data.size()) + "]}";
    }
    header += "}";
    std::ofstream file(dir_ + "/model.safetensors", std::ios::binary | std::ios::trunc);
    const uint64_t length = header.size();
    file.write(reinterpret_cast<const char*>(&length), sizeof(length));
    file << header << data;
  }

  /// Reads, changes, writes.
  void Change(const std::function<void(TestTensors&)>& change) {
    TestTensors tensors = Read();
    change(tensors);
    Write(tensors);
  }

  std::string dir_;
};

/// Gives tensors other names: the first pair whose text is in a name replaces it there; later pairs then
/// apply to the result.
inline void Rename(TestTensors& tensors, const std::vector<std::pair<std::string, std::string>>& pairs) {
  TestTensors renamed;
  for (auto& [name, tensor] : tensors) {
    std::string to = name;
    for (const auto& [from, with] : pairs) {
      const size_t at = to.find(from);
      if (at != std::string::npos) to.replace(at, from.size(), with);
    }
    renamed.emplace(to, std::move(tensor));
  }
  tensors = std::move(renamed);
}

/// One tensor of several, one after another; they are removed.
inline void Fuse(TestTensors& tensors, const std::vector<std::string>& from, const std::string& to) {
  TestTensor fused;
  for (const std::string& name : from) {
    const TestTensor part = std::move(tensors.at(name));
    tensors.erase(name);
    if (fused.shape.empty()) {
      fused.shape = part.shape;
      fused.shape.front() = 0;
    }
    fused.shape.front() += part.shape.front();
    fused.values.insert(fused.values.end(), part.values.begin(), part.values.end());
  }
  tensors.emplace(to, std::move(fused));
}

inline void Transpose(TestTensor& tensor) {
  const auto rows = static_cast<size_t>(tensor.shape[0]);
  const auto columns = static_cast<size_t>(tensor.shape[1]);
  std::vector<float> values(tensor.values.size());
  for (size_t r = 0; r < rows; ++r) {
    for (size_t c = 0; c < columns; ++c) values[c * rows + r] = tensor.values[r * columns + c];
  }
  tensor.values = std::move(values);
  std::swap(tensor.shape[0], tensor.shape[1]);
}

}  // namespace photovec::model
