// A local HTTP server for tests that answers with whatever bytes the test says: whole, cut, slow, garbage or
// never. Threads of its own (one per connection), so that the code under test keeps its one loop to itself.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <functional>
#include <list>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace bakusoku::aws {

struct SeenRequest {
  std::string method;
  std::string target;
  std::map<std::string, std::string> headers{};  // names in lower case
  std::string body{};
  int connection = 0;  // counted from 1
  int index = 0;       // of the request, over all connections, counted from 0
};

/// The bytes to send, and what to do around them.
struct Script {
  std::string bytes{};
  bool close = false;                        // after the bytes
  bool hang = false;                         // after the bytes: nothing more until the server stops
  std::chrono::milliseconds wait_before{0};  // sending
  size_t piece_bytes = 0;                    // 0: at once; else in pieces with a short pause between
};

/// A complete reply with a Content-Length.
inline Script reply(int status, std::string_view body, std::vector<std::string> headers = {}) {
  Script script;
  script.bytes = "HTTP/1.1 " + std::to_string(status) +
                 " Status\r\nContent-Length: " + std::to_string(body.size()) + "\r\n";
  for (const std::string& header : headers) script.bytes += header + "\r\n";
  script.bytes += "\r\n";
  script.bytes += body;
  return script;
}

class ScriptedServer {
 public:
  using Handler = std::function<Script(const SeenRequest&)>;

  explicit ScriptedServer(Handler handler) : handler_(std::move(handler)) {
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    if (::bind(listener_, reinterpret_cast<sockaddr*>(&address), length) != 0 ||
        ::listen(listener_, 64) != 0 ||
        ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &length) != 0) {
      std::abort();
    }
    port_ = ntohs(address.sin_port);
    acceptor_ = std::thread([this] { accept_all(); });
  }
  ~ScriptedServer() {
    stop_ = true;
    acceptor_.join();
    for (std::thread& thread : connections_) thread.join();
    ::close(listener_);
  }
  ScriptedServer(const ScriptedServer&) = delete;
  ScriptedServer& operator=(const ScriptedServer&) = delete;

  [[nodiscard]] int port() const { return port_; }
  [[nodiscard]] std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }
  [[nodiscard]] std::vector<SeenRequest> seen() const {
    const std::lock_guard lock(mutex_);
    return seen_;
  }
  [[nodiscard]] int connections() const { return accepted_; }

 private:
  void accept_all() {
    while (!stop_) {
      if (!readable(listener_)) continue;
      const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      if (fd < 0) continue;
      const int number = ++accepted_;
      connections_.emplace_back([this, fd, number] {
        serve(fd, number);
        ::close(fd);
      });
    }
  }

  bool readable(int fd) const {
    pollfd wait{fd, POLLIN, 0};
    return ::poll(&wait, 1, 20) > 0;
  }

  // One more piece of what the peer sends; false when it is gone or the server stops.
  bool receive(int fd, std::string& buffer) const {
    while (!stop_) {
      if (!readable(fd)) continue;
      char bytes[65536];
      const ssize_t got = ::recv(fd, bytes, sizeof bytes, 0);
      if (got <= 0) return false;
      buffer.append(bytes, static_cast<size_t>(got));
      return true;
    }
    return false;
  }

  bool transmit(int fd, const Script& script) const {
    std::string_view rest = script.bytes;
    const size_t piece = script.piece_bytes == 0 ? rest.size() : script.piece_bytes;
    while (!rest.empty() && !stop_) {
      const ssize_t sent = ::send(fd, rest.data(), std::min(piece, rest.size()), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      rest.remove_prefix(static_cast<size_t>(sent));
      if (script.piece_bytes != 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return true;
  }

  std::optional<SeenRequest> read_request(int fd, std::string& buffer) const {
    size_t end = buffer.find("\r\n\r\n");
    while (end == std::string::npos) {
      if (!receive(fd, buffer)) return std::nullopt;
      end = buffer.find("\r\n\r\n");
    }
    SeenRequest request;
    std::string_view head = std::string_view(buffer).substr(0, end);
    const std::string_view line = head.substr(0, head.find("\r\n"));
    const size_t blank = line.find(' ');
    request.method = line.substr(0, blank);
    request.target = line.substr(blank + 1, line.rfind(' ') - blank - 1);
    head.remove_prefix(std::min(line.size() + 2, head.size()));
    while (!head.empty()) {
      const std::string_view header = head.substr(0, head.find("\r\n"));
      head.remove_prefix(std::min(header.size() + 2, head.size()));
      const size_t colon = header.find(':');
      if (colon == std::string_view::npos) continue;
      std::string name(header.substr(0, colon));
      std::transform(name.begin(), name.end(), name.begin(),
                     [](char ch) { return ch >= 'A' && ch <= 'Z' ? static_cast<char>(ch + 32) : ch; });
      const size_t start = header.find_first_not_of(' ', colon + 1);
      request.headers[name] = start == std::string_view::npos ? "" : std::string(header.substr(start));
    }
    const auto length = request.headers.find("content-length");
    const size_t body = length == request.headers.end() ? 0 : std::stoul(length->second);
    while (buffer.size() < end + 4 + body) {
      if (!receive(fd, buffer)) return std::nullopt;
    }
    request.body = buffer.substr(end + 4, body);
    buffer.erase(0, end + 4 + body);
    return request;
  }

  void serve(int fd, int number) {
    std::string buffer;
    while (!stop_) {
      std::optional<SeenRequest> request = read_request(fd, buffer);
      if (!request) return;
      request->connection = number;
      {
        const std::lock_guard lock(mutex_);
        request->index = static_cast<int>(seen_.size());
        seen_.push_back(*request);
      }
      const Script script = handler_(*request);
      std::this_thread::sleep_for(script.wait_before);
      if (!transmit(fd, script)) return;
      while (script.hang && !stop_) std::this_thread::sleep_for(std::chrono::milliseconds(10));
      if (script.close) return;
    }
  }

  Handler handler_;
  int listener_ = -1;
  int port_ = 0;
  std::atomic<bool> stop_ = false;
  std::atomic<int> accepted_ = 0;
  mutable std::mutex mutex_;
  std::vector<SeenRequest> seen_;
  std::list<std::thread> connections_;
  std::thread acceptor_;
};

}  // namespace bakusoku::aws
