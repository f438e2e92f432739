// SPDX-License-Identifier: MIT
#include "fetch/gcs/jwt.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <span>
#include <utility>

#include "base/text/base64.h"

namespace photovec::fetch {
namespace {

// RFC 7515 §2: the URL-safe alphabet without padding.
std::string Base64Url(std::string_view bytes) {
  std::string text = Base64Encode({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()});
  while (text.ends_with('=')) text.pop_back();
  for (char& c : text) {
    if (c == '+') c = '-';
    if (c == '/') c = '_';
  }
  return text;
}

/// Never asks a terminal for the password of an encrypted key, as OpenSSL does by itself.
int NoPassword(char* /*buffer*/, int /*size*/, int /*writing*/, void* /*user*/) { return -1; }

}  // namespace

Result<RsaKey> RsaKey::FromPem(const std::string& pem) {
  const std::unique_ptr<BIO, decltype(&BIO_free)> input(
      BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())), &BIO_free);
  if (input == nullptr) return Status(Code::kUnavailable, "out of memory");
  EVP_PKEY* raw = PEM_read_bio_PrivateKey(input.get(), nullptr, &NoPassword, nullptr);
  ERR_clear_error();  // what OpenSSL says about it may quote the key
  if (raw == nullptr) {
    return Status(Code::kInvalidRequest,
                  pem.find("ENCRYPTED") != std::string::npos
                      ? "is an encrypted key; photovec takes keys without a password"
                      : "is not a private key in PEM form (-----BEGIN PRIVATE KEY-----)");
  }
  std::shared_ptr<EVP_PKEY> key(raw, &EVP_PKEY_free);
  if (EVP_PKEY_base_id(raw) != EVP_PKEY_RSA) {
    return Status(Code::kInvalidRequest, "is not an RSA key, which is what RS256 signs with");
  }
  return RsaKey(std::move(key));
}

Result<std::string> RsaKey::SignRs256(std::string_view text) const {
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(), &EVP_MD_CTX_free);
  const auto* data = reinterpret_cast<const unsigned char*>(text.data());
  size_t size = 0;
  std::string signature;
  bool good = context != nullptr &&
              EVP_DigestSignInit(context.get(), nullptr, EVP_sha256(), nullptr, key_.get()) == 1 &&
              EVP_DigestSign(context.get(), nullptr, &size, data, text.size()) == 1;
  if (good) {
    signature.resize(size);
    auto* out = reinterpret_cast<unsigned char*>(signature.data());
    good = EVP_DigestSign(context.get(), out, &size, data, text.size()) == 1;
  }
  if (!good) {
    ERR_clear_error();
    return Status(Code::kInternal, "OpenSSL could not sign with the private key");
  }
  signature.resize(size);
  return signature;
}

Result<std::string> SignJwt(const JwtClaims& claims, const RsaKey& key, std::string_view key_id) {
  boost::json::object header = {{"alg", "RS256"}, {"typ", "JWT"}};
  if (!key_id.empty()) header["kid"] = key_id;
  const boost::json::object body = {{"iss", claims.issuer},
                                    {"scope", claims.scope},
                                    {"aud", claims.audience},
                                    {"iat", claims.issued_at_s},
                                    {"exp", claims.expires_at_s}};
  const std::string text =
      Base64Url(boost::json::serialize(header)) + "." + Base64Url(boost::json::serialize(body));
  ASSIGN_OR_RETURN(const std::string signature, key.SignRs256(text));
  return text + "." + Base64Url(signature);
}

}  // namespace photovec::fetch
