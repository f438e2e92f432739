// SPDX-License-Identifier: MIT
#include "bulk/text_source.h"

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include "base/bytes.h"
#include "base/checksum/crc.h"
#include "base/json/reader.h"
#include "base/text/ascii.h"
#include "tokenize/tokenizer.h"

namespace photovec::bulk {
namespace {

constexpr size_t kMaxIdBytes = 4096;
constexpr size_t kShownBytes = 64;

/// The file may change between two runs: a text is known again by its length and CRC.
Found FromText(std::string name, std::string text) {
  Found found;
  found.path = std::move(name);
  found.id.size = static_cast<int64_t>(text.size());
  found.id.mtime_ns = Crc32c(AsBytes(text));
  if (text.size() > tokenize::kMaxTextBytes) {
    found.status = Status(Code::kInvalidRequest, "the text is longer than 64 KiB");
  } else if (TrimAscii(text).empty()) {
    found.status = Status(Code::kInvalidRequest, "the text is empty");
  } else {
    found.words = std::move(text);
  }
  return found;
}

Found FromLine(std::string text) {
  // Such a line would be too long to be read again: it is named by its beginning.
  std::string name = text.size() > tokenize::kMaxTextBytes ? text.substr(0, kShownBytes) + "..." : text;
  return FromText(std::move(name), std::move(text));
}

Found Malformed(std::string name, const std::string& line, std::string why) {
  Found found = FromText(std::move(name), line);
  found.words.reset();
  found.status = Status(Code::kInvalidRequest, std::move(why));
  return found;
}

Found FromJson(const std::string& line, int64_t number) {
  std::string name = std::to_string(number);
  const auto object = json::ParseObject(line);
  if (!object.ok()) return Malformed(std::move(name), line, object.status().message());
  json::FieldReader fields(*object);
  if (const boost::json::value* id = fields.Find("id"); id != nullptr && id->is_string()) {
    const std::string_view given = fields.String("id");
    if (given.size() > kMaxIdBytes) {
      return Malformed(std::move(name), line,
                       "the id is longer than " + std::to_string(kMaxIdBytes) + " bytes");
    }
    name = given;
  } else if (const auto whole = fields.Int("id")) {
    name = std::to_string(*whole);
  }
  const boost::json::value* text = fields.Find("text");
  if (text == nullptr) fields.Fail("text", "is missing");
  const std::string_view words = fields.String("text");
  if (!fields.ok()) return Malformed(std::move(name), line, fields.status().message());
  return FromText(std::move(name), std::string(words));
}

}  // namespace

TextSource::Form TextSource::FormOf(const std::string& path) {
  const std::string name = LowerAscii(path);
  return name.ends_with(".jsonl") || name.ends_with(".ndjson") ? Form::kJson : Form::kLines;
}

Result<std::unique_ptr<TextSource>> TextSource::Open(const std::string& path, Form form) {
  ASSIGN_OR_RETURN(LineReader reader, LineReader::OpenOrStdin(path));
  return std::unique_ptr<TextSource>(new TextSource(std::move(reader), form));
}

std::optional<Found> TextSource::Next() {
  while (status_.ok()) {
    auto line = reader_.Next();
    if (!line.ok()) {
      status_ = line.status();
      break;
    }
    if (!*line) break;
    std::string text = std::move((*line)->text);
    if (++line_ == 1 && text.starts_with("\xEF\xBB\xBF")) text.erase(0, 3);
    if (text.ends_with('\r')) text.pop_back();
    if (TrimAscii(text).empty()) {
      ++passed_over_.empty_lines;
      continue;
    }
    return form_ == Form::kJson ? FromJson(text, line_) : FromLine(std::move(text));
  }
  return std::nullopt;
}

}  // namespace photovec::bulk
