// SPDX-License-Identifier: MIT
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>

#include "base/files.h"
#include "base/result.h"

struct sockaddr_storage;

namespace photovec::net {

/// A socket that others connect to: TCP, Unix, or one that a service manager opened for us. Non-blocking.
/// Move-only, not thread-safe. Closed by the destructor, which also removes a Unix socket's file if it is
/// still ours.
class ListenSocket {
 public:
  /// \param flags how messages call host and port: {"--host", "--port"}.
  struct FlagNames {
    std::string host = "--host";
    std::string port = "--port";
  };
  /// \param host an IPv4 or IPv6 address, or "localhost".
  /// \param port 0: any free one.
  /// Errors: kUnavailable (the port is in use), kInvalidRequest (an address that is none, or not this machine's; a port
  /// that needs rights).
  static Result<ListenSocket> Tcp(const std::string& host, uint16_t port, const FlagNames& flags);
  /// A socket's file that nobody listens on any more is replaced; it appears with its mode, and listened on.
  /// Errors: kUnavailable (somebody listens on it), kInvalidRequest (no such folder, no right, a path that is too long
  /// or something else than a socket).
  static Result<ListenSocket> Unix(const std::string& path, mode_t mode);
  /// Takes over `fd`, which listens already. Its backlog belongs to whoever opened it: what is not accepted
  /// when we end
  /// waits there for our successor. Errors: kInvalidRequest (not a stream socket that listens).
  static Result<ListenSocket> Adopt(int fd);

  ListenSocket(ListenSocket&& other) noexcept;
  ListenSocket& operator=(ListenSocket&& other) = delete;
  ~ListenSocket();

  struct Accepted {
    FileDescriptor socket;  ///< non-blocking; invalid: none, see error
    int error = 0;          ///< an errno; EAGAIN: nobody is waiting
    std::string address;    ///< "192.0.2.1", "2001:db8::1", "unix"
    /// By what connections are counted: the address, an IPv6 client's network of 64 bits; empty for "unix".
    std::string group;
    bool loopback = false;
  };
  Accepted Accept() const;

  /// From now on no newcomer is let in, and those that are half in come in: accept until nobody waits any
  /// more, and nobody is lost by closing. A newcomer sees a refused connection, a second later for TCP.
  void StopNewcomers();

  /// Before the destructor does it.
  void Close();

  int fd() const { return fd_.get(); }
  uint16_t port() const { return port_; }            ///< 0: not TCP
  const std::string& name() const { return name_; }  ///< "127.0.0.1:8080", "unix:/run/photovec.sock"
  bool is_unix() const { return is_unix_; }
  bool loopback() const { return loopback_; }  ///< only this machine reaches it
  bool adopted() const { return adopted_; }

 private:
  explicit ListenSocket(FileDescriptor fd) : fd_(std::move(fd)) {}
  void RemoveFile();

  FileDescriptor fd_;
  uint16_t port_ = 0;
  std::string name_;
  std::string path_;  // of a Unix socket's file that we made
  dev_t device_ = 0;  // that file, so that a successor's is not removed
  ino_t inode_ = 0;
  bool is_unix_ = false;
  bool loopback_ = false;
  bool adopted_ = false;
};

}  // namespace photovec::net
