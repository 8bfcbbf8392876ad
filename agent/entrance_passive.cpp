#include "agent/entrance_passive.h"

#include <spdlog/spdlog.h>

#include <array>
#include <asio/redirect_error.hpp>
#include <asio/use_awaitable.hpp>

#include "zabbix/frame.h"
#include "zabbix/passive.h"

namespace bakusoku::agent {
namespace {

using asio::ip::tcp;

constexpr std::string_view kZabbixVersion = "7.0.0";  // whose JSON dialect is spoken
constexpr size_t kMaxRequestBytes = 64 * 1024;
constexpr std::chrono::seconds kReceiveTimeout{5};  // for the whole request
constexpr std::chrono::seconds kSendTimeout{30};

}  // namespace

Result<void> PassiveEntrance::open(const AgentConfig& config) {
  timeout_ = config.timeout;
  if (config.listen.empty()) {
    port_.close();
    return {};
  }
  return port_.open(
      {"[agent]", config.listen, config.allow, "passive check"},
      [this](tcp::socket& socket, Visits::Visit& visit) { return answer(socket, visit); },
      [this] { ++stats_.passive_refused; });
}

asio::awaitable<void> PassiveEntrance::answer(tcp::socket& socket, Visits::Visit& visit) {
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
  visit.work();
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
  std::string bytes = zabbix::encode_frame(reply, frame.flags);
  std::string().swap(reply);
  visit.wait_for_peer();
  if (!visit.hold(bytes.size())) co_return;
  visit.kept() = std::move(bytes);
  const TimeLimit limit(io_, socket, kSendTimeout);
  std::string_view left = visit.kept();
  while (!left.empty() && !error && socket.is_open()) {
    left.remove_prefix(co_await socket.async_write_some(asio::buffer(left),
                                                        asio::redirect_error(asio::use_awaitable, error)));
  }
}

}  // namespace bakusoku::agent
