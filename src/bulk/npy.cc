// SPDX-License-Identifier: MIT
#include "bulk/npy.h"

#include <bit>
#include <string_view>
#include <utility>

namespace photovec::bulk {
namespace {

constexpr size_t kHeaderBytes = 128;  // a multiple of 64; two 20-digit numbers fit

static_assert(std::endian::native == std::endian::little, "rows are written as they lie in memory");

}  // namespace

std::string NpyHeader(int64_t rows, int64_t columns) {
  constexpr size_t kPrefix = 10;  // magic, version, length of the rest
  std::string header("\x93NUMPY\x01\x00", 8);
  const size_t rest = kHeaderBytes - kPrefix;
  header += static_cast<char>(rest & 0xff);
  header += static_cast<char>(rest >> 8);
  header += "{'descr': '<f4', 'fortran_order': False, 'shape': (" + std::to_string(rows) + ", " +
            std::to_string(columns) + "), }";
  header.resize(kHeaderBytes - 1, ' ');
  header += '\n';
  return header;
}

Result<std::unique_ptr<NpyWriter>> NpyWriter::Create(const std::string& path) {
  ASSIGN_OR_RETURN(auto file, AtomicFile::Create(path));
  RETURN_IF_ERROR(file->Append(NpyHeader(0, 0)));
  return std::unique_ptr<NpyWriter>(new NpyWriter(std::move(file)));
}

Status NpyWriter::Append(std::span<const float> row) {
  if (rows_ == 0) columns_ = row.size();
  if (row.size() != columns_) {
    return {Code::kInternal, file_->path() + ": a row of " + std::to_string(row.size()) +
                                 " floats after rows of " + std::to_string(columns_)};
  }
  ++rows_;
  return file_->Append({reinterpret_cast<const char*>(row.data()), row.size_bytes()});
}

Status NpyWriter::Commit(int columns) {
  const auto width = rows_ == 0 ? static_cast<int64_t>(columns) : static_cast<int64_t>(columns_);
  RETURN_IF_ERROR(file_->OverwriteAt(0, NpyHeader(rows_, width)));
  return file_->Commit();
}

}  // namespace photovec::bulk
