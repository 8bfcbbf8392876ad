#include "agent/port.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <asio/post.hpp>
#include <asio/redirect_error.hpp>
#include <asio/use_awaitable.hpp>
#include <cerrno>
#include <charconv>
#include <utility>

#include "agent/spawn.h"

namespace bakusoku::agent {
namespace {

using asio::ip::tcp;

constexpr std::chrono::seconds kLookUpWithin{5};
constexpr std::chrono::minutes kResolveEvery{1};

Result<tcp::endpoint> parse_listen(const std::string& text, const std::string& section) {
  if (const auto address = listen_address(text)) return *address;
  return fail(ErrorKind::invalid,
              "listen = \"{}\" in {}: write ADDRESS:PORT, such as \"127.0.0.1:10055\" or \"[::]:10055\"",
              text, section);
}

uint16_t port_of(std::string_view listen) {
  const auto endpoint = listen_address(listen);
  return endpoint ? endpoint->port() : 0;
}

std::string remedy(const asio::error_code& error, const tcp::endpoint& endpoint, const std::string& section) {
  constexpr uint16_t kFirstFree = 1024;
  if (error == asio::error::access_denied && endpoint.port() < kFirstFree) {
    return fmt::format(
        "a port below {} needs the capability CAP_NET_BIND_SERVICE (systemd: AmbientCapabilities=); set "
        "listen in {} to a higher one, such as 10055",
        kFirstFree, section);
  }
  if (error == asio::error::address_in_use) {
    return fmt::format(
        "set listen in {} to a free address and port, or stop who has it (ss -ltnp 'sport = :{}' names it)",
        section, endpoint.port());
  }
  if (error == asio::error_code(EADDRNOTAVAIL, asio::error::get_system_category())) {
    return fmt::format("set listen in {} to an address of this machine, or to 0.0.0.0 or [::] for all",
                       section);
  }
  return fmt::format("set listen in {} to a free address and port", section);
}

}  // namespace

std::optional<tcp::endpoint> listen_address(std::string_view text) {
  const size_t colon = text.rfind(':');
  std::string host(colon == std::string_view::npos ? std::string_view() : text.substr(0, colon));
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  asio::error_code error;
  const auto address = asio::ip::make_address(host, error);
  uint16_t port = 0;
  const char* end = text.data() + text.size();
  const char* begin = colon == std::string_view::npos ? end : text.data() + colon + 1;
  const auto parsed = std::from_chars(begin, end, port);
  if (error || parsed.ec != std::errc() || parsed.ptr != end || port == 0) return std::nullopt;
  return tcp::endpoint(address, port);
}

Result<zabbix::AllowList> Port::read(const Settings& settings) {
  if (const auto endpoint = parse_listen(settings.listen, settings.section); !endpoint)
    return fail(endpoint.error());
  auto allow = zabbix::AllowList::parse(settings.allow);
  if (!allow) return fail(allow.error().with_context("allow in " + settings.section));
  return allow;
}

Result<std::shared_ptr<tcp::acceptor>> Port::claim(asio::io_context& io, const Settings& settings) {
  const auto endpoint = parse_listen(settings.listen, settings.section);
  if (!endpoint) return fail(endpoint.error());
  auto acceptor = std::make_shared<tcp::acceptor>(io);
  asio::error_code error;
  acceptor->open(endpoint->protocol(), error);
  if (!error) acceptor->set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor->bind(*endpoint, error);
  if (!error) acceptor->listen(asio::socket_base::max_listen_connections, error);
  if (!error) acceptor->non_blocking(true, error);
  if (!error) return acceptor;
  const auto kind = error == asio::error::access_denied ? ErrorKind::denied : ErrorKind::io;
  return fail(kind, "cannot listen on {}: {}; {}", settings.listen, error.message(),
              remedy(error, *endpoint, settings.section));
}

Result<void> Port::open(Settings settings, Serve serve, std::function<void()> refused) {
  auto allow = read(settings);
  if (!allow) return fail(allow.error());
  if (!acceptor_ || settings.listen != settings_.listen) {
    // All addresses and one of them exclude each other on one port: there the old one goes first.
    const bool in_its_own_way = acceptor_ && port_of(settings.listen) == port_of(settings_.listen);
    if (in_its_own_way) close();
    auto acceptor = claim(io_, settings);
    if (!acceptor) {
      if (in_its_own_way) listen_again();
      return fail(acceptor.error());
    }
    close();
    listen_on(std::move(*acceptor));
  }
  settings_ = std::move(settings);
  serve_ = std::move(serve);
  refused_ = std::move(refused);
  allow_ = std::move(*allow);
  resolve_again_ = {};
  return {};
}

void Port::listen_on(std::shared_ptr<tcp::acceptor> acceptor) {
  acceptor_ = std::move(acceptor);
  spawn_loop(io_, "an accept loop", accept_loop(acceptor_));
}

void Port::listen_again() {
  auto acceptor = claim(io_, settings_);
  if (acceptor) {
    listen_on(std::move(*acceptor));
  } else {
    spdlog::error("no {} is taken any more: {}", settings_.what, acceptor.error().message);
  }
}

void Port::close() {
  if (!acceptor_) return;
  asio::error_code ignored;
  acceptor_->close(ignored);
  acceptor_.reset();
}

asio::awaitable<void> Port::accept_loop(std::shared_ptr<tcp::acceptor> acceptor) {
  for (;;) {
    asio::error_code error;
    tcp::socket socket = co_await acceptor->async_accept(asio::redirect_error(asio::use_awaitable, error));
    if (error == asio::error::operation_aborted || !acceptor->is_open()) co_return;
    // All who have come meanwhile, so that they are served together.
    while (!error) {
      admit(std::move(socket));
      socket = tcp::socket(io_);
      acceptor->accept(socket, error);
    }
    if (error == asio::error::would_block || error == asio::error::try_again) continue;
    // Out of file descriptors, most likely: breathe, then go on.
    if (const auto left_out = accept_errors_.may_log())
      spdlog::warn("cannot accept a {}: {} ({} more such failures)", settings_.what, error.message(),
                   *left_out);
    asio::steady_timer pause(io_, std::chrono::milliseconds(100));
    co_await pause.async_wait(asio::redirect_error(asio::use_awaitable, error));
  }
}

void Port::admit(tcp::socket socket) {
  asio::error_code error;
  const auto peer = socket.remote_endpoint(error);
  if (error) return;
  const uint64_t before = visits_.closed();
  auto visit = visits_.admit(peer.address().to_string());
  if (!visit || visits_.closed() != before) {
    if (const auto left_out = refusals_.may_log()) {
      spdlog::warn("{} connections on {} are open, and one more came from {}; {} ({} more)", visits_.open(),
                   settings_.listen, peer.address().to_string(),
                   visit ? "one that had sent nothing for longest was closed, of the address with the most"
                         : "it was refused",
                   *left_out);
    }
  }
  // The socket's end closes it.
  if (visit) spawn(io_, settings_.what, serve(std::move(socket), std::move(*visit)));
}

asio::awaitable<void> Port::serve(tcp::socket socket, Visits::Visit visit) {
  asio::error_code error;
  const auto peer = socket.remote_endpoint(error);
  if (error) co_return;
  visit.closes_by([&socket] {
    asio::error_code ignored;
    socket.close(ignored);
  });
  const bool allowed = co_await is_allowed(peer.address());
  if (allowed) {
    co_await serve_(socket, visit);
    co_return;
  }
  refused_();
  if (const auto left_out = refusals_.may_log())
    spdlog::warn("{} from {} refused: it is not on the list allow in {} ({} more refused)", settings_.what,
                 peer.address().to_string(), settings_.section, *left_out);
}

asio::awaitable<bool> Port::is_allowed(asio::ip::address address) {
  const auto written = zabbix::IpAddress::parse(address.to_string());
  if (!written) co_return false;
  if (allow_.allows(*written)) co_return true;
  if (allow_.names().empty()) co_return false;
  const auto now = std::chrono::steady_clock::now();
  if (!resolving_ && now >= resolve_again_) {
    resolve_again_ = now + kResolveEvery;
    auto resolving = make_event(io_);
    spawn(io_, "resolving an allow list", resolve_names(), [this, resolving] {
      resolving_.reset();
      resolving->set();
    });
    resolving_ = std::move(resolving);
  }
  if (is_resolved(*written)) co_return true;
  const EventPtr resolving = resolving_;
  if (!resolving) co_return false;
  [[maybe_unused]] const bool ended = co_await resolving->wait(now + kLookUpWithin);
  co_return is_resolved(*written);
}

bool Port::is_resolved(const zabbix::IpAddress& address) const {
  return std::any_of(resolved_.begin(), resolved_.end(), [&](const auto& name) {
    return std::any_of(name.second.begin(), name.second.end(), [&](const asio::ip::address& known) {
      return zabbix::IpAddress::parse(known.to_string()) == address;
    });
  });
}

// A name that cannot be looked up now keeps the addresses it had.
asio::awaitable<void> Port::resolve_names() {
  co_await asio::post(io_, asio::use_awaitable);  // resolving_ is set first
  tcp::resolver resolver(io_);
  const std::vector<std::string> names = allow_.names();  // a reload may replace the list meanwhile
  for (const std::string& name : names) {
    asio::error_code error;
    const auto found =
        co_await resolver.async_resolve(name, "", asio::redirect_error(asio::use_awaitable, error));
    if (error) {
      spdlog::warn("allow in {}: cannot resolve {}: {}", settings_.section, name, error.message());
      continue;
    }
    std::vector<asio::ip::address>& addresses = resolved_[name];
    addresses.clear();
    for (const auto& entry : found) addresses.push_back(entry.endpoint().address());
  }
}

TimeLimit::TimeLimit(asio::io_context& io, tcp::socket& socket, std::chrono::milliseconds limit)
    : timer_(io, limit), socket_(std::make_shared<tcp::socket*>(&socket)) {
  timer_.async_wait([socket = socket_](const asio::error_code& stopped) {
    asio::error_code ignored;
    if (!stopped && *socket != nullptr) (*socket)->close(ignored);
  });
}

}  // namespace bakusoku::agent
