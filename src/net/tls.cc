// SPDX-License-Identifier: MIT
#include "net/tls.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509err.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstdint>
#include <ctime>
#include <new>
#include <string_view>
#include <utility>

namespace photovec::net {
namespace {

// Forward secrecy and authenticated encryption; TLS 1.3 has nothing else.
constexpr const char* kCiphers12 = "ECDHE+AESGCM:ECDHE+CHACHA20";
constexpr std::string_view kHttp11 = "http/1.1";

/// The last of OpenSSL's errors in words; clears them all.
std::string TakeError() {
  std::string text = "unknown error";
  while (const unsigned long code = ERR_get_error()) {
    if (const char* reason = ERR_reason_error_string(code)) text = reason;
  }
  return text;
}

Status Wrong(const char* flag, const std::string& file, const std::string& why) {
  return {Code::kInvalidRequest, std::string("--") + flag + " " + file + ": " + why};
}

/// Without it OpenSSL would ask at the terminal.
int NoPassphrase(char*, int, int, void*) { return -1; }

int ChooseProtocol(SSL*, const unsigned char** out, unsigned char* out_length, const unsigned char* in,
                   unsigned int in_length, void*) {
  for (unsigned int at = 0; at < in_length; at += 1U + in[at]) {
    if (at + 1U + in[at] > in_length) break;
    const std::string_view offer(reinterpret_cast<const char*>(in + at + 1), in[at]);
    if (offer != kHttp11) continue;
    *out = in + at + 1;
    *out_length = in[at];
    return SSL_TLSEXT_ERR_OK;
  }
  return SSL_TLSEXT_ERR_ALERT_FATAL;  // RFC 7301 §3.2
}

// OpenSSL's own socket BIO writes with write(), which raises SIGPIPE.
int BioWrite(BIO* bio, const char* data, int bytes) {
  BIO_clear_retry_flags(bio);
  const auto fd = static_cast<int>(reinterpret_cast<intptr_t>(BIO_get_data(bio)));
  const ssize_t n = send(fd, data, static_cast<size_t>(bytes), MSG_NOSIGNAL);
  if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) BIO_set_retry_write(bio);
  return static_cast<int>(n);
}

int BioRead(BIO* bio, char* data, int bytes) {
  BIO_clear_retry_flags(bio);
  const auto fd = static_cast<int>(reinterpret_cast<intptr_t>(BIO_get_data(bio)));
  const ssize_t n = recv(fd, data, static_cast<size_t>(bytes), 0);
  if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) BIO_set_retry_read(bio);
  return static_cast<int>(n);
}

long BioControl(BIO*, int command, long, void*) { return command == BIO_CTRL_FLUSH ? 1 : 0; }

const BIO_METHOD* SocketMethod() {
  static const BIO_METHOD* const method = [] {
    BIO_METHOD* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "socket without SIGPIPE");
    if (made == nullptr) throw std::bad_alloc();
    BIO_meth_set_write(made, BioWrite);
    BIO_meth_set_read(made, BioRead);
    BIO_meth_set_ctrl(made, BioControl);
    return made;
  }();
  return method;
}

std::string NameOf(const X509* certificate) {
  BIO* text = BIO_new(BIO_s_mem());
  if (text == nullptr) throw std::bad_alloc();
  X509_NAME_print_ex(text, X509_get_subject_name(certificate), 0, XN_FLAG_RFC2253);
  char* data = nullptr;
  const long size = BIO_get_mem_data(text, &data);
  std::string name(data, static_cast<size_t>(size));
  BIO_free(text);
  return name;
}

std::chrono::system_clock::time_point ExpiryOf(const X509* certificate) {
  std::tm parts{};
  if (ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &parts) != 1) return {};
  return std::chrono::system_clock::from_time_t(timegm(&parts));
}

void SetRules(SSL_CTX* context) {
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_cipher_list(context, kCiphers12);
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                   SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
  // An idle connection must not hold 34 KB of buffers.
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);  // tickets need no memory of ours
  SSL_CTX_set_num_tickets(context, 1);
  constexpr std::string_view kId = "photovec";
  SSL_CTX_set_session_id_context(context, reinterpret_cast<const unsigned char*>(kId.data()), kId.size());
  SSL_CTX_set_alpn_select_cb(context, ChooseProtocol, nullptr);
  SSL_CTX_set_default_passwd_cb(context, NoPassphrase);
}

Status LoadFiles(SSL_CTX* context, const TlsOptions& options) {
  ERR_clear_error();
  if (SSL_CTX_use_certificate_chain_file(context, options.certificate_file.c_str()) != 1) {
    return Wrong("tls-certificate", options.certificate_file, TakeError() + "; it takes certificates in PEM");
  }
  if (SSL_CTX_use_PrivateKey_file(context, options.key_file.c_str(), SSL_FILETYPE_PEM) != 1) {
    const int reason = ERR_GET_REASON(ERR_peek_last_error());
    if (reason == X509_R_KEY_VALUES_MISMATCH || reason == X509_R_KEY_TYPE_MISMATCH) {
      return Wrong("tls-key", options.key_file, "it is not the key of " + options.certificate_file);
    }
    return Wrong("tls-key", options.key_file,
                 TakeError() + "; it takes a private key in PEM without a passphrase");
  }
  if (options.client_ca_file.empty()) return Status::Ok();
  const char* file = options.client_ca_file.c_str();
  STACK_OF(X509_NAME)* names = SSL_load_client_CA_file(file);
  if (names == nullptr || SSL_CTX_load_verify_locations(context, file, nullptr) != 1) {
    sk_X509_NAME_pop_free(names, X509_NAME_free);
    return Wrong("tls-client-ca", options.client_ca_file, TakeError() + "; it takes certificates in PEM");
  }
  SSL_CTX_set_client_CA_list(context, names);
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  return Status::Ok();
}

std::string TextOf(const ASN1_STRING* text) {
  const auto* data = reinterpret_cast<const char*>(ASN1_STRING_get0_data(text));
  return {data, static_cast<size_t>(ASN1_STRING_length(text))};
}

/// A name out of a certificate is shown in logs and compared with others: control characters have no place in
/// it.
bool Printable(const std::string& name) {
  for (const char c : name) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) return false;
  }
  return !name.empty();
}

std::string AlternativeName(const X509* certificate) {
  auto* names =
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr));
  std::string found;
  for (const int type : {GEN_URI, GEN_DNS, GEN_EMAIL}) {
    for (int i = 0; found.empty() && i < sk_GENERAL_NAME_num(names); ++i) {
      const GENERAL_NAME* name = sk_GENERAL_NAME_value(names, i);
      if (name->type == type) found = TextOf(name->d.ia5);
    }
  }
  GENERAL_NAMES_free(names);
  return Printable(found) ? found : "";
}

std::string CommonName(const X509* certificate) {
  const X509_NAME* subject = X509_get_subject_name(certificate);
  const int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
  if (at < 0) return "";
  unsigned char* utf8 = nullptr;
  const int size = ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
  if (size < 0) return "";
  std::string name(reinterpret_cast<const char*>(utf8), static_cast<size_t>(size));
  OPENSSL_free(utf8);
  return Printable(name) ? name : "";
}

SSL* NewStream(const TlsContext& context, int fd) {
  SSL* ssl = SSL_new(context.native());
  BIO* bio = ssl == nullptr ? nullptr : BIO_new(SocketMethod());
  if (bio == nullptr) {
    SSL_free(ssl);
    throw std::bad_alloc();
  }
  BIO_set_data(bio, reinterpret_cast<void*>(static_cast<intptr_t>(fd)));
  BIO_set_init(bio, 1);
  SSL_set_bio(ssl, bio, bio);
  SSL_set_accept_state(ssl);
  return ssl;
}

}  // namespace

Result<std::shared_ptr<const TlsContext>> TlsContext::Load(const TlsOptions& options) {
  SSL_CTX* native = SSL_CTX_new(TLS_server_method());
  if (native == nullptr) throw std::bad_alloc();
  std::shared_ptr<TlsContext> context(new TlsContext(native));
  SetRules(native);
  RETURN_IF_ERROR(LoadFiles(native, options));
  const X509* certificate = SSL_CTX_get0_certificate(native);
  context->expires_ = ExpiryOf(certificate);
  context->subject_ = NameOf(certificate);
  return std::shared_ptr<const TlsContext>(std::move(context));
}

TlsContext::~TlsContext() { SSL_CTX_free(context_); }

TlsStream::TlsStream(std::shared_ptr<const TlsContext> context, int fd)
    : context_(std::move(context)), ssl_(NewStream(*context_, fd)) {}

TlsStream::~TlsStream() { SSL_free(ssl_); }

TlsStream::Outcome TlsStream::Judge(int result) {
  switch (SSL_get_error(ssl_, result)) {
    case SSL_ERROR_NONE:
      return Outcome::kDone;
    case SSL_ERROR_WANT_READ:
      return Outcome::kWantRead;
    case SSL_ERROR_WANT_WRITE:
      return Outcome::kWantWrite;
    case SSL_ERROR_ZERO_RETURN:  // the peer's goodbye: ours can still be said
      return Outcome::kEnd;
    default:
      broken_ = true;
      return Outcome::kEnd;
  }
}

TlsStream::Outcome TlsStream::Handshake() {
  ERR_clear_error();
  const Outcome outcome = Judge(SSL_do_handshake(ssl_));
  established_ = outcome == Outcome::kDone;
  if (outcome == Outcome::kEnd) {
    plain_http_ = ERR_GET_REASON(ERR_peek_last_error()) == SSL_R_HTTP_REQUEST;
    failure_ = ERR_peek_error() == 0 ? "the client went away" : TakeError();
  }
  return outcome;
}

TlsStream::Outcome TlsStream::Read(void* dest, size_t bytes, size_t* got) {
  ERR_clear_error();
  *got = 0;
  return Judge(SSL_read_ex(ssl_, dest, bytes, got));
}

TlsStream::Outcome TlsStream::Write(const void* source, size_t bytes, size_t* sent) {
  ERR_clear_error();
  *sent = 0;
  return Judge(SSL_write_ex(ssl_, source, bytes, sent));
}

void TlsStream::Shutdown() {
  if (!established_ || broken_) return;  // OpenSSL forbids it after a failure
  ERR_clear_error();
  SSL_shutdown(ssl_);  // one try: a peer that does not take it will see the end of the connection
  ERR_clear_error();
  established_ = false;
}

void TlsStream::Abandon() {
  broken_ = true;
  BIO_set_data(SSL_get_rbio(ssl_), reinterpret_cast<void*>(static_cast<intptr_t>(-1)));
}

std::string TlsStream::PeerIdentity() const {
  X509* certificate = SSL_get0_peer_certificate(ssl_);
  if (certificate == nullptr) return "";
  std::string name = AlternativeName(certificate);
  return name.empty() ? CommonName(certificate) : name;
}

}  // namespace photovec::net
