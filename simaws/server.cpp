#include "simaws/server.h"

#include <fmt/format.h>

#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/experimental/as_tuple.hpp>
#include <asio/read.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/write.hpp>
#include <chrono>
#include <cstring>

#include "base/json.h"

namespace bakusoku::simaws {
namespace {

constexpr auto kNoThrow = asio::experimental::as_tuple(asio::use_awaitable);
constexpr size_t kReadBytes = 64 * 1024;
constexpr auto kPauseAfterAcceptError = std::chrono::milliseconds(100);
constexpr std::string_view kJunk = "SIMAWS JUNK \x01\x02\xFF not HTTP\r\n\r\n";

using Tcp = asio::ip::tcp;

// Reads on until the client goes away: what a server that hangs looks like.
asio::awaitable<void> hang(Tcp::socket& socket) {
  std::string sink(kReadBytes, '\0');
  while (true) {
    const auto buffer = asio::buffer(sink);
    const auto [error, size] = co_await socket.async_read_some(buffer, kNoThrow);
    if (error) co_return;
  }
}

// Appends what the socket has; false when it has closed.
asio::awaitable<bool> read_more(Tcp::socket& socket, std::string& buffer, size_t at_least) {
  const size_t before = buffer.size();
  buffer.resize(before + std::max(at_least, kReadBytes));
  const auto room = asio::buffer(buffer.data() + before, buffer.size() - before);
  const auto [error, size] =
      co_await asio::async_read(socket, room, asio::transfer_at_least(at_least), kNoThrow);
  buffer.resize(before + size);
  co_return !error;
}

}  // namespace

Result<uint16_t> Server::listen(uint16_t port) {
  asio::error_code error;
  const Tcp::endpoint endpoint(asio::ip::address_v4::loopback(), port);
  acceptor_.open(endpoint.protocol(), error);
  if (!error) acceptor_.set_option(Tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor_.bind(endpoint, error);
  if (!error) acceptor_.listen(asio::socket_base::max_listen_connections, error);
  if (error)
    return fail(ErrorKind::io, "cannot listen on 127.0.0.1:{}: {}; choose another --port, or 0 for any", port,
                error.message());
  asio::co_spawn(io_, accept(), asio::detached);
  return acceptor_.local_endpoint().port();
}

Result<void> Server::log_to(const std::string& file) {
  log_.reset(std::fopen(file.c_str(), "ae"));
  if (!log_) return fail(ErrorKind::io, "cannot write the --log file {}: {}", file, std::strerror(errno));
  return {};
}

asio::awaitable<void> Server::accept() {
  asio::steady_timer pause(io_);
  while (true) {
    auto [error, socket] = co_await acceptor_.async_accept(kNoThrow);
    if (error == asio::error::operation_aborted) co_return;
    if (error) {  // such as no file descriptor left: those in use will come back
      pause.expires_after(kPauseAfterAcceptError);
      (void)co_await pause.async_wait(kNoThrow);
      continue;
    }
    asio::error_code ignored;
    socket.set_option(Tcp::no_delay(true), ignored);
    simulator_.count_connection();
    asio::co_spawn(io_, serve(std::move(socket)), asio::detached);
  }
}

asio::awaitable<void> Server::serve(Tcp::socket socket) {
  std::string buffer;
  while (true) {
    auto head = parse_head(buffer);
    if (!head) {
      Reply refusal{400, "text/plain", head.error().message + "\n"};
      const std::string bytes = write_reply(refusal, false, false);
      const auto out = asio::buffer(bytes);
      (void)co_await asio::async_write(socket, out, kNoThrow);
      co_return;
    }
    if (!head->has_value()) {
      const bool more = co_await read_more(socket, buffer, 1);
      if (!more) co_return;
      continue;
    }
    Head& request = **head;
    if (request.expects_continue && buffer.size() < request.head_bytes + request.body_bytes) {
      constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
      const auto out = asio::buffer(kContinue);
      (void)co_await asio::async_write(socket, out, kNoThrow);
    }
    const size_t whole = request.head_bytes + request.body_bytes;
    if (buffer.size() < whole) {
      const bool more = co_await read_more(socket, buffer, whole - buffer.size());
      if (!more) co_return;
    }
    request.request.body = buffer.substr(request.head_bytes, request.body_bytes);
    buffer.erase(0, whole);
    const bool keep =
        co_await answer(socket, std::move(request.request), request.keep_alive, request.accepts_gzip);
    if (!keep) co_return;
  }
}

asio::awaitable<bool> Server::answer(Tcp::socket& socket, Request request, bool keep_alive, bool gzip) {
  const auto started = std::chrono::steady_clock::now();
  Outcome outcome = simulator_.handle(std::move(request));
  std::string bytes = write_reply(outcome.reply, keep_alive, gzip);
  log(outcome, std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - started).count());
  if (outcome.delay.count() > 0) {
    asio::steady_timer timer(io_, outcome.delay);
    (void)co_await timer.async_wait(kNoThrow);
  }
  switch (outcome.delivery) {
    case Delivery::hang:
      co_await hang(socket);
      co_return false;
    case Delivery::reset:
      co_return false;
    case Delivery::cut:
      bytes.resize(bytes.size() - (outcome.reply.body.size() + 1) / 2);
      keep_alive = false;
      break;
    case Delivery::junk:
      bytes = kJunk;
      keep_alive = false;
      break;
    case Delivery::whole:
      break;
  }
  const auto out = asio::buffer(bytes);
  const auto [error, size] = co_await asio::async_write(socket, out, kNoThrow);
  co_return keep_alive && !error;
}

void Server::log(const Outcome& outcome, double milliseconds) {
  if (!log_) return;
  const auto now = std::chrono::system_clock::now();
  const int64_t seconds = unix_seconds(now);
  const auto part =
      std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch()).count() % 1000;
  std::string line =
      fmt::format("{{\"time\":\"{}.{:03}Z\",\"action\":", format_iso(seconds).substr(0, 19), part);
  append_json_string(line, outcome.service.empty() ? outcome.action : outcome.service + "." + outcome.action);
  line += ",\"region\":";
  append_json_string(line, outcome.region);
  line += fmt::format(",\"status\":{}", outcome.reply.status);
  if (!outcome.error_code.empty()) line += ",\"error\":" + json_string(outcome.error_code);
  line += fmt::format(",\"queries\":{},\"bytes\":{},\"ms\":{:.3f}}}\n", outcome.queries,
                      outcome.reply.body.size(), milliseconds);
  std::fwrite(line.data(), 1, line.size(), log_.get());
  std::fflush(log_.get());
}

}  // namespace bakusoku::simaws
