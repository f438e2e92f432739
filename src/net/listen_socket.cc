// SPDX-License-Identifier: MIT
#include "net/listen_socket.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/log.h"

namespace photovec::net {
namespace {

constexpr int kBacklog = 4096;  // the kernel takes the lesser of it and net.core.somaxconn

std::string ErrorText(int error) { return std::strerror(error); }

Status NotHere(const std::string& where, const std::string& why) {
  return {Code::kInvalidRequest, "cannot listen on " + where + ": " + why};
}

struct Address {
  sockaddr_storage storage{};
  socklen_t size = 0;
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

bool Parse(const std::string& host, uint16_t port, Address* out) {
  auto* v4 = reinterpret_cast<sockaddr_in*>(&out->storage);
  if (inet_pton(AF_INET, host.c_str(), &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    v4->sin_port = htons(port);
    out->size = sizeof(sockaddr_in);
    return true;
  }
  auto* v6 = reinterpret_cast<sockaddr_in6*>(&out->storage);
  if (inet_pton(AF_INET6, host.c_str(), &v6->sin6_addr) != 1) return false;
  v6->sin6_family = AF_INET6;
  v6->sin6_port = htons(port);
  out->size = sizeof(sockaddr_in6);
  return true;
}

/// What the kernel says of an address, in our words.
struct Description {
  std::string address;
  std::string group;
  uint16_t port = 0;
  bool loopback = false;
};

Description Describe(const sockaddr_storage& storage) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  Description out;
  if (storage.ss_family == AF_UNIX) {
    out.address = "unix";
    out.loopback = true;
    return out;
  }
  if (storage.ss_family == AF_INET) {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(storage);
    out.address = inet_ntop(AF_INET, &v4.sin_addr, text.data(), text.size());
    out.group = out.address;
    out.port = ntohs(v4.sin_port);
    out.loopback = ntohl(v4.sin_addr.s_addr) >> 24U == 127;
    return out;
  }
  if (storage.ss_family != AF_INET6) return out;
  const auto& v6 = reinterpret_cast<const sockaddr_in6&>(storage);
  out.port = ntohs(v6.sin6_port);
  if (IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr)) {
    in_addr v4{};
    std::memcpy(&v4, &v6.sin6_addr.s6_addr[12], sizeof(v4));
    out.address = inet_ntop(AF_INET, &v4, text.data(), text.size());
    out.group = out.address;
    out.loopback = ntohl(v4.s_addr) >> 24U == 127;
    return out;
  }
  out.address = inet_ntop(AF_INET6, &v6.sin6_addr, text.data(), text.size());
  out.loopback = IN6_IS_ADDR_LOOPBACK(&v6.sin6_addr);
  // Whoever has one IPv6 address has 2^64 of them.
  in6_addr network = v6.sin6_addr;
  std::memset(&network.s6_addr[8], 0, 8);
  out.group = inet_ntop(AF_INET6, &network, text.data(), text.size());
  out.group += "/64";
  return out;
}

Description LocalName(int fd) {
  sockaddr_storage storage{};
  socklen_t size = sizeof(storage);
  getsockname(fd, reinterpret_cast<sockaddr*>(&storage), &size);
  return Describe(storage);
}

Status TcpError(const std::string& where, int error, const ListenSocket::FlagNames& flags) {
  if (error == EADDRINUSE) {
    return {Code::kUnavailable, "cannot listen on " + where +
                                    ": another process uses the port; stop it, or choose another with " +
                                    flags.port + " (0 takes any free one)"};
  }
  if (error == EACCES || error == EPERM) {
    return NotHere(where, "ports below 1024 need rights; choose a higher one with " + flags.port);
  }
  return NotHere(where, ErrorText(error) + "; " + flags.host +
                            " must be an address of this machine, or 0.0.0.0 for all");
}

Result<sockaddr_un> UnixAddress(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path)) {
    return NotHere("unix:" + path, "the path is longer than " + std::to_string(sizeof(address.sun_path) - 1) +
                                       " bytes, which is all that the system takes");
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

/// Whether nobody listens behind a socket's file that is there. OK also when there is no file.
Status CheckStale(const std::string& path) {
  struct stat info {};
  if (lstat(path.c_str(), &info) != 0) return Status::Ok();
  const std::string where = "unix:" + path;
  if (!S_ISSOCK(info.st_mode)) return NotHere(where, "there is something else of that name");
  ASSIGN_OR_RETURN(const sockaddr_un address, UnixAddress(path));
  const FileDescriptor probe(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0 ||
      errno == EAGAIN) {
    return {Code::kUnavailable, "cannot listen on " + where + ": another process listens on it"};
  }
  if (errno == ECONNREFUSED || errno == ENOENT) return Status::Ok();
  return NotHere(where, "who listens on the file that is there cannot be found out: " + ErrorText(errno));
}

}  // namespace

Result<ListenSocket> ListenSocket::Tcp(const std::string& host, uint16_t port, const FlagNames& flags) {
  Address address;
  if (!Parse(host == "localhost" ? "127.0.0.1" : host, port, &address)) {
    return Status(Code::kInvalidRequest, "\"" + host + "\" is not an IP address: " + flags.host +
                                             " takes one, such as 127.0.0.1 or 0.0.0.0");
  }
  const std::string where = host + ":" + std::to_string(port);
  FileDescriptor fd(socket(address.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.valid()) return TcpError(where, errno, flags);
  const int one = 1;  // a restart need not wait for connections of the past
  setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
  if (bind(fd.get(), address.get(), address.size) != 0) return TcpError(where, errno, flags);
  if (listen(fd.get(), kBacklog) != 0) return TcpError(where, errno, flags);
  const Description local = LocalName(fd.get());
  ListenSocket out(std::move(fd));
  out.port_ = local.port;
  out.loopback_ = local.loopback;
  out.name_ =
      (host.find(':') == std::string::npos ? host : "[" + host + "]") + ":" + std::to_string(local.port);
  return out;
}

Result<ListenSocket> ListenSocket::Unix(const std::string& path, mode_t mode) {
  const std::string where = "unix:" + path;
  RETURN_IF_ERROR(CheckStale(path));
  // Under a name of its own first, so that it appears with its mode, and whoever finds it is heard.
  const std::string made = path + "." + std::to_string(getpid());
  ASSIGN_OR_RETURN(const sockaddr_un address, UnixAddress(made));
  FileDescriptor fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.valid()) return NotHere(where, ErrorText(errno));
  unlink(made.c_str());  // of a process that had our number once
  if (bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    return NotHere(where, ErrorText(errno));
  }
  struct stat info {};
  if (chmod(made.c_str(), mode) != 0 || listen(fd.get(), kBacklog) != 0 || stat(made.c_str(), &info) != 0 ||
      rename(made.c_str(), path.c_str()) != 0) {
    const int error = errno;
    unlink(made.c_str());
    return NotHere(where, ErrorText(error));
  }
  ListenSocket out(std::move(fd));
  out.is_unix_ = out.loopback_ = true;
  out.name_ = where;
  out.path_ = path;
  out.device_ = info.st_dev;
  out.inode_ = info.st_ino;
  return out;
}

Result<ListenSocket> ListenSocket::Adopt(int fd) {
  FileDescriptor owned(fd);
  int listens = 0;
  int type = 0;
  socklen_t size = sizeof(int);
  const bool fits = getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) == 0 &&
                    getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && listens == 1 &&
                    type == SOCK_STREAM;
  if (!fits) {
    return Status(Code::kInvalidRequest,
                  "the service manager passed file descriptor " + std::to_string(fd) +
                      ", which is no listening stream socket: its .socket unit needs ListenStream= and "
                      "Accept=no");
  }
  fcntl(fd, F_SETFD, FD_CLOEXEC);
  fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
  const Description local = LocalName(fd);
  ListenSocket out(std::move(owned));
  out.adopted_ = true;
  out.is_unix_ = local.address == "unix";
  out.loopback_ = local.loopback;
  out.port_ = local.port;
  out.name_ = out.is_unix_ ? "a Unix socket of the service manager"
                           : local.address + ":" + std::to_string(local.port) + " of the service manager";
  return out;
}

ListenSocket::ListenSocket(ListenSocket&& other) noexcept
    : fd_(std::move(other.fd_)),
      port_(other.port_),
      name_(std::move(other.name_)),
      path_(std::exchange(other.path_, {})),
      device_(other.device_),
      inode_(other.inode_),
      is_unix_(other.is_unix_),
      loopback_(other.loopback_),
      adopted_(other.adopted_) {}

ListenSocket::~ListenSocket() { RemoveFile(); }

void ListenSocket::Close() {
  RemoveFile();
  fd_ = FileDescriptor();
}

void ListenSocket::RemoveFile() {
  struct stat info {};
  if (path_.empty() || lstat(path_.c_str(), &info) != 0) return;
  if (info.st_dev == device_ && info.st_ino == inode_) unlink(path_.c_str());
  path_.clear();
}

ListenSocket::Accepted ListenSocket::Accept() const {
  Accepted out;
  sockaddr_storage peer{};
  socklen_t size = sizeof(peer);
  FileDescriptor socket(
      accept4(fd_.get(), reinterpret_cast<sockaddr*>(&peer), &size, SOCK_NONBLOCK | SOCK_CLOEXEC));
  if (!socket.valid()) {
    out.error = errno;
    return out;
  }
  if (is_unix_) peer.ss_family = AF_UNIX;  // the kernel says nothing of peers without a name
  Description description = Describe(peer);
  out.socket = std::move(socket);
  out.address = std::move(description.address);
  out.group = std::move(description.group);
  out.loopback = description.loopback;
  return out;
}

void ListenSocket::StopNewcomers() {
  if (adopted_) return;
  if (is_unix_) {
    RemoveFile();
    return;
  }
  // A filter on the socket that drops the first packet of new connections: SYN without ACK, byte 13 of the
  // TCP header.
  std::array<sock_filter, 5> code = {{{BPF_LD | BPF_B | BPF_ABS, 0, 0, 13},
                                      {BPF_ALU | BPF_AND | BPF_K, 0, 0, 0x12},
                                      {BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 0x02},
                                      {BPF_RET | BPF_K, 0, 0, 0},
                                      {BPF_RET | BPF_K, 0, 0, 0xffffffff}}};
  const sock_fprog program{static_cast<unsigned short>(code.size()), code.data()};
  if (setsockopt(fd_.get(), SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) != 0) {
    log::debug("newcomers may be reset at the end of the drain: {}", ErrorText(errno));
  }
}

}  // namespace photovec::net
