// SPDX-License-Identifier: MIT
#include "bulk/npy.h"

#include <utility>

#include "base/bytes.h"
#include "base/vectors.h"

namespace photovec::bulk {
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
  return file_->Append(FloatBytes(row));
}

Status NpyWriter::Commit(int columns) {
  const auto width = rows_ == 0 ? static_cast<int64_t>(columns) : static_cast<int64_t>(columns_);
  RETURN_IF_ERROR(file_->OverwriteAt(0, NpyHeader(rows_, width)));
  return file_->Commit();
}

}  // namespace photovec::bulk
