// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>

#include "base/result.h"

struct ssl_ctx_st;
struct ssl_st;

namespace photovec::net {

/// Files in PEM.
struct TlsOptions {
  std::string certificate_file;  ///< the server's certificate, then those between it and its root
  std::string key_file;          ///< its private key, without a passphrase
  std::string client_ca_file;    ///< who vouches for clients; empty: clients need no certificate

  bool enabled() const { return !certificate_file.empty(); }
};

/// A certificate with its key and the rules by which connections are encrypted: TLS 1.2 and 1.3, forward
/// secrecy and authenticated encryption only, tickets that resume sessions, ALPN "http/1.1", no
/// renegotiation. Immutable and thread-safe; connections keep the one that they began with.
class TlsContext {
 public:
  /// Blocks on the files. Errors: kInvalidRequest naming the file and what is wrong with it.
  static Result<std::shared_ptr<const TlsContext>> Load(const TlsOptions& options);
  ~TlsContext();
  TlsContext(const TlsContext&) = delete;
  TlsContext& operator=(const TlsContext&) = delete;

  std::chrono::system_clock::time_point expires() const { return expires_; }
  const std::string& subject() const { return subject_; }  ///< "CN=photos.example.com"
  ssl_ctx_st* native() const { return context_; }

 private:
  explicit TlsContext(ssl_ctx_st* context) : context_(context) {}

  ssl_ctx_st* const context_;
  std::chrono::system_clock::time_point expires_;
  std::string subject_;
};

/// TLS of one accepted connection over its non-blocking socket. Never blocks; not thread-safe.
class TlsStream {
 public:
  enum class Outcome {
    kDone,
    kWantRead,   ///< again when the socket can be read
    kWantWrite,  ///< again when it can be written
    kEnd,        ///< the peer said goodbye, or the connection is broken
  };

  /// \param fd borrowed.
  TlsStream(std::shared_ptr<const TlsContext> context, int fd);
  ~TlsStream();
  TlsStream(const TlsStream&) = delete;
  TlsStream& operator=(const TlsStream&) = delete;

  /// Call until kDone or kEnd, before anything else.
  Outcome Handshake();
  Outcome Read(void* dest, size_t bytes, size_t* got);
  /// After kWantWrite the same bytes must be given again, at any address.
  Outcome Write(const void* source, size_t bytes, size_t* sent);
  /// Says goodbye (close_notify), if that can be done at once.
  void Shutdown();
  /// The socket is about to be closed, and its number may soon be another's: from now on everything is kEnd.
  void Abandon();

  /// After a failed handshake: the peer spoke HTTP without TLS.
  bool plain_http() const { return plain_http_; }
  /// Why the handshake failed, for the log.
  const std::string& failure() const { return failure_; }
  /// Whom the client's certificate names: the first of its URI, DNS and e-mail names, else its CN; empty
  /// without one.
  std::string PeerIdentity() const;

 private:
  Outcome Judge(int result);

  const std::shared_ptr<const TlsContext> context_;
  ssl_st* const ssl_;
  bool established_ = false;
  bool broken_ = false;
  bool plain_http_ = false;
  std::string failure_;
};

}  // namespace photovec::net
