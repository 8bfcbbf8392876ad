#include "agent/entrance_passive.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>
#include <asio/post.hpp>
#include <asio/redirect_error.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/write.hpp>
#include <charconv>
#include <new>

#include "agent/spawn.h"
#include "zabbix/frame.h"
#include "zabbix/passive.h"

namespace bakusoku::agent {
namespace {

using asio::ip::tcp;

constexpr std::string_view kZabbixVersion = "7.0.0";  // whose JSON dialect is spoken
constexpr size_t kMaxRequestBytes = 64 * 1024;
constexpr size_t kMaxConnections = 1024;
constexpr std::chrono::seconds kReceiveTimeout{5};  // for the whole request
constexpr std::chrono::seconds kSendTimeout{30};
constexpr std::chrono::minutes kResolveEvery{1};

// "127.0.0.1:10050", "[::1]:10050".
Result<tcp::endpoint> parse_listen(const std::string& text) {
  const size_t colon = text.rfind(':');
  std::string host = colon == std::string::npos ? std::string() : text.substr(0, colon);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  asio::error_code error;
  const auto address = asio::ip::make_address(host, error);
  uint16_t port = 0;
  const char* end = text.data() + text.size();
  const char* begin = colon == std::string::npos ? end : text.data() + colon + 1;
  const auto parsed = std::from_chars(begin, end, port);
  if (error || parsed.ec != std::errc() || parsed.ptr != end || port == 0) {
    return fail(
        ErrorKind::invalid,
        "listen = \"{}\" in [agent]: write ADDRESS:PORT, such as \"127.0.0.1:10055\" or \"[::]:10055\"",
        text);
  }
  return tcp::endpoint(address, port);
}

// Ends the connection's pending operation when the time is up. Shared with the timer's handler, which may run
// late.
class TimeLimit {
 public:
  TimeLimit(asio::io_context& io, tcp::socket& socket, std::chrono::milliseconds limit)
      : timer_(io, limit), socket_(std::make_shared<tcp::socket*>(&socket)) {
    timer_.async_wait([socket = socket_](const asio::error_code& stopped) {
      asio::error_code ignored;
      if (!stopped && *socket != nullptr) (*socket)->cancel(ignored);
    });
  }
  ~TimeLimit() { *socket_ = nullptr; }
  TimeLimit(const TimeLimit&) = delete;
  TimeLimit& operator=(const TimeLimit&) = delete;

 private:
  asio::steady_timer timer_;
  std::shared_ptr<tcp::socket*> socket_;
};

}  // namespace

Result<void> PassiveEntrance::open(const AgentConfig& config) {
  if (config.listen.empty()) return {};
  const auto endpoint = parse_listen(config.listen);
  if (!endpoint) return fail(endpoint.error());
  auto allow = zabbix::AllowList::parse(config.allow);
  if (!allow) return fail(allow.error().with_context("allow in [agent]"));
  allow_ = std::move(*allow);
  timeout_ = config.timeout;
  acceptor_ = std::make_unique<tcp::acceptor>(io_);
  asio::error_code error;
  acceptor_->open(endpoint->protocol(), error);
  if (!error) acceptor_->set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor_->bind(*endpoint, error);
  if (!error) acceptor_->listen(asio::socket_base::max_listen_connections, error);
  if (error) {
    const auto kind = error == asio::error::access_denied ? ErrorKind::denied : ErrorKind::io;
    return fail(kind, "cannot listen on {}: {}; set listen in [agent] to a free address and port",
                config.listen, error.message());
  }
  spawn(io_, "the passive port's accept loop", accept_loop());
  return {};
}

asio::awaitable<void> PassiveEntrance::accept_loop() {
  for (;;) {
    asio::error_code error;
    tcp::socket socket = co_await acceptor_->async_accept(asio::redirect_error(asio::use_awaitable, error));
    if (error == asio::error::operation_aborted) co_return;
    if (error) {
      // Out of file descriptors, most likely: breathe, then go on.
      if (const auto left_out = accept_errors_.may_log())
        spdlog::warn("cannot accept a passive check: {} ({} more such failures)", error.message(), *left_out);
      asio::steady_timer pause(io_, std::chrono::milliseconds(100));
      co_await pause.async_wait(asio::redirect_error(asio::use_awaitable, error));
      continue;
    }
    if (open_ >= kMaxConnections) {  // the socket's end closes it
      if (const auto left_out = refusals_.may_log())
        spdlog::warn("more than {} connections on the passive port; {} refused", kMaxConnections,
                     *left_out + 1);
      continue;
    }
    ++open_;
    try {
      spawn(io_, "a passive check", serve(std::move(socket)), [this] { --open_; });
    } catch (const std::bad_alloc&) {
      --open_;
    }
  }
}

asio::awaitable<void> PassiveEntrance::serve(tcp::socket socket) {
  asio::error_code error;
  const auto peer = socket.remote_endpoint(error);
  if (!error) {
    const bool allowed = co_await is_allowed(peer.address());
    if (allowed) {
      co_await answer(socket);
    } else {
      ++stats_.passive_refused;
      if (const auto left_out = refusals_.may_log())
        spdlog::warn(
            "passive check from {} refused: it is not on the list allow in [agent] ({} more refused)",
            peer.address().to_string(), *left_out);
    }
  }
}

asio::awaitable<bool> PassiveEntrance::is_allowed(asio::ip::address address) {
  const auto written = zabbix::IpAddress::parse(address.to_string());
  if (!written) co_return false;
  if (allow_.allows(*written)) co_return true;
  if (allow_.names().empty()) co_return false;
  const auto now = std::chrono::steady_clock::now();
  if (!resolving_ && now >= resolve_again_) {
    resolve_again_ = now + kResolveEvery;
    auto resolving = std::make_shared<Event>(io_);
    spawn(io_, "resolving allow in [agent]", resolve_names(), [this, resolving] {
      resolving_.reset();
      resolving->set();
    });
    resolving_ = std::move(resolving);
  }
  if (is_resolved(*written)) co_return true;
  const std::shared_ptr<Event> resolving = resolving_;
  if (!resolving) co_return false;
  [[maybe_unused]] const bool ended = co_await resolving->wait(now + kReceiveTimeout);
  co_return is_resolved(*written);
}

bool PassiveEntrance::is_resolved(const zabbix::IpAddress& address) const {
  return std::any_of(resolved_.begin(), resolved_.end(), [&](const auto& name) {
    return std::any_of(name.second.begin(), name.second.end(), [&](const asio::ip::address& known) {
      return zabbix::IpAddress::parse(known.to_string()) == address;
    });
  });
}

// A name that cannot be looked up now keeps the addresses it had.
asio::awaitable<void> PassiveEntrance::resolve_names() {
  co_await asio::post(io_, asio::use_awaitable);  // resolving_ is set first
  tcp::resolver resolver(io_);
  for (const std::string& name : allow_.names()) {
    asio::error_code error;
    const auto found =
        co_await resolver.async_resolve(name, "", asio::redirect_error(asio::use_awaitable, error));
    if (error) {
      spdlog::warn("allow in [agent]: cannot resolve {}: {}", name, error.message());
      continue;
    }
    std::vector<asio::ip::address>& addresses = resolved_[name];
    addresses.clear();
    for (const auto& entry : found) addresses.push_back(entry.endpoint().address());
  }
}

asio::awaitable<void> PassiveEntrance::answer(tcp::socket& socket) {
  asio::error_code error;
  std::string received;
  std::array<char, 4096> buffer;
  Result<std::optional<zabbix::Frame>> message = std::nullopt;
  {
    const TimeLimit limit(io_, socket, kReceiveTimeout);
    while (message && !*message && !error) {
      const size_t size = co_await socket.async_read_some(asio::buffer(buffer),
                                                          asio::redirect_error(asio::use_awaitable, error));
      received.append(buffer.data(), size);
      message = zabbix::decode_passive_message(received, kMaxRequestBytes);
    }
  }
  if (!message || !*message) {
    ++stats_.passive_refused;
    spdlog::debug("no passive check: {}", message ? error.message() : message.error().message);
    co_return;
  }
  ++stats_.passive_requests;
  const zabbix::Frame& frame = **message;
  std::string reply;
  auto request = zabbix::decode_passive_request(frame.payload);
  if (request) {
    const auto allowed = request->timeout.value_or(timeout_);
    const Deadline deadline = answer_deadline(allowed);
    std::optional<Answer> known = items_.answer_now(request->key);
    if (!known) known = co_await items_.answer(request->key, deadline);
    zabbix::PassiveReply said;
    said.supported = known->supported;
    said.text = std::move(known->text);
    reply = zabbix::encode_passive_reply(request->dialect, said, kZabbixVersion);
  } else {
    ++stats_.passive_refused;
    reply = zabbix::encode_passive_refusal(zabbix::passive_dialect(frame.payload), request.error().message,
                                           kZabbixVersion);
  }
  const std::string bytes = zabbix::encode_frame(reply, frame.flags);
  const TimeLimit limit(io_, socket, kSendTimeout);
  co_await asio::async_write(socket, asio::buffer(bytes), asio::redirect_error(asio::use_awaitable, error));
}

}  // namespace bakusoku::agent
