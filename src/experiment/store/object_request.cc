// SPDX-License-Identifier: MIT
#include "experiment/store/object_request.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <optional>

#include "base/text/percent.h"

namespace photovec::experiment {
namespace {

constexpr std::string_view kGcsPath = "/storage/v1/b/";
constexpr std::string_view kGcsDownload = "/download/storage/v1/b/";

/// "http://host:9000/a?b" and "/a?b" become "/a?b".
std::string_view WithoutOrigin(std::string_view target) {
  const size_t scheme = target.find("://");
  if (scheme == std::string_view::npos || target.starts_with('/')) return target;
  const size_t slash = target.find('/', scheme + 3);
  return slash == std::string_view::npos ? std::string_view("/") : target.substr(slash);
}

std::string_view GcsRest(std::string_view path) {
  if (path.starts_with(kGcsPath)) return path.substr(kGcsPath.size());
  if (path.starts_with(kGcsDownload)) return path.substr(kGcsDownload.size());
  return {};
}

bool HasParameter(std::string_view query, std::string_view wanted) {
  while (!query.empty()) {
    const size_t end = std::min(query.find('&'), query.size());
    if (query.substr(0, end) == wanted) return true;
    query.remove_prefix(std::min(end + 1, query.size()));
  }
  return false;
}

Result<ObjectTarget> ParseGcs(std::string_view rest, std::string_view query) {
  const size_t marker = rest.find("/o/");
  if (marker == std::string_view::npos || marker == 0 || marker + 3 == rest.size()) {
    return Status(
        Code::kNotFound,
        "this store answers for objects only: /storage/v1/b/BUCKET/o/NAME, with '/' in NAME as %2F");
  }
  ObjectTarget target;
  target.gcs = true;
  ASSIGN_OR_RETURN(target.bucket, PercentDecode(rest.substr(0, marker)));
  ASSIGN_OR_RETURN(target.path, PercentDecode(rest.substr(marker + 3)));
  target.metadata = !HasParameter(query, "alt=media");
  return target;
}

std::optional<uint64_t> ParseNumber(std::string_view text) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

bool IsGcsTarget(std::string_view target) { return !GcsRest(WithoutOrigin(target)).empty(); }

Result<ObjectTarget> ParseTarget(std::string_view target) {
  target = WithoutOrigin(target);
  if (!target.starts_with('/')) return Status(Code::kInvalidRequest, "the request names no path");
  const size_t question = target.find('?');
  const std::string_view path = target.substr(0, question);
  const std::string_view query =
      question == std::string_view::npos ? std::string_view() : target.substr(question + 1);
  if (const std::string_view rest = GcsRest(path); !rest.empty()) return ParseGcs(rest, query);
  ObjectTarget plain;
  ASSIGN_OR_RETURN(plain.path, PercentDecode(path.substr(1)));
  return plain;
}

ByteRange ParseRange(std::string_view header, uint64_t size) {
  const ByteRange whole{0, size, false, false};
  if (!header.starts_with("bytes=")) return whole;
  header.remove_prefix(6);
  const size_t dash = header.find('-');
  if (dash == std::string_view::npos) return whole;
  const std::string_view from = header.substr(0, dash);
  const std::string_view to = header.substr(dash + 1);
  const auto first = ParseNumber(from);
  const auto last = ParseNumber(to);
  if ((!from.empty() && !first) || (!to.empty() && !last) || (!first && !last)) return whole;
  if (first && last && *last < *first) return whole;
  ByteRange range{0, size, true, false};
  if (!first) {  // the last so many bytes
    range.begin = size - std::min(*last, size);
    range.unsatisfiable = *last == 0 || size == 0;
    return range;
  }
  range.begin = *first;
  if (last && *last < size) range.end = *last + 1;
  range.unsatisfiable = *first >= size;
  return range;
}

}  // namespace photovec::experiment
