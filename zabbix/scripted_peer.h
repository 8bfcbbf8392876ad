// For tests: a peer on a loopback port that does with each connection what a script says, on a thread of its
// own with blocking calls, with or without TLS. A script begins when the other side has sent something or has
// gone: one that closed before could meet a client that does not know yet that it is connected.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>

#include "zabbix/destination.h"
#include "zabbix/frame.h"

namespace bakusoku::zabbix {

struct FreeContext {
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
};
using ServerContext = std::unique_ptr<SSL_CTX, FreeContext>;

inline void must(bool done, const char* what) {
  if (!done) throw std::runtime_error(what);
}

/// A port of this machine on which nobody listens: it stays bound, so that no other program is given it.
inline Endpoint closed_port() {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  must(::bind(fd, reinterpret_cast<sockaddr*>(&address), length) == 0 &&
           ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length) == 0,
       "closed port");
  return {"127.0.0.1", ntohs(address.sin_port)};
}

/// The peer's end of one connection.
class Wire {
 public:
  Wire(int fd, SSL* tls) : fd_(fd), tls_(tls) {}

  /// The payload of the next frame; empty when there is none.
  std::string read_frame() {
    std::string received;
    for (;;) {
      const auto frame = decode_frame(received, kMaxFrameBytes);
      if (!frame) return {};
      if (*frame) return (*frame)->payload;
      char bytes[65536];
      const auto got =
          tls_ != nullptr ? SSL_read(tls_, bytes, sizeof bytes) : ::recv(fd_, bytes, sizeof bytes, 0);
      if (got <= 0) return {};
      received.append(bytes, static_cast<size_t>(got));
    }
  }
  void write(std::string_view bytes) {
    if (tls_ != nullptr) {
      SSL_write(tls_, bytes.data(), static_cast<int>(bytes.size()));
      return;
    }
    while (!bytes.empty()) {
      const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return;
      bytes.remove_prefix(static_cast<size_t>(sent));
    }
  }
  /// Until the other side has closed.
  void wait_for_end() {
    char bytes[4096];
    while (::recv(fd_, bytes, sizeof bytes, 0) > 0) {
    }
  }
  /// Closes with a reset.
  void reset() {
    const linger now{1, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
  }
  [[nodiscard]] SSL* tls() const { return tls_; }
  [[nodiscard]] int fd() const { return fd_; }

 private:
  int fd_;
  SSL* tls_;
};

class ScriptedPeer {
 public:
  using Script = std::function<void(Wire&)>;

  explicit ScriptedPeer(Script script, SSL_CTX* tls = nullptr) : script_(std::move(script)), tls_(tls) {
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    must(::bind(listener_, reinterpret_cast<sockaddr*>(&address), length) == 0 &&
             ::listen(listener_, 8) == 0 &&
             ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &length) == 0,
         "listener");
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { serve(); });
  }
  ~ScriptedPeer() {
    stop_ = true;
    thread_.join();
    ::close(listener_);
  }
  ScriptedPeer(const ScriptedPeer&) = delete;
  ScriptedPeer& operator=(const ScriptedPeer&) = delete;

  [[nodiscard]] Endpoint endpoint() const { return {"127.0.0.1", port_}; }
  [[nodiscard]] int connections() const { return connections_; }

 private:
  void serve() {
    // OpenSSL writes without MSG_NOSIGNAL, also to clients that have turned away.
    sigset_t broken_pipe;
    sigemptyset(&broken_pipe);
    sigaddset(&broken_pipe, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &broken_pipe, nullptr);
    while (!stop_) {
      pollfd wait{listener_, POLLIN, 0};
      if (::poll(&wait, 1, 20) <= 0) continue;
      const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      if (fd < 0) continue;
      ++connections_;
      const timeval limit{20, 0};
      ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
      ::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
      if (has_begun(fd)) answer(fd);
      ::close(fd);
    }
  }

  bool has_begun(int fd) const {
    pollfd wait{fd, POLLIN, 0};
    while (::poll(&wait, 1, 20) == 0) {
      if (stop_) return false;
    }
    return true;
  }

  void answer(int fd) {
    if (tls_ == nullptr) {
      Wire wire(fd, nullptr);
      script_(wire);
      return;
    }
    SSL* const session = SSL_new(tls_);
    SSL_set_fd(session, fd);
    if (SSL_accept(session) == 1) {
      Wire wire(fd, session);
      script_(wire);
      // Both ways: what the other side has not read yet must not be lost to a reset.
      if (SSL_shutdown(session) == 0) SSL_shutdown(session);
    }
    SSL_free(session);
  }

  Script script_;
  SSL_CTX* tls_;
  int listener_ = -1;
  uint16_t port_ = 0;
  std::atomic<bool> stop_ = false;
  std::atomic<int> connections_ = 0;
  std::thread thread_;
};

}  // namespace bakusoku::zabbix
