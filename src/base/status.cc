// SPDX-License-Identifier: MIT
#include "base/status.h"

#include <array>

namespace photovec {
namespace {

constexpr std::array kTable = {
    CodeInfo{Code::kOk, "ok", 200},
    CodeInfo{Code::kInvalidRequest, "invalid_request", 400},
    CodeInfo{Code::kUnauthorized, "unauthorized", 401},
    CodeInfo{Code::kForbidden, "forbidden", 403},
    CodeInfo{Code::kSourceNotAllowed, "source_not_allowed", 403},
    CodeInfo{Code::kNotFound, "not_found", 404},
    CodeInfo{Code::kMethodNotAllowed, "method_not_allowed", 405},
    CodeInfo{Code::kRequestTimeout, "request_timeout", 408},
    CodeInfo{Code::kSourceChanged, "source_changed", 409},
    CodeInfo{Code::kBodyTooLarge, "body_too_large", 413},
    CodeInfo{Code::kUnsupportedFormat, "unsupported_format", 415},
    CodeInfo{Code::kImageCorrupt, "image_corrupt", 422},
    CodeInfo{Code::kTooManyPixels, "too_many_pixels", 422},
    CodeInfo{Code::kDecodeLimit, "decode_limit", 422},
    CodeInfo{Code::kDecodeTimeout, "decode_timeout", 422},
    CodeInfo{Code::kDecoderCrashed, "decoder_crashed", 422},
    CodeInfo{Code::kTooManyRedirects, "too_many_redirects", 422},
    CodeInfo{Code::kOverloaded, "overloaded", 429},
    CodeInfo{Code::kRateLimited, "rate_limited", 429},
    CodeInfo{Code::kCancelled, "cancelled", 499},
    CodeInfo{Code::kInternal, "internal", 500},
    CodeInfo{Code::kNanEmbedding, "nan_embedding", 500},
    CodeInfo{Code::kNotImplemented, "not_implemented", 501},
    CodeInfo{Code::kSourceFailed, "source_failed", 502},
    CodeInfo{Code::kChecksumMismatch, "checksum_mismatch", 502},
    CodeInfo{Code::kUnavailable, "unavailable", 503},
    CodeInfo{Code::kDecoderStalled, "decoder_stalled", 503},
    CodeInfo{Code::kDeviceFailed, "device_failed", 503},
    CodeInfo{Code::kDeviceOutOfMemory, "device_out_of_memory", 503},
    CodeInfo{Code::kDeadlineExceeded, "deadline_exceeded", 504},
    CodeInfo{Code::kSourceTimeout, "source_timeout", 504},
};

const CodeInfo& Find(Code code) {
  for (const CodeInfo& row : kTable) {
    if (row.code == code) return row;
  }
  return kTable[static_cast<size_t>(Code::kInternal)];
}

}  // namespace

std::span<const CodeInfo> CodeTable() { return kTable; }
std::string_view CodeName(Code code) { return Find(code).name; }
int HttpStatus(Code code) { return Find(code).http_status; }

std::string Status::ToString() const {
  if (ok()) return "ok";
  std::string text(name());
  return text.append(": ").append(message_);
}

Status Status::WithContext(std::string_view context) const {
  if (ok()) return *this;
  std::string text(context);
  return {code_, text.append(": ").append(message_)};
}

}  // namespace photovec
