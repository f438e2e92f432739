// SPDX-License-Identifier: MIT
#include <algorithm>
#include <string_view>

#include "fuzz/fuzz_target.h"
#include "model/safetensors.h"

namespace photovec::fuzz {
namespace {

constexpr size_t kLengthBytes = 8;

std::vector<uint8_t> File(std::string_view header, size_t data_bytes) {
  std::vector<uint8_t> file;
  for (size_t i = 0; i < kLengthBytes; ++i) file.push_back(static_cast<uint8_t>(header.size() >> (8 * i)));
  file.insert(file.end(), header.begin(), header.end());
  file.resize(file.size() + data_bytes, 7);
  return file;
}

}  // namespace

void FuzzOne(const uint8_t* data, size_t size) {
  const std::span<const uint8_t> file(data, size);
  const Result<model::SafetensorsHeader> header = model::ParseSafetensors(file);
  if (!header.ok()) {
    Check(header.status().code() == Code::kInvalidRequest, "a wrong file is the user's");
    return Check(!header.status().message().empty(), "errors say what is wrong");
  }
  size_t bytes = 0;
  for (const auto& [name, entry] : *header) {
    Check(entry.data.empty() || (entry.data.data() >= file.data() + kLengthBytes &&
                                 entry.data.data() + entry.data.size() <= file.data() + file.size()),
          "tensors lie in the file");
    Check(std::all_of(entry.shape.begin(), entry.shape.end(), [](int64_t side) { return side >= 0; }),
          "sides are not negative");
    bytes += entry.data.size();
    if (entry.dtype != "F32") continue;
    uint64_t need = 4;
    for (const int64_t side : entry.shape) need *= static_cast<uint64_t>(side);
    Check(need == entry.data.size(), "bytes agree with the shape");
  }
  uint64_t length = 0;
  for (size_t i = 0; i < kLengthBytes; ++i) length |= uint64_t{file[i]} << (8 * i);
  Check(bytes + kLengthBytes + length == size, "every byte of the data belongs to one tensor");
}

/// The header's length, up to the last brace: what follows is data.
void Repair(std::vector<uint8_t>* file) {
  if (file->size() < kLengthBytes + 2) return;
  const auto brace = std::find(file->rbegin(), file->rend(), uint8_t{'}'});
  const auto end = static_cast<size_t>(file->rend() - brace);
  if (end <= kLengthBytes) return;
  const size_t length = end - kLengthBytes;
  for (size_t i = 0; i < kLengthBytes; ++i) (*file)[i] = static_cast<uint8_t>(length >> (8 * i));
}

std::vector<std::vector<uint8_t>> Seeds() {
  return {File(R"({"a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]}})", 24),
          File(R"({"__metadata__":{"format":"pt"},"b":{"dtype":"BF16","shape":[4],"data_offsets":[0,8]},)"
               R"("a":{"dtype":"I64","shape":[],"data_offsets":[8,16]}})",
               16),
          File(R"({"a":{"dtype":"F16","shape":[0,9],"data_offsets":[0,0]}})", 0),
          File(R"({"x\u0041":{"dtype":"F4","shape":[3],"data_offsets":[0,5]}}   )", 5), File("{}", 0)};
}

}  // namespace photovec::fuzz
