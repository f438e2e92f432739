// SPDX-License-Identifier: MIT
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace photovec {

/// What went wrong, in the terms that clients, logs and metrics all use. The table in status.cc gives
/// each code its name and HTTP status; nothing else in photovec maps errors to HTTP.
enum class Code {
  kOk,
  kInvalidRequest,
  kUnauthorized,
  kForbidden,
  kSourceNotAllowed,
  kNotFound,
  kMethodNotAllowed,
  kRequestTimeout,
  kSourceChanged,
  kBodyTooLarge,
  kUnsupportedFormat,
  kImageCorrupt,
  kTooManyPixels,
  kDecodeLimit,
  kDecodeTimeout,
  kDecoderCrashed,
  kTooManyRedirects,
  kOverloaded,
  kRateLimited,
  kCancelled,
  kInternal,  ///< Our bug. Anything that a user can cause has a code of its own.
  kNanEmbedding,
  kNotImplemented,
  kSourceFailed,
  kChecksumMismatch,
  kUnavailable,
  kDecoderStalled,
  kDeviceFailed,
  kDeviceOutOfMemory,
  kDeadlineExceeded,
  kSourceTimeout,
};

/// One row of the error table: code, snake_case name as clients see it, HTTP status.
struct CodeInfo {
  Code code;
  std::string_view name;
  int http_status;
};

/// Every code exactly once, in enum order.
std::span<const CodeInfo> CodeTable();
std::string_view CodeName(Code code);
int HttpStatus(Code code);

/// The outcome of an operation: OK, or a code with a message for humans that says what was wrong, where,
/// and what to do. Cheap to move; an OK status holds no memory. Messages never contain secrets or query
/// strings, because they are shown to clients.
class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(Code code, std::string message) : code_(code), message_(std::move(message)) {}

  static Status Ok() { return {}; }
  bool ok() const { return code_ == Code::kOk; }
  Code code() const { return code_; }
  const std::string& message() const { return message_; }
  std::string_view name() const { return CodeName(code_); }

  /// "image_corrupt: the JPEG ends after 1200 of 4000 rows"
  std::string ToString() const;
  /// The same code, with "context: " put before the message. OK stays OK.
  Status WithContext(std::string_view context) const;

 private:
  Code code_ = Code::kOk;
  std::string message_;
};

}  // namespace photovec
