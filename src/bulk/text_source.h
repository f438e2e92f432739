// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "bulk/line_reader.h"
#include "bulk/source.h"

namespace photovec::bulk {

/// The texts of a file, one a line, as they come: nothing of it is held. Found::path is what names a line of
/// the result: the text itself, or of JSON lines their id. A byte order mark and CR before LF are not part of
/// a text; lines of nothing but white space are passed over.
///
/// JSON lines are objects with `text` and perhaps `id`, a string or a whole number; other members mean
/// nothing. A line without an id is named by its number, from 1. One that is no such object is an error line.
class TextSource : public Source {
 public:
  enum class Form : uint8_t { kLines, kJson };
  /// kJson for names that end in .jsonl or .ndjson.
  static Form FormOf(const std::string& path);

  /// \param path "-": stdin.
  /// Errors: kNotFound, kUnavailable.
  static Result<std::unique_ptr<TextSource>> Open(const std::string& path, Form form);

  std::optional<Found> Next() override;
  bool Ready() override { return !status_.ok() || reader_.Ready(); }
  Status status() const override { return status_; }
  const PassedOver& passed_over() const override { return passed_over_; }

 private:
  TextSource(LineReader reader, Form form) : reader_(std::move(reader)), form_(form) {}
  LineReader reader_;
  const Form form_;
  int64_t line_ = 0;  // the number of the last that was read
  Status status_;
  PassedOver passed_over_;
};

}  // namespace photovec::bulk
