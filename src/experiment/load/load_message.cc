// SPDX-License-Identifier: MIT
#include "experiment/load/load_message.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "base/json/writer.h"
#include "base/text/percent.h"
#include "net/multipart.h"

namespace photovec::experiment {
namespace {

constexpr size_t kErrorBytes = 200;
constexpr std::string_view kRows = "application/octet-stream";

/// The beginning of a reply, fit for a report: printable ASCII.
std::string Beginning(std::string_view body) {
  std::string text(body.substr(0, kErrorBytes));
  std::replace_if(
      text.begin(), text.end(), [](char c) { return c < 0x20 || c > 0x7E; }, ' ');
  return text;
}

}  // namespace

LoadMessages::LoadMessages(const LoadOptions& options) : options_(options) {
  const bool original = options.api == LoadApi::kOriginal;
  const bool upload = options.api == LoadApi::kUpload;
  head_ = original ? "POST /clip/embedding" : "POST /embed";
  if (!options.model.empty()) head_ += "?model=" + PercentEncode(options.model);
  head_ += " HTTP/1.1\r\nHost: 127.0.0.1:" + std::to_string(options.port) + "\r\nContent-Type: ";
  head_ += upload ? net::kFormType : "application/json";
  if (!original) head_ += "\r\nAccept: " + std::string(kRows);
  head_ += "\r\nContent-Length: ";
  if (upload) return;
  quoted_.reserve(options.references.size());
  for (const std::string& reference : options.references) {
    quoted_.push_back(json::String(reference));
  }
}

void LoadMessages::Write(std::span<const uint32_t> images, LoadMessage* out) const {
  out->images = static_cast<int>(images.size());
  out->pieces.clear();
  out->pieces.emplace_back();  // the head's place
  size_t body_bytes = 0;
  if (options_.api == LoadApi::kUpload) {
    for (const uint32_t image : images) net::AppendFilePart(out->pieces, options_.photos[image]);
    net::AppendFormEnd(out->pieces);
    for (const std::string_view piece : out->pieces) body_bytes += piece.size();
  } else {
    out->body = "{\"images\":[";
    for (const uint32_t image : images) out->body.append(quoted_[image]).append(",");
    out->body.back() = ']';
    out->body += '}';
    out->pieces.emplace_back(out->body);
    body_bytes = out->body.size();
  }
  out->head = head_ + std::to_string(body_bytes) + "\r\n\r\n";
  out->pieces.front() = out->head;
}

LoadMessages::Verdict LoadMessages::Judge(int images, const net::ClientReply& reply) const {
  const auto failed = [&](std::string error) { return Verdict{images, std::move(error)}; };
  if (reply.status != 200) {
    const std::string beginning = Beginning(reply.body);
    return failed(beginning.empty() ? "HTTP " + std::to_string(reply.status) + " without a body" : beginning);
  }
  if (reply.body.empty()) return failed("HTTP 200 without a body");
  const std::string_view content_type = reply.Header("content-type");
  const std::string_view error_count = reply.Header("x-photovec-error-count");
  if (options_.api == LoadApi::kOriginal) return {};
  if (!content_type.starts_with(kRows)) {
    return failed("vectors were asked for as " + std::string(kRows) + ", and came as '" +
                  Beginning(content_type) + "'");
  }
  if (reply.body.size() % (4 * static_cast<size_t>(images)) != 0) {
    return failed(std::to_string(reply.body.size()) + " bytes are not " + std::to_string(images) +
                  " vectors of float32");
  }
  if (error_count.empty()) return {};
  int count = 0;
  const char* end = error_count.data() + error_count.size();
  const auto [stop, error] = std::from_chars(error_count.data(), end, count);
  if (error != std::errc() || stop != end || count < 0 || count > images) {
    return failed("X-Photovec-Error-Count is '" + Beginning(error_count) + "' for " + std::to_string(images) +
                  " images");
  }
  return {count, ""};
}

}  // namespace photovec::experiment
