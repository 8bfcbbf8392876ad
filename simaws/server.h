// The simulator's sockets: HTTP/1.1 on loopback, kept-alive connections, and the faults that happen to bytes
// (cut, hang, reset, junk). One thread, one io_context; each connection is a coroutine.
#pragma once

#include <asio/awaitable.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>

#include "base/result.h"
#include "simaws/simulator.h"

namespace bakusoku::simaws {

class Server {
 public:
  /// `simulator` outlives the server.
  Server(asio::io_context& io, Simulator& simulator) : io_(io), simulator_(simulator), acceptor_(io) {}

  /// Listens on 127.0.0.1; port 0 chooses one. Errors: io, with the setting to change.
  [[nodiscard]] Result<uint16_t> listen(uint16_t port);
  /// One JSON line for each request. Errors: io.
  [[nodiscard]] Result<void> log_to(const std::string& file);

 private:
  asio::awaitable<void> accept();
  asio::awaitable<void> serve(asio::ip::tcp::socket socket);
  asio::awaitable<bool> answer(asio::ip::tcp::socket& socket, Request request, bool keep_alive, bool gzip);
  void log(const Outcome& outcome, double milliseconds);

  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };

  asio::io_context& io_;
  Simulator& simulator_;
  asio::ip::tcp::acceptor acceptor_;
  std::unique_ptr<std::FILE, Close> log_;
};

}  // namespace bakusoku::simaws
