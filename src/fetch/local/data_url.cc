// SPDX-License-Identifier: MIT
#include "fetch/local/data_url.h"

#include <algorithm>
#include <string>
#include <utility>

#include "base/text/ascii.h"
#include "base/text/base64.h"
#include "base/text/percent.h"
#include "base/text/sizes.h"
#include "fetch/local/fetch_pool.h"
#include "fetch/reference.h"

namespace photovec::fetch {
namespace {

constexpr size_t kInlineBytes = 64 * 1024;  // more than this is not for an event loop (docs/architecture.md)
constexpr std::string_view kPrefix = "data:";

Status Malformed(const std::string& what) {
  return {Code::kInvalidRequest, "malformed data URL: " + what + "; write data:image/jpeg;base64,..."};
}

Status TooLarge(int64_t max_bytes) {
  return {Code::kBodyTooLarge,
          "the image in the data URL has more than " + HumanBytes(static_cast<uint64_t>(max_bytes))};
}

bool IsSpace(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\f'; }

/// True when one of the ';' parameters of the header is "base64", in any case, spaces around it allowed. RFC
/// 2397 has it last; some clients write ";base64;charset=utf-8".
bool IsBase64(std::string_view header) {
  for (size_t semicolon = header.find(';'); semicolon != std::string_view::npos;
       semicolon = header.find(';')) {
    header.remove_prefix(semicolon + 1);
    std::string word;
    for (const char c : header.substr(0, header.find(';'))) {
      if (!IsSpace(c)) word += LowerAscii(c);
    }
    if (word == "base64") return true;
  }
  return false;
}

/// Exactly how many bytes valid base64 decodes to, and at least that for text which is not valid.
uint64_t DecodedBase64Size(std::string_view text) {
  uint64_t digits = text.size();
  for (const char c : text) digits -= IsSpace(c) || c == '=' ? 1 : 0;
  return digits * 3 / 4;
}

uint64_t DecodedPercentSize(std::string_view text) {
  return text.size() -
         2 * std::min<uint64_t>(static_cast<uint64_t>(std::count(text.begin(), text.end(), '%')),
                                text.size() / 3);
}

}  // namespace

Result<Bytes> DecodeDataUrl(std::string_view url, int64_t max_bytes) {
  if (SchemeOf(url) != Scheme::kData) return Malformed("it does not begin with 'data:'");
  url.remove_prefix(kPrefix.size());
  const size_t comma = url.find(',');
  if (comma == std::string_view::npos) return Malformed("there is no comma before the data");
  const bool base64 = IsBase64(url.substr(0, comma));
  std::string_view data = url.substr(comma + 1);
  data = data.substr(0, data.find('#'));  // a fragment is not part of the data

  const auto limit = static_cast<uint64_t>(std::max<int64_t>(max_bytes, 0));
  std::string unescaped;
  const bool escaped = data.find('%') != std::string_view::npos;
  if (!base64 || escaped) {
    // Base64 is a third longer than its bytes, plus line breaks.
    if (DecodedPercentSize(data) > (base64 ? limit * 2 + 64 : limit)) return TooLarge(max_bytes);
    Result<std::string> decoded = PercentDecode(data);
    if (!decoded.ok()) return Malformed(decoded.status().message());
    if (!base64) return Bytes::Own(std::move(decoded).value());
    unescaped = std::move(decoded).value();
    data = unescaped;
  }
  if (data.size() / 4 * 3 > limit && DecodedBase64Size(data) > limit) return TooLarge(max_bytes);
  Result<std::string> decoded = Base64Decode(data);
  if (!decoded.ok()) return Malformed(decoded.status().message());
  if (decoded->size() > limit) return TooLarge(max_bytes);
  return Bytes::Own(std::move(decoded).value());
}

void DataUrlFetcher::Fetch(FetchRequest request, FetchCallback done) {
  const auto decode = [](const FetchRequest& r) { return DecodeDataUrl(r.reference, r.max_bytes); };
  if (request.reference.size() > kInlineBytes) {
    pool_.Post(std::move(request), std::move(done), decode);
    return;
  }
  const Status wanted = StillWanted(request);
  done(wanted.ok() ? decode(request) : Result<Bytes>(wanted));
}

}  // namespace photovec::fetch
