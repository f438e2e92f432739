// SPDX-License-Identifier: MIT
#include "model/safetensors.h"

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <limits>
#include <optional>
#include <utility>

#include "base/json/reader.h"

namespace photovec::model {
namespace {

namespace bjson = boost::json;

// The reference implementation refuses longer headers too.
constexpr uint64_t kMaxHeaderBytes = 100'000'000;
constexpr size_t kLengthBytes = 8;

struct DtypeRow {
  std::string_view name;
  size_t bytes;
};
constexpr std::array kDtypes = {
    DtypeRow{"BOOL", 1},    DtypeRow{"U8", 1},  DtypeRow{"I8", 1},  DtypeRow{"F8_E5M2", 1},
    DtypeRow{"F8_E4M3", 1}, DtypeRow{"I16", 2}, DtypeRow{"U16", 2}, DtypeRow{"F16", 2},
    DtypeRow{"BF16", 2},    DtypeRow{"I32", 4}, DtypeRow{"U32", 4}, DtypeRow{"F32", 4},
    DtypeRow{"I64", 8},     DtypeRow{"U64", 8}, DtypeRow{"F64", 8},
};

std::optional<size_t> DtypeSize(std::string_view name) {
  for (const DtypeRow& row : kDtypes) {
    if (row.name == name) return row.bytes;
  }
  return std::nullopt;
}

Status Bad(std::string message) { return {Code::kInvalidRequest, std::move(message)}; }

/// A JSON list of integers >= 0.
std::optional<std::vector<int64_t>> Integers(const bjson::object& object, std::string_view key) {
  const bjson::value* found = object.if_contains(key);
  const bjson::array* array = found == nullptr ? nullptr : found->if_array();
  if (array == nullptr) return std::nullopt;
  std::vector<int64_t> values;
  for (const bjson::value& item : *array) {
    const int64_t* value = item.if_int64();
    if (value == nullptr || *value < 0) return std::nullopt;
    values.push_back(*value);
  }
  return values;
}

/// Bytes of a dense tensor; nullopt when that is more than fits.
std::optional<uint64_t> DenseBytes(std::span<const int64_t> shape, size_t dtype_bytes) {
  uint64_t bytes = dtype_bytes;
  for (const int64_t side : shape) {
    const auto n = static_cast<uint64_t>(side);
    if (n != 0 && bytes > std::numeric_limits<int64_t>::max() / n) return std::nullopt;
    bytes *= n;
  }
  return bytes;
}

Result<SafetensorsEntry> ParseEntry(const bjson::value& value, std::span<const uint8_t> data) {
  const bjson::object* object = value.if_object();
  if (object == nullptr) return Bad("its description is not an object");
  SafetensorsEntry entry;
  const bjson::value* dtype = object->if_contains("dtype");
  if (dtype == nullptr || !dtype->is_string()) return Bad("it has no \"dtype\"");
  entry.dtype = dtype->as_string().c_str();

  auto shape = Integers(*object, "shape");
  if (!shape) return Bad("its \"shape\" is not a list of integers >= 0");
  entry.shape = std::move(*shape);

  const auto offsets = Integers(*object, "data_offsets");
  if (!offsets || offsets->size() != 2) return Bad("its \"data_offsets\" are not two integers >= 0");
  const auto begin = static_cast<uint64_t>((*offsets)[0]);
  const auto end = static_cast<uint64_t>((*offsets)[1]);
  if (begin > end) {
    return Bad("it begins at " + std::to_string(begin) + ", after its end at " + std::to_string(end));
  }
  if (end > data.size()) {
    return Bad("it ends at byte " + std::to_string(end) + " of the data, but the file has only " +
               std::to_string(data.size()) + ": truncated?");
  }
  entry.data = data.subspan(begin, end - begin);

  if (const auto item_bytes = DtypeSize(entry.dtype)) {
    const auto expected = DenseBytes(entry.shape, *item_bytes);
    if (!expected || *expected != entry.data.size()) {
      return Bad("dtype " + entry.dtype + " and shape " + ShapeToString(entry.shape) + " need " +
                 (expected ? std::to_string(*expected) : std::string("too many")) + " bytes, but it has " +
                 std::to_string(entry.data.size()));
    }
  }
  return entry;
}

/// The format allows neither overlaps nor holes: every byte of the data belongs to exactly one tensor.
Status CheckCoverage(const SafetensorsHeader& tensors, std::span<const uint8_t> data) {
  std::vector<std::pair<std::span<const uint8_t>, std::string_view>> ranges;
  ranges.reserve(tensors.size());
  for (const auto& [name, entry] : tensors) ranges.emplace_back(entry.data, name);
  std::sort(ranges.begin(), ranges.end(), [](const auto& a, const auto& b) {
    return std::pair(a.first.data(), a.first.size()) < std::pair(b.first.data(), b.first.size());
  });
  const uint8_t* covered = data.data();
  std::string_view previous = "the header";
  for (const auto& [range, name] : ranges) {
    if (range.data() < covered) {
      return Bad("tensor '" + std::string(name) + "' overlaps '" + std::string(previous) + "'");
    }
    if (range.data() > covered) {
      return Bad("bytes between '" + std::string(previous) + "' and tensor '" + std::string(name) +
                 "' belong to no tensor");
    }
    covered = range.data() + range.size();
    previous = name;
  }
  const auto unclaimed = static_cast<size_t>(data.data() + data.size() - covered);
  if (unclaimed != 0) {
    return Bad(std::to_string(unclaimed) + " bytes after '" + std::string(previous) +
               "' belong to no tensor");
  }
  return Status::Ok();
}

}  // namespace

Result<SafetensorsHeader> ParseSafetensors(std::span<const uint8_t> file) {
  if (file.size() < kLengthBytes) {
    return Bad("only " + std::to_string(file.size()) + " bytes: too short for a safetensors file");
  }
  uint64_t header_bytes = 0;
  for (size_t i = 0; i < kLengthBytes; ++i) header_bytes |= static_cast<uint64_t>(file[i]) << (8 * i);
  const uint64_t limit = std::min<uint64_t>(kMaxHeaderBytes, file.size() - kLengthBytes);
  if (header_bytes > limit) {
    return Bad("its header claims " + std::to_string(header_bytes) + " bytes, at most " +
               std::to_string(limit) + " are possible: truncated, or not a safetensors file");
  }
  const std::span<const uint8_t> text = file.subspan(kLengthBytes, header_bytes);
  const std::span<const uint8_t> data = file.subspan(kLengthBytes + header_bytes);

  auto header = json::ParseObject({reinterpret_cast<const char*>(text.data()), text.size()});
  if (!header.ok()) return header.status().WithContext("its header");
  SafetensorsHeader tensors;
  for (const auto& member : *header) {
    const std::string name(member.key());
    if (name == "__metadata__") continue;  // free text for people
    auto entry = ParseEntry(member.value(), data);
    if (!entry.ok()) return entry.status().WithContext("tensor '" + name + "'");
    tensors.emplace(name, std::move(*entry));
  }
  RETURN_IF_ERROR(CheckCoverage(tensors, data));
  return tensors;
}

}  // namespace photovec::model
