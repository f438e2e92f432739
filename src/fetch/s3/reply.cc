// SPDX-License-Identifier: MIT
#include "fetch/s3/reply.h"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>
#include <vector>

#include "base/checksum/crc.h"
#include "base/text/base64.h"
#include "fetch/s3/endpoint.h"
#include "fetch/s3/temporary.h"
#include "fetch/s3/xml_text.h"

namespace photovec::fetch {
namespace {

bool OneOf(std::string_view code, std::initializer_list<std::string_view> codes) {
  return std::find(codes.begin(), codes.end(), code) != codes.end();
}

Refusal Failed(std::string message) { return {.status = Status(Code::kSourceFailed, std::move(message))}; }

Refusal NotFound(std::string_view code) {
  const char* what = "there is no such object, or no such bucket";
  if (code == "NoSuchKey") what = "the bucket has no such object";
  if (code == "NoSuchVersion") what = "the bucket has no such version of the object";
  if (code == "NoSuchBucket") what = "the bucket does not exist";
  return {.status = Status(Code::kNotFound, what)};
}

Refusal WornOut(const std::string& code, const S3Caller& caller) {
  Refusal refusal = Failed("the bucket refused the server's credentials: " + code);
  refusal.renew_credentials = caller.renewable;
  return refusal;
}

Refusal Denied(const std::string& code, const S3Caller& caller) {
  std::string message = "the bucket denied access: " + (code.empty() ? "403" : code);
  if (code == "SignatureDoesNotMatch") message += "; the secret access key does not fit the access key id";
  if (!caller.signed_in) message += "; the server asks without credentials (--s3-auth)";
  return Failed(std::move(message));
}

template <typename T>
std::vector<uint8_t> BigEndian(T value) {
  std::vector<uint8_t> bytes;
  for (int shift = static_cast<int>(sizeof(T)) * 8 - 8; shift >= 0; shift -= 8) {
    bytes.push_back(static_cast<uint8_t>(value >> shift));
  }
  return bytes;
}

std::vector<uint8_t> DigestOf(const EVP_MD* kind, std::span<const uint8_t> body) {
  std::vector<uint8_t> digest(EVP_MAX_MD_SIZE);
  unsigned int size = 0;
  if (EVP_Digest(body.data(), body.size(), digest.data(), &size, kind, nullptr) != 1) size = 0;
  digest.resize(size);
  return digest;
}

struct Checksum {
  const char* header;
  const char* name;
  std::vector<uint8_t> (*of)(std::span<const uint8_t>);
};

// By cost.
constexpr std::array<Checksum, 5> kChecksums = {{
    {"x-amz-checksum-crc32c", "CRC-32C",
     [](std::span<const uint8_t> body) { return BigEndian(Crc32c(body)); }},
    {"x-amz-checksum-crc64nvme", "CRC-64/NVME",
     [](std::span<const uint8_t> body) { return BigEndian(Crc64Nvme(body)); }},
    {"x-amz-checksum-crc32", "CRC-32", [](std::span<const uint8_t> body) { return BigEndian(Crc32(body)); }},
    {"x-amz-checksum-sha256", "SHA-256",
     [](std::span<const uint8_t> body) { return DigestOf(EVP_sha256(), body); }},
    {"x-amz-checksum-sha1", "SHA-1",
     [](std::span<const uint8_t> body) { return DigestOf(EVP_sha1(), body); }},
}};

}  // namespace

std::optional<std::string> RegionOfReply(const Reply& reply) {
  const long status = reply.status();
  if (status != 301 && status != 307 && status != 400) return std::nullopt;
  auto region = reply.Header("x-amz-bucket-region");
  if (!region) region = XmlText(reply.error_body(), "Region");
  if (!region || !IsRegionName(*region)) return std::nullopt;
  return region;
}

Refusal JudgeS3Refusal(const Reply& reply, const S3Caller& caller) {
  const std::string code = SafeCode(XmlText(reply.error_body(), "Code").value_or(""));
  if (OneOf(code, {"ExpiredToken", "InvalidToken", "TokenRefreshRequired", "InvalidAccessKeyId"})) {
    return WornOut(code, caller);
  }
  if (code == "RequestTimeTooSkewed") {
    return Failed(
        "the bucket refused the signature's time (RequestTimeTooSkewed): set the clock of the server");
  }
  if (OneOf(code, {"SlowDown", "InternalError", "RequestTimeout", "ServiceUnavailable", "Throttling",
                   "RequestLimitExceeded", "TooManyRequests"})) {
    return {.status = Status(Code::kSourceFailed, "the bucket is too busy or out of order: " + code),
            .retry = true};
  }
  if (code == "InvalidObjectState") {
    return Failed("the object is archived (InvalidObjectState); restore it before it can be read");
  }
  switch (reply.status()) {
    case 301:
    case 302:
    case 307:
    case 308:
      return Failed("the bucket is at another endpoint" + (code.empty() ? "" : " (" + code + ")") +
                    "; see --s3-region and --s3-endpoint");
    case 401:
    case 403:
      return Denied(code, caller);
    case 404:
      return NotFound(code);
    case 412:
      return {.status = Status(Code::kSourceChanged, "the object was replaced while it was fetched")};
    default:
      break;
  }
  Refusal refusal = RefusalByStatus(reply, "the bucket");
  if (!code.empty()) {
    refusal.status =
        Status(refusal.status.code(), "the bucket answered " + std::to_string(reply.status()) + ": " + code);
  }
  return refusal;
}

std::string S3Version(const Reply& reply) {
  const auto etag = reply.Header("etag");
  const auto version = reply.Header("x-amz-version-id");
  if (!version) return etag.value_or("");
  return etag.value_or("") + " " + *version;
}

Status VerifyS3Body(const Reply& reply, std::span<const uint8_t> body) {
  if (reply.Header("x-amz-checksum-type") == "COMPOSITE") return Status::Ok();
  for (const Checksum& checksum : kChecksums) {
    const auto promised = reply.Header(checksum.header);
    if (!promised || promised->find('-') != std::string::npos) continue;
    const auto bytes = Base64Decode(*promised);
    const std::vector<uint8_t> actual = checksum.of(body);
    if (!bytes.ok() || bytes->size() != actual.size()) {
      return {Code::kChecksumMismatch, "the reply's " + std::string(checksum.name) + " is malformed"};
    }
    const bool same = std::equal(actual.begin(), actual.end(), bytes->begin(),
                                 [](uint8_t a, char b) { return a == static_cast<uint8_t>(b); });
    if (same) return Status::Ok();
    return {Code::kChecksumMismatch,
            "the received bytes do not have the " + std::string(checksum.name) + " that the bucket promises"};
  }
  return Status::Ok();
}

}  // namespace photovec::fetch
