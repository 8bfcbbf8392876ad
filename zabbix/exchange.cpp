#include "zabbix/exchange.h"

#include <fcntl.h>

#include <algorithm>
#include <asio/co_spawn.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/redirect_error.hpp>
#include <asio/ssl/context.hpp>
#include <asio/ssl/error.hpp>
#include <asio/ssl/stream.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/write.hpp>
#include <exception>
#include <optional>
#include <vector>

#include "zabbix/frame.h"
#include "zabbix/reply.h"

namespace bakusoku::zabbix {
namespace {

using asio::ip::tcp;
using std::chrono::steady_clock;

constexpr size_t kReadBytes = 64 * 1024;
constexpr std::chrono::seconds kCloseTimeout{1};

bool is_tls_error(const asio::error_code& error) {
  return error.category() == asio::error::get_ssl_category();
}

std::string words(const asio::error_code& error) {
  if (error == asio::error::eof || error == asio::ssl::error::stream_truncated) {
    return "the connection was closed";
  }
  return error.message();
}

// A connection of one exchange. Whoever waits for the exchange and whoever carries it out both hold it, so
// that the former may leave at the deadline: a look-up under way cannot be stopped.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(asio::io_context& io, Endpoint endpoint, Link link, std::string frame, Deadline deadline,
             Expect expect)
      : io_(io),
        ended_(io),
        endpoint_(std::move(endpoint)),
        link_(std::move(link)),
        frame_(std::move(frame)),
        deadline_(deadline),
        expect_(expect),
        resolver_(io),
        socket_(io) {}

  asio::awaitable<Result<std::string>> result() {
    const auto begin = steady_clock::now();
    ended_.expires_at(deadline_);
    asio::co_spawn(io_, run(shared_from_this()),
                   [self = shared_from_this()](const std::exception_ptr& failure) {
                     if (failure && !self->result_)
                       self->result_ = self->failed(ErrorKind::io, "an exception ended the exchange");
                     self->ended_.cancel();
                   });
    asio::error_code stopped;
    if (!result_) co_await ended_.async_wait(asio::redirect_error(asio::use_awaitable, stopped));
    if (result_) co_return std::move(*result_);
    stop();
    if (stopped) co_return failed(ErrorKind::timeout, "cancelled");
    const auto waited = std::chrono::duration_cast<std::chrono::milliseconds>(steady_clock::now() - begin);
    co_return failed(ErrorKind::timeout,
                     fmt::format("nothing within {} ms; {}", waited.count(), what_hangs()));
  }

 private:
  enum class Step { resolve, connect, handshake, send, receive };

  static asio::awaitable<void> run(std::shared_ptr<Connection> self) {
    Result<std::string> result = co_await self->carry_out();
    const bool answered = result.has_value();
    if (!self->stopped_) {
      self->result_ = std::move(result);
      self->ended_.cancel();
      if (answered && self->tls_) co_await self->say_goodbye();
    }
    self->close();
  }

  // A peer of OpenSSL's takes a missing close_notify for a cut connection. Whoever asked has the answer by
  // now and need not wait for this.
  asio::awaitable<void> say_goodbye() {
    limit_ = std::make_shared<asio::steady_timer>(io_);
    limit_->expires_after(kCloseTimeout);
    close_when_over(limit_);
    asio::error_code ignored;
    co_await tls_->async_shutdown(asio::redirect_error(asio::use_awaitable, ignored));
  }

  asio::awaitable<Result<std::string>> carry_out() {
    asio::error_code error;
    if (stopped_) co_return failed(ErrorKind::timeout, "cancelled");
    step_ = Step::resolve;
    std::vector<tcp::endpoint> addresses;
    const auto address = asio::ip::make_address(endpoint_.host, error);
    if (!error) {
      addresses.emplace_back(address, endpoint_.port);
    } else {
      const auto found = co_await resolver_.async_resolve(endpoint_.host, std::to_string(endpoint_.port),
                                                          tcp::resolver::numeric_service,
                                                          asio::redirect_error(asio::use_awaitable, error));
      if (error || stopped_) co_return resolve_failed(error);
      for (const auto& entry : found) addresses.push_back(entry.endpoint());
    }
    step_ = Step::connect;
    const Result<void> connected = co_await connect(addresses);
    if (!connected) co_return fail(connected.error());
    if (!link_.tls) {
      Result<std::string> answer = co_await talk(socket_);
      co_return answer;
    }
    step_ = Step::handshake;
    // Asio's context frees the handle it is given.
    SSL_CTX_up_ref(link_.tls->handle());
    tls_context_.emplace(link_.tls->handle());
    tls_.emplace(socket_, *tls_context_);
    co_await tls_->async_handshake(asio::ssl::stream_base::client,
                                   asio::redirect_error(asio::use_awaitable, error));
    if (error || stopped_) co_return tls_failed(error);
    const Result<void> peer = link_.tls->check_peer(tls_->native_handle());
    if (!peer) co_return failed(peer.error().kind, peer.error().message);
    Result<std::string> answer = co_await talk(*tls_);
    co_return answer;
  }

  // Each address has its share of the time left, so that one that swallows packets does not cost all of it.
  asio::awaitable<Result<void>> connect(std::vector<tcp::endpoint> addresses) {
    asio::error_code error;
    std::optional<asio::ip::address> source;
    if (!link_.source_ip.empty()) {
      source = asio::ip::make_address(link_.source_ip, error);
      if (error)
        co_return failed(ErrorKind::invalid,
                         fmt::format("source_ip \"{}\" is no IP address", link_.source_ip));
      std::erase_if(addresses,
                    [&](const tcp::endpoint& each) { return each.address().is_v4() != source->is_v4(); });
    }
    if (addresses.empty()) {
      co_return failed(
          ErrorKind::invalid,
          source ? fmt::format("it has no address of the same kind as source_ip {}", link_.source_ip)
                 : "it has no address");
    }
    std::string reasons;
    for (size_t i = 0; i < addresses.size(); ++i) {
      const tcp::endpoint& to = addresses[i];
      socket_.open(to.protocol(), error);
      if (error) co_return failed(ErrorKind::io, "no socket: " + error.message());
      ::fcntl(socket_.native_handle(), F_SETFD, FD_CLOEXEC);
      if (source) {
        socket_.bind(tcp::endpoint(*source, 0), error);
        if (error) {
          co_return failed(
              ErrorKind::invalid,
              fmt::format("cannot connect from source_ip {}: {}; it must be an address of this machine",
                          link_.source_ip, error.message()));
        }
      }
      if (addresses.size() > 1) {
        limit_ = std::make_shared<asio::steady_timer>(io_);
        limit_->expires_after((deadline_ - steady_clock::now()) / static_cast<int>(addresses.size() - i));
        close_when_over(limit_);
      }
      co_await socket_.async_connect(to, asio::redirect_error(asio::use_awaitable, error));
      limit_.reset();
      if (stopped_) co_return failed(ErrorKind::timeout, "cancelled");
      if (!error && socket_.is_open()) co_return Result<void>{};
      if (!reasons.empty()) reasons += ", ";
      if (addresses.size() > 1) reasons += to.address().to_string() + ": ";
      reasons += !error || error == asio::error::operation_aborted ? "no answer" : error.message();
      socket_.close(error);
    }
    co_return failed(ErrorKind::unavailable,
                     fmt::format("cannot connect: {}; is the server running, the port right and open in the "
                                 "firewall, and this node not a standby?",
                                 reasons));
  }

  // A frame there and a frame back, over TCP or TLS.
  template <typename Stream>
  asio::awaitable<Result<std::string>> talk(Stream& stream) {
    asio::error_code error;
    step_ = Step::send;
    co_await asio::async_write(stream, asio::buffer(frame_),
                               asio::redirect_error(asio::use_awaitable, error));
    if (is_tls_error(error)) co_return tls_failed(error);
    frame_ = std::string();
    const std::string cut_short = error ? "sending was cut short: " + words(error) : std::string();
    if (stopped_ || (expect_ == Expect::nothing && !error)) co_return std::string();
    // Also after an error: why the other side has closed may be there to be read, such as TLS 1.3's refusal
    // of our certificate.
    step_ = Step::receive;
    std::string received;
    std::vector<char> buffer(kReadBytes);
    for (;;) {
      const size_t size = co_await stream.async_read_some(asio::buffer(buffer),
                                                          asio::redirect_error(asio::use_awaitable, error));
      received.append(buffer.data(), size);
      auto decoded = decode_frame(received, link_.max_reply_bytes);
      if (!decoded) co_return failed(ErrorKind::corrupt, decoded.error().message);
      if (*decoded) co_return std::move((*decoded)->payload);
      if (is_tls_error(error)) co_return tls_failed(error);
      if (error || stopped_) break;
    }
    if (!cut_short.empty()) co_return failed(ErrorKind::unavailable, cut_short);
    if (received.empty()) {
      co_return failed(
          ErrorKind::unavailable,
          fmt::format("no answer: {}; {}the server's log says why, if it is one of Zabbix", words(error),
                      link_.tls ? "one that does not trust our TLS certificate ends so; " : ""));
    }
    co_return failed(ErrorKind::unavailable, fmt::format("the answer was cut short after {} bytes: {}",
                                                         received.size(), words(error)));
  }

  [[nodiscard]] tl::unexpected<Error> failed(ErrorKind kind, std::string_view message) const {
    return fail(kind, "Zabbix at {}: {}", to_string(endpoint_), message);
  }

  [[nodiscard]] tl::unexpected<Error> resolve_failed(const asio::error_code& error) const {
    const bool for_good = error == asio::error::host_not_found || error == asio::error::no_data;
    return failed(for_good ? ErrorKind::not_found : ErrorKind::unavailable,
                  fmt::format("cannot resolve its name: {}; look at its spelling and at the name servers",
                              error.message()));
  }

  [[nodiscard]] tl::unexpected<Error> tls_failed(const asio::error_code& error) {
    return failed(ErrorKind::denied, fmt::format("TLS handshake failed ({}): {}", words(error),
                                                 link_.tls->advice(tls_->native_handle())));
  }

  [[nodiscard]] std::string_view what_hangs() const {
    switch (step_) {
      case Step::resolve:
        return "its name was still being looked up: look at the name servers";
      case Step::connect:
        return "it did not take the connection: a firewall, or a machine that is off?";
      case Step::handshake:
        return "the TLS handshake was not finished: does the port speak Zabbix's protocol?";
      case Step::send:
        return "it did not take the whole request: is it overloaded?";
      case Step::receive:
        break;
    }
    return "it took the request and did not answer: is it overloaded (trapper processes, database)?";
  }

  void close_when_over(const std::shared_ptr<asio::steady_timer>& limit) {
    limit->async_wait([self = weak_from_this(), of = limit.get()](const asio::error_code& stopped) {
      const auto connection = self.lock();
      if (!stopped && connection && connection->limit_.get() == of) connection->close();
    });
  }

  void stop() {
    stopped_ = true;
    resolver_.cancel();
    close();
  }

  void close() {
    limit_.reset();
    asio::error_code ignored;
    socket_.close(ignored);
  }

  asio::io_context& io_;
  asio::steady_timer ended_;  // cancelled when result_ is there
  Endpoint endpoint_;
  Link link_;
  std::string frame_;
  Deadline deadline_;
  Expect expect_;
  tcp::resolver resolver_;
  tcp::socket socket_;
  std::optional<asio::ssl::context> tls_context_;
  std::optional<asio::ssl::stream<tcp::socket&>> tls_;
  std::shared_ptr<asio::steady_timer> limit_;  // closes the socket, unless replaced or dropped before
  Step step_ = Step::resolve;
  bool stopped_ = false;  // nobody waits any more
  std::optional<Result<std::string>> result_;
};

}  // namespace

asio::awaitable<Result<std::string>> exchange(asio::io_context& io, Endpoint endpoint, Link link,
                                              std::string frame, Deadline deadline, Expect expect) {
  const auto connection = std::make_shared<Connection>(io, std::move(endpoint), std::move(link),
                                                       std::move(frame), deadline, expect);
  Result<std::string> result = co_await connection->result();
  co_return result;
}

namespace {

// The first of `endpoints` that answers; those that fail are noted in `alternatives`.
asio::awaitable<Result<Answered>> exchange_in_turn(asio::io_context& io, Alternatives& alternatives,
                                                   std::vector<Endpoint> endpoints, Link link,
                                                   std::string frame, Deadline deadline, Expect expect) {
  Error errors;
  for (size_t i = 0; i < endpoints.size(); ++i) {
    const auto left = deadline - steady_clock::now();
    const Deadline until = steady_clock::now() + left / static_cast<int>(endpoints.size() - i);
    Result<std::string> result = co_await exchange(io, endpoints[i], link, frame, until, expect);
    if (result) {
      alternatives.answered(endpoints[i]);
      Answered answered;
      answered.payload = std::move(*result);
      answered.from = endpoints[i];
      co_return answered;
    }
    const bool cancelled =
        (co_await asio::this_coro::cancellation_state).cancelled() != asio::cancellation_type::none;
    if (cancelled) co_return fail(result.error());
    alternatives.failed(endpoints[i], steady_clock::now());
    if (i == 0) {
      errors = result.error();
    } else {
      errors.message += "; " + result.error().message;
    }
  }
  co_return fail(errors);
}

}  // namespace

asio::awaitable<Result<std::string>> exchange_with_any(asio::io_context& io, Alternatives& alternatives,
                                                       Link link, std::string frame, Deadline deadline,
                                                       Expect expect) {
  auto answered = co_await exchange_in_turn(io, alternatives, alternatives.endpoints(), std::move(link),
                                            std::move(frame), deadline, expect);
  if (!answered) co_return fail(answered.error());
  co_return std::move(answered->payload);
}

namespace {

// The common endpoints without those that have sent us away.
std::vector<Endpoint> others(const Alternatives& alternatives, const std::vector<Endpoint>& asked) {
  std::vector<Endpoint> endpoints = alternatives.endpoints();
  std::erase_if(endpoints, [&](const Endpoint& each) {
    return std::find(asked.begin(), asked.end(), each) != asked.end();
  });
  return endpoints;
}

bool may_say_unknown(std::string_view payload) {
  return payload.find("not found") != std::string_view::npos ||
         payload.find("unknown host") != std::string_view::npos;
}

}  // namespace

asio::awaitable<Result<Answered>> exchange_for_host(asio::io_context& io, Alternatives& alternatives,
                                                    std::string host, Link link, std::string frame,
                                                    Deadline deadline, std::optional<Endpoint> only) {
  std::vector<Endpoint> endpoints = alternatives.endpoints(host, steady_clock::now());
  if (only) endpoints = {*only};
  bool redirected = false;
  bool forgotten = false;       // what was known of the host's place
  std::vector<Endpoint> asked;  // who did not take the host
  for (;;) {
    auto answered =
        co_await exchange_in_turn(io, alternatives, endpoints, link, frame, deadline, Expect::reply);
    if (!answered) {
      if (!redirected) co_return fail(answered.error());
      Answered astray;
      astray.astray = answered.error().with_context("Zabbix's redirect of host " + host);
      co_return astray;
    }
    const Endpoint* const route = alternatives.route(host);
    const bool routed = route != nullptr && *route == answered->from;
    const bool unknown = (routed || alternatives.redirects()) && may_say_unknown(answered->payload);
    if (!unknown && answered->payload.find("\"redirect\"") == std::string::npos) {
      alternatives.belongs(host, answered->from);
      co_return std::move(*answered);
    }
    const auto head = decode_reply_head(answered->payload);
    if (!head) co_return std::move(*answered);
    asked.push_back(answered->from);
    if (!head->redirect) {
      if (!unknown || !says_unknown_host(head->info)) {
        alternatives.belongs(host, answered->from);
        co_return std::move(*answered);
      }
      if (routed) alternatives.forget(host);
      endpoints = others(alternatives, asked);
      if (endpoints.empty()) co_return std::move(*answered);
    } else if (!forgotten && alternatives.is_older(host, *head->redirect)) {
      const auto older = alternatives.follow(host, answered->from, *head->redirect, steady_clock::now());
      endpoints = others(alternatives, asked);
      alternatives.forget(host);
      if (endpoints.empty()) {
        answered->payload.clear();
        answered->astray = older.error();
        co_return std::move(*answered);
      }
    } else {
      answered->payload.clear();
      if (redirected) {
        answered->astray =
            Error{ErrorKind::unavailable,
                  fmt::format(
                      "Zabbix at {} redirects host {} although it was redirected there: sequential redirects",
                      to_string(answered->from), host)};
        co_return std::move(*answered);
      }
      const auto followed = alternatives.follow(host, answered->from, *head->redirect, steady_clock::now());
      if (!followed) {
        answered->astray = followed.error();
        co_return std::move(*answered);
      }
      answered->moved = only.has_value();
      if (answered->moved) co_return std::move(*answered);
      redirected = true;
      endpoints = alternatives.endpoints(host, steady_clock::now());
      endpoints.resize(1);
      continue;
    }
    forgotten = true;
    answered->moved = only.has_value();
    answered->payload.clear();
    if (answered->moved) co_return std::move(*answered);
    redirected = false;
  }
}

}  // namespace bakusoku::zabbix
