// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "base/files.h"
#include "base/result.h"

namespace photovec::bulk {

/// Reads a file, pipe or terminal piece by piece between separators, in bounded memory. Not thread-safe.
class LineReader {
 public:
  static constexpr size_t kMaxLine = size_t{1} << 20;  ///< more without a separator is an error

  struct Line {
    std::string text;         ///< without its separator
    bool terminated = false;  ///< false: the input ended inside it
    uint64_t end = 0;         ///< how many bytes of the input lie before the next line
  };

  /// \param name how errors call it.
  LineReader(FileDescriptor file, std::string name, char separator = '\n');
  /// Errors: kNotFound and kUnavailable naming the file.
  static Result<LineReader> Open(const std::string& path, char separator = '\n');

  /// The same; "-" is stdin.
  static Result<LineReader> OpenOrStdin(const std::string& path, char separator = '\n');

  /// The next line; nullopt at the end. Blocks until there is one. An empty rest is no line.
  /// Errors: kUnavailable (reading failed), kInvalidRequest (longer than kMaxLine), both naming the file.
  Result<std::optional<Line>> Next();
  /// Whether Next() would answer at once: for pipes whose writer is slow.
  bool Ready();

 private:
  std::optional<size_t> FindSeparator();
  bool Fill();

  FileDescriptor file_;
  std::string name_;
  char separator_;
  std::string buffer_;
  size_t begin_ = 0;       // of what is not handed out yet
  size_t searched_ = 0;    // no separator between begin_ and here
  uint64_t position_ = 0;  // of begin_ in the input
  bool ended_ = false;
  int error_ = 0;
};

}  // namespace photovec::bulk
