// A Zabbix server that stores nothing, for scripts/bench: tells of any host the same items, as 6.0 does (all
// of them each time), takes values of any item and counts them truthfully. One thread, one connection after
// the other.
//
//   {"request":"active checks","host":"i-1",...}   ITEMS items of that host: metrics, and one fact
//   {"request":"agent data"|"sender data",...}     processed: how many rows could be read
//   {"request":"sink stats"}                       what was asked and taken so far
#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>
#include <string_view>

#include "base/json.h"
#include "zabbix/frame.h"
#include "zabbix/json_reader.h"
#include "zabbix/sender.h"

namespace {

namespace zabbix = bakusoku::zabbix;

constexpr std::array kMetrics{"CPUUtilization",    "NetworkIn",     "NetworkOut",     "NetworkPacketsIn",
                              "NetworkPacketsOut", "DiskReadBytes", "DiskWriteBytes", "DiskReadOps",
                              "DiskWriteOps",      "EBSReadBytes",  "EBSWriteBytes",  "EBSReadOps",
                              "EBSWriteOps"};

class Sink {
 public:
  explicit Sink(size_t items) : items_(items) {}

  /// The answer's payload; empty: none.
  std::string answer(std::string_view payload) {
    simdjson::dom::object root;
    if (parser_.parse(payload.data(), payload.size()).get(root) != simdjson::SUCCESS) return {};
    const std::string_view request = zabbix::read_string(root, "request").value_or("");
    if (request == "active checks") return active_checks(zabbix::read_string(root, "host").value_or(""));
    if (request == "agent data" || request == "sender data") return take(root);
    if (request == "sink stats") {
      return fmt::format(R"({{"active_checks":{},"hosts":{},"packets":{},"values":{},"not_supported":{}}})",
                         active_checks_, hosts_.size(), packets_, values_, not_supported_);
    }
    return {};
  }

 private:
  std::string active_checks(std::string_view host) {
    ++active_checks_;
    const size_t number = hosts_.try_emplace(std::string(host), hosts_.size()).first->second;
    std::string out = R"({"response":"success","data":[)";
    for (size_t at = 0; at < items_; ++at) {
      const std::string key =
          at + 1 == items_
              ? fmt::format("aws.resource[ec2,{},state]", host)
              : fmt::format("aws.metric[AWS/EC2,{},\"InstanceId={}\",Average,300]", kMetrics.at(at), host);
      out += at == 0 ? R"({"key":)" : R"(,{"key":)";
      bakusoku::append_json_string(out, key);
      out += fmt::format(R"(,"itemid":{},"delay":"5m","lastlogsize":0,"mtime":0}})",
                         kFirstId + number * kIdsOfHost + at);
    }
    return out + "]}";
  }

  std::string take(simdjson::dom::object root) {
    ++packets_;
    simdjson::dom::array rows;
    zabbix::SenderCounts counts;
    if (root.at_key("data").get(rows) != simdjson::SUCCESS) return zabbix::encode_sender_refusal("no data");
    for (const simdjson::dom::element row : rows) {
      std::string_view text;
      uint64_t clock = 0;
      const bool readable = names_an_item(row) && row["value"].get(text) == simdjson::SUCCESS &&
                            row["clock"].get(clock) == simdjson::SUCCESS;
      ++counts.total;
      ++(readable ? counts.processed : counts.failed);
      uint64_t state = 0;
      if (row["state"].get(state) == simdjson::SUCCESS && state == 1) ++not_supported_;
    }
    values_ += counts.processed;
    return zabbix::encode_sender_answer(counts);
  }

  // By an id that was told, as active checks do, or by names, as zabbix_sender does.
  [[nodiscard]] bool names_an_item(simdjson::dom::element row) const {
    if (const auto id = zabbix::read_unsigned(row, "itemid"))
      return *id >= kFirstId && *id < kFirstId + hosts_.size() * kIdsOfHost && *id % kIdsOfHost < items_;
    return zabbix::read_string(row, "host") && zabbix::read_string(row, "key");
  }

  static constexpr uint64_t kFirstId = 100'000;
  static constexpr uint64_t kIdsOfHost = 100;  // at least as many as items

  size_t items_;
  simdjson::dom::parser parser_;
  std::map<std::string, size_t, std::less<>> hosts_;
  uint64_t active_checks_ = 0;
  uint64_t packets_ = 0;
  uint64_t values_ = 0;
  uint64_t not_supported_ = 0;
};

void serve(int connection, Sink& sink) {
  static std::array<char, 1 << 18> bytes;
  std::string received;
  for (;;) {
    const auto frame = zabbix::decode_frame(received, zabbix::kMaxPacketBytes);
    if (!frame) return;
    if (*frame) {
      const std::string answer = sink.answer((*frame)->payload);
      if (answer.empty()) return;
      const std::string reply = zabbix::encode_frame(answer, (*frame)->flags);
      (void)::send(connection, reply.data(), reply.size(), MSG_NOSIGNAL);
      return;
    }
    const ssize_t got = ::recv(connection, bytes.data(), bytes.size(), 0);
    if (got <= 0) return;
    received.append(bytes.data(), static_cast<size_t>(got));
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: trapper_sink PORT ITEMS\n");
    return 2;
  }
  const auto port = static_cast<uint16_t>(std::strtoul(argv[1], nullptr, 10));
  const size_t items = std::strtoul(argv[2], nullptr, 10);
  if (items == 0 || items > kMetrics.size() + 1) {
    std::fprintf(stderr, "trapper_sink: ITEMS is 1 to %zu\n", kMetrics.size() + 1);
    return 2;
  }
  const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int yes = 1;
  ::setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::bind(listener, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      ::listen(listener, 128) != 0) {
    std::perror("trapper_sink");
    return 1;
  }
  Sink sink(items);
  for (;;) {
    const int connection = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    if (connection < 0) continue;
    const timeval limit{10, 0};
    ::setsockopt(connection, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    ::setsockopt(connection, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    serve(connection, sink);
    ::close(connection);
  }
}
