// SPDX-License-Identifier: MIT
#pragma once

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include <memory>
#include <string>
#include <string_view>

namespace photovec::fetch {

/// A key made for a test, and the check of what was signed with it.
class RsaKeyPair {
 public:
  RsaKeyPair() : key_(EVP_RSA_gen(2048), &EVP_PKEY_free) {}

  std::string Pem() const { return PemOf(key_.get()); }
  bool Verifies(std::string_view text, std::string_view signature) const {
    const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(), &EVP_MD_CTX_free);
    return EVP_DigestVerifyInit(context.get(), nullptr, EVP_sha256(), nullptr, key_.get()) == 1 &&
           EVP_DigestVerify(context.get(), reinterpret_cast<const unsigned char*>(signature.data()),
                            signature.size(), reinterpret_cast<const unsigned char*>(text.data()),
                            text.size()) == 1;
  }
  static std::string EllipticPem() {
    const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key(EVP_EC_gen("P-256"), &EVP_PKEY_free);
    return PemOf(key.get());
  }
  static std::string PemOf(EVP_PKEY* key, const char* password = nullptr) {
    const std::unique_ptr<BIO, decltype(&BIO_free)> out(BIO_new(BIO_s_mem()), &BIO_free);
    std::string secret = password == nullptr ? "" : password;
    PEM_write_bio_PKCS8PrivateKey(out.get(), key, password == nullptr ? nullptr : EVP_aes_128_cbc(),
                                  password == nullptr ? nullptr : secret.data(),
                                  static_cast<int>(secret.size()), nullptr, nullptr);
    char* data = nullptr;
    const long size = BIO_get_mem_data(out.get(), &data);
    return {data, static_cast<size_t>(size)};
  }
  std::string EncryptedPem() const { return PemOf(key_.get(), "secret"); }

 private:
  std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key_;
};

}  // namespace photovec::fetch
