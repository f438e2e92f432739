// SPDX-License-Identifier: MIT
#include "bulk/earlier_lines.h"

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <cstring>
#include <vector>

#include "base/json/reader.h"
#include "base/vectors.h"
#include "bulk/output_names.h"

namespace photovec::bulk {
namespace {

// As FileRecord() lays them out, without gaps.
constexpr size_t kInputAt = 0;
constexpr size_t kSizeAt = 4;
constexpr size_t kMtimeAt = 12;
constexpr size_t kLengthAt = 20;
constexpr size_t kHeadBytes = 24;

Code CodeOf(std::string_view name) {
  for (const CodeInfo& row : CodeTable()) {
    if (row.name == name) return row.code;
  }
  return Code::kInternal;
}

}  // namespace

std::string FileRecord(const Found& found) {
  const auto length = static_cast<uint32_t>(found.path.size());
  std::string record(kHeadBytes, '\0');
  std::memcpy(record.data() + kInputAt, &found.id.input, sizeof(found.id.input));
  std::memcpy(record.data() + kSizeAt, &found.id.size, sizeof(found.id.size));
  std::memcpy(record.data() + kMtimeAt, &found.id.mtime_ns, sizeof(found.id.mtime_ns));
  std::memcpy(record.data() + kLengthAt, &length, sizeof(length));
  return record += found.path;
}

Result<std::unique_ptr<EarlierLines>> EarlierLines::Open(const std::string& folder, int64_t lines,
                                                         int columns) {
  ASSIGN_OR_RETURN(LineReader text, LineReader::Open(folder + kLinesName));
  std::unique_ptr<EarlierLines> earlier(new EarlierLines(folder, lines, columns, std::move(text)));
  earlier->files_.open(folder + kFilesName, std::ios::binary);
  earlier->rows_.open(folder + kRowsName, std::ios::binary);
  earlier->rows_.seekg(static_cast<std::streamoff>(NpyHeader(0, 0).size()));
  if (!earlier->files_) return earlier->Broken(kFilesName);
  if (!earlier->rows_) return earlier->Broken(kRowsName);
  return earlier;
}

Status EarlierLines::Broken(const std::string& name) const {
  return {Code::kUnavailable, folder_ + name +
                                  " cannot be read, or is not what was written; without --resume the run "
                                  "begins anew"};
}

Result<std::optional<Found>> EarlierLines::Next() {
  if (left_ == 0) return std::optional<Found>();
  --left_;
  char head[kHeadBytes];
  if (!files_.read(head, sizeof(head))) return Broken(kFilesName);
  Found found;
  uint32_t length = 0;
  std::memcpy(&found.id.input, head + kInputAt, sizeof(found.id.input));
  std::memcpy(&found.id.size, head + kSizeAt, sizeof(found.id.size));
  std::memcpy(&found.id.mtime_ns, head + kMtimeAt, sizeof(found.id.mtime_ns));
  std::memcpy(&length, head + kLengthAt, sizeof(length));
  if (length > LineReader::kMaxLine) return Broken(kFilesName);
  found.path.resize(length);
  if (!files_.read(found.path.data(), static_cast<std::streamsize>(length))) return Broken(kFilesName);
  return std::optional<Found>(std::move(found));
}

Result<std::optional<Found>> EarlierLines::NextWithResult() {
  ASSIGN_OR_RETURN(std::optional<Found> found, Next());
  if (!found) return found;
  ASSIGN_OR_RETURN(found->kept, ReadResult());
  return found;
}

Result<pipeline::ItemResult> EarlierLines::ReadResult() {
  ASSIGN_OR_RETURN(const auto line, text_.Next());
  if (!line) return Broken(kLinesName);
  const auto object = json::ParseObject(line->text);
  if (!object.ok()) return Broken(kLinesName);
  json::FieldReader fields(*object);
  pipeline::ItemResult result;
  const boost::json::value* error = fields.Find("error");
  if (error == nullptr) {
    result.embedding.resize(static_cast<size_t>(columns_));
    const auto bytes = static_cast<std::streamsize>(result.embedding.size() * sizeof(float));
    if (!rows_.read(reinterpret_cast<char*>(result.embedding.data()), bytes)) return Broken(kRowsName);
    result.rows_ok = static_cast<int>(fields.Int("rows_ok").value_or(-1));
    return result;
  }
  if (!error->is_object()) return Broken(kLinesName);
  json::FieldReader words(error->get_object());
  result.status = Status(CodeOf(words.String("code")), std::string(words.String("message")));
  return result;
}

}  // namespace photovec::bulk
