// SPDX-License-Identifier: MIT
#include "bulk/journal.h"

#include <boost/json/object.hpp>
#include <cstdio>
#include <optional>
#include <string_view>
#include <utility>

#include "base/bytes.h"
#include "base/checksum/crc.h"
#include "base/json/reader.h"
#include "base/json/writer.h"
#include "bulk/line_reader.h"

namespace photovec::bulk {
namespace {

constexpr int64_t kFormat = 1;
constexpr size_t kCrcDigits = 8;

std::string CrcText(std::string_view json) {
  char text[kCrcDigits + 1];
  std::snprintf(text, sizeof(text), "%08x", Crc32c(AsBytes(json)));
  return text;
}

/// The object in a line; nullopt when it is not what was written.
std::optional<boost::json::object> ParseRecord(const LineReader::Line& line) {
  const std::string_view text = line.text;
  if (!line.terminated || text.size() <= kCrcDigits || text[kCrcDigits] != ' ') return std::nullopt;
  const std::string_view json = text.substr(kCrcDigits + 1);
  if (text.substr(0, kCrcDigits) != CrcText(json)) return std::nullopt;
  auto object = json::ParseObject(json);
  if (!object.ok()) return std::nullopt;
  return std::move(*object);
}

std::optional<Checkpoint> ParseCheckpoint(const boost::json::object& object) {
  json::FieldReader fields(object);
  bool all = true;
  const auto number = [&](std::string_view name) {
    const std::optional<int64_t> value = fields.Int(name);
    all = all && value && *value >= 0;
    return value.value_or(0);
  };
  Checkpoint checkpoint;
  checkpoint.lines = number("lines");
  checkpoint.rows = number("rows");
  checkpoint.lines_bytes = static_cast<uint64_t>(number("lines_bytes"));
  checkpoint.files_bytes = static_cast<uint64_t>(number("files_bytes"));
  checkpoint.rows_crc = static_cast<uint32_t>(number("rows_crc"));
  checkpoint.lines_crc = static_cast<uint32_t>(number("lines_crc"));
  checkpoint.files_crc = static_cast<uint32_t>(number("files_crc"));
  checkpoint.milliseconds = number("milliseconds");
  checkpoint.damaged = fields.Int("damaged").value_or(0);  // a run of an earlier version has none
  const boost::json::value* failures = fields.Find("failures");
  if (!all || failures == nullptr || !failures->is_object()) return std::nullopt;
  for (const auto& [code, count] : failures->get_object()) {
    if (!count.is_int64()) return std::nullopt;
    checkpoint.failures[std::string(code)] = count.get_int64();
  }
  return checkpoint;
}

}  // namespace

Result<JournalContent> ReadJournal(const std::string& path) {
  ASSIGN_OR_RETURN(LineReader reader, LineReader::Open(path));
  JournalContent content;
  for (bool first = true;; first = false) {
    const auto line = reader.Next();
    // A line without end is a torn tail, too; a disk that does not read is not.
    if (!line.ok() && line.status().code() == Code::kUnavailable) return line.status();
    const auto record = line.ok() && *line ? ParseRecord(**line) : std::nullopt;
    if (first) {
      json::FieldReader fields(record ? *record : boost::json::object());
      const boost::json::value* run = fields.Find("run");
      if (fields.Int("format") != kFormat || run == nullptr || !run->is_object()) {
        return Status(Code::kUnavailable, path + " is no journal of this version of photovec");
      }
      for (const auto& [name, value] : run->get_object()) {
        if (value.is_string()) content.run[std::string(name)] = std::string(value.get_string());
      }
      content.head_end = (*line)->end;
    } else if (!record) {
      return content;
    } else if (record->contains("finished")) {
      content.finished = true;
    } else if (auto checkpoint = ParseCheckpoint(*record)) {
      checkpoint->journal_end = (*line)->end;
      content.checkpoints.push_back(std::move(*checkpoint));
    } else {
      return content;
    }
  }
}

Result<std::unique_ptr<Journal>> Journal::Create(const std::string& path, const RunFacts& run) {
  ASSIGN_OR_RETURN(auto file, AppendFile::Open(path));
  std::unique_ptr<Journal> journal(new Journal(std::move(file)));
  std::string json;
  json::Writer writer(json);
  writer.BeginObject().Field("format", kFormat).Key("run").BeginObject();
  for (const auto& [name, value] : run) writer.Field(name, value);
  writer.EndObject().EndObject();
  RETURN_IF_ERROR(journal->Write(json));
  return journal;
}

Result<std::unique_ptr<Journal>> Journal::Open(const std::string& path, uint64_t keep) {
  ASSIGN_OR_RETURN(auto file, AppendFile::Open(path, keep));
  return std::unique_ptr<Journal>(new Journal(std::move(file)));
}

Status Journal::Write(const std::string& json) {
  RETURN_IF_ERROR(file_->Append(CrcText(json) + " " + json + "\n"));
  return file_->Sync();
}

Status Journal::Add(const Checkpoint& checkpoint) {
  std::string json;
  json::Writer writer(json);
  writer.BeginObject().Field("lines", checkpoint.lines).Field("rows", checkpoint.rows);
  writer.Field("lines_bytes", checkpoint.lines_bytes).Field("files_bytes", checkpoint.files_bytes);
  writer.Field("rows_crc", checkpoint.rows_crc).Field("lines_crc", checkpoint.lines_crc);
  writer.Field("files_crc", checkpoint.files_crc).Field("milliseconds", checkpoint.milliseconds);
  writer.Field("damaged", checkpoint.damaged);
  writer.Key("failures").BeginObject();
  for (const auto& [code, count] : checkpoint.failures) writer.Field(code, count);
  writer.EndObject().EndObject();
  return Write(json);
}

Status Journal::AddFinished() { return Write(R"({"finished":true})"); }

}  // namespace photovec::bulk
