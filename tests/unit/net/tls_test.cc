// SPDX-License-Identifier: MIT
// What clients see of versions, ciphers and certificates: tests/integration/test_tls.py.
#include "net/tls.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include <array>
#include <atomic>
#include <cstdio>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/memory_budget.h"
#include "metrics/registry.h"
#include "net/server.h"
#include "testing/net_fixture.h"

namespace photovec::net {
namespace {

using ::testing::HasSubstr;

/// A key and a certificate that it signs itself, as files.
TlsOptions MakeCertificate(const std::string& name) {
  const std::string base = ::testing::TempDir() + "tls_test_" + name;
  EVP_PKEY* key = EVP_EC_gen("P-256");
  X509* certificate = X509_new();
  X509_set_version(certificate, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate), -60);
  X509_gmtime_adj(X509_getm_notAfter(certificate), 86'400L * 30);
  X509_NAME* subject = X509_get_subject_name(certificate);
  X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
  X509_set_issuer_name(certificate, subject);
  X509_set_pubkey(certificate, key);
  X509_sign(certificate, key, EVP_sha256());
  TlsOptions options{base + ".pem", base + ".key", ""};
  std::FILE* file = std::fopen(options.certificate_file.c_str(), "w");
  PEM_write_X509(file, certificate);
  std::fclose(file);
  file = std::fopen(options.key_file.c_str(), "w");
  PEM_write_PrivateKey(file, key, nullptr, nullptr, 0, nullptr, nullptr);
  std::fclose(file);
  X509_free(certificate);
  EVP_PKEY_free(key);
  return options;
}

/// A blocking client that does not look at whom it speaks to.
class TlsClient {
 public:
  /// \param own shows this certificate.
  explicit TlsClient(uint16_t port, const TlsOptions& own = {})
      : fd_(test::ConnectTo(port)), context_(SSL_CTX_new(TLS_client_method())) {
    if (own.enabled()) {
      SSL_CTX_use_certificate_chain_file(context_, own.certificate_file.c_str());
      SSL_CTX_use_PrivateKey_file(context_, own.key_file.c_str(), SSL_FILETYPE_PEM);
    }
    ssl_ = SSL_new(context_);
    SSL_set_fd(ssl_, fd_.get());
    connected_ = SSL_connect(ssl_) == 1;
  }
  ~TlsClient() {
    SSL_free(ssl_);
    SSL_CTX_free(context_);
  }
  bool connected() const { return connected_; }
  std::string Subject() const {
    X509* certificate = SSL_get0_peer_certificate(ssl_);
    std::array<char, 64> name{};
    X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, name.data(), name.size());
    return name.data();
  }
  bool Send(const std::string& text) {
    return SSL_write(ssl_, text.data(), static_cast<int>(text.size())) > 0;
  }
  /// All until it ends with `tail`, or the connection ends.
  std::string ReadUntil(const std::string& tail) {
    std::string all;
    std::array<char, 16'384> chunk;
    int got = 0;
    while (!all.ends_with(tail) && (got = SSL_read(ssl_, chunk.data(), chunk.size())) > 0) {
      all.append(chunk.data(), static_cast<size_t>(got));
    }
    return all;
  }
  /// True when the server said goodbye.
  bool Closed() {
    char byte = 0;
    return SSL_get_error(ssl_, SSL_read(ssl_, &byte, 1)) == SSL_ERROR_ZERO_RETURN;
  }

 private:
  const FileDescriptor fd_;
  SSL_CTX* const context_;
  SSL* ssl_ = nullptr;
  bool connected_ = false;
};

class TlsTest : public test::NetFixture {};

TEST_F(TlsTest, BodiesAndRepliesOfAnySizePass) {
  ServerOptions options;
  options.tls = MakeCertificate("first");
  Launch(options);
  TlsClient client(server_->port());
  ASSERT_TRUE(client.connected());
  std::string body(3 << 20, 'x');
  for (size_t i = 0; i < body.size(); i += 997) body[i] = static_cast<char>('a' + i % 26);
  body += "THE END";
  for (int i = 0; i < 3; ++i) {
    std::thread sender([&] { EXPECT_TRUE(client.Send(test::Post("/b", body))); });
    const std::string reply = client.ReadUntil("THE END");
    sender.join();
    EXPECT_EQ(reply.substr(reply.find("\r\n\r\n") + 4), body);
  }
  client.Send(test::Get("/a", "Connection: close\r\n"));
  EXPECT_THAT(client.ReadUntil("/a"), HasSubstr("200 OK"));
  EXPECT_TRUE(client.Closed());
}

TEST_F(TlsTest, AReloadTakesTheNewCertificateAndKeepsConnections) {
  ServerOptions options;
  options.tls = MakeCertificate("old");
  Launch(options);
  TlsClient before(server_->port());
  EXPECT_EQ(before.Subject(), "old");
  const TlsOptions renewed = MakeCertificate("new");
  ASSERT_EQ(std::rename(renewed.certificate_file.c_str(), options.tls.certificate_file.c_str()), 0);
  EXPECT_THAT(server_->ReloadCertificates().message(), HasSubstr("is not the key of")) << "half of the pair";
  EXPECT_EQ(TlsClient(server_->port()).Subject(), "old");
  ASSERT_EQ(std::rename(renewed.key_file.c_str(), options.tls.key_file.c_str()), 0);
  EXPECT_TRUE(server_->ReloadCertificates().ok());
  EXPECT_EQ(TlsClient(server_->port()).Subject(), "new");
  before.Send(test::Get("/a"));
  EXPECT_THAT(before.ReadUntil("/a"), HasSubstr("200 OK"));
}

TEST_F(TlsTest, AClientsCertificateIsItsIdentity) {
  ServerOptions options;
  options.tls = MakeCertificate("server");
  const TlsOptions own = MakeCertificate("some client");
  options.tls.client_ca_file = own.certificate_file;
  Launch(options);
  TlsClient client(server_->port(), own);
  client.Send(test::Get("/who"));
  EXPECT_THAT(client.ReadUntil("some client"), HasSubstr("200 OK"));
  TlsClient without(server_->port());
  without.Send(test::Get("/who"));
  EXPECT_EQ(without.ReadUntil("x"), "");
}

TEST_F(TlsTest, ManyAtOnceWhoLeaveAtAnyMoment) {
  ServerOptions options;
  options.tls = MakeCertificate("crowd");
  options.io_threads = 2;
  Launch(options);
  std::vector<std::thread> clients;
  clients.reserve(4);
  for (int i = 0; i < 4; ++i) {
    clients.emplace_back([this, i] {
      for (int round = 0; round < 25; ++round) {
        if ((i + round) % 3 == 0) {
          test::TestClient(server_->port()).Send("\x16\x03\x01");  // and is gone
          continue;
        }
        TlsClient client(server_->port());
        client.Send(test::Get("/a"));
        if ((i + round) % 3 == 1) {
          EXPECT_THAT(client.ReadUntil("/a"), HasSubstr("200 OK"));
        }
      }
    });
  }
  for (std::thread& client : clients) client.join();
  server_->Stop(Deadline());
  EXPECT_EQ(server_->connections(), 0U);
}

TEST(TlsContext, SaysWhatIsWrong) {
  TlsOptions options = MakeCertificate("wrong");
  EXPECT_TRUE(TlsContext::Load(options).ok());
  options.client_ca_file = "/nowhere.pem";
  EXPECT_THAT(TlsContext::Load(options).status().message(), HasSubstr("--tls-client-ca /nowhere.pem"));
  options.certificate_file = options.key_file;
  EXPECT_THAT(TlsContext::Load(options).status().message(), HasSubstr("--tls-certificate"));
}

}  // namespace
}  // namespace photovec::net
