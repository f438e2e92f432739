// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "base/status.h"

namespace photovec::json {

/// What a document may have at most; depth: kMaxDepth (reader.h).
struct Limits {
  size_t values = SIZE_MAX;            ///< of any kind, lists and objects included
  size_t members = SIZE_MAX;           ///< keys of one object
  size_t key_bytes = SIZE_MAX;         ///< of one key
  uint64_t string_bytes = UINT64_MAX;  ///< of one string, escapes resolved
};

/// Judges a JSON document while it arrives, so that one which must be refused is refused at its first wrong
/// byte, and nothing is built of it: it holds the keys of the objects that are open, no more. As strict as
/// Parse() (reader.h), whose words it uses. Not thread-safe.
class Checker {
 public:
  explicit Checker(const Limits& limits);
  ~Checker();
  Checker(const Checker&) = delete;
  Checker& operator=(const Checker&) = delete;

  /// The next piece, of any size. About 1 ms a MB. After an error it must not be called again.
  /// Errors: kInvalidRequest: a limit is passed, or it is not JSON.
  Status Feed(std::string_view piece);
  /// That was all. Errors: kInvalidRequest: something is missing.
  Status Finish();
  /// An upper bound on what Parse() takes for the document, besides its text.
  uint64_t DocumentBytes() const;
  uint64_t string_bytes() const;

 private:
  struct State;
  Status Write(std::string_view piece, bool more);
  const std::unique_ptr<State> state_;
};

}  // namespace photovec::json
