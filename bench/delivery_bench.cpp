// What a value costs on its way to Zabbix: the agent's own spool, on disk, and the agent's own delivery.
// Prints JSON. With `lines` it prints the same values as input of `zabbix_sender -T -N -i -` instead.
//
//   delivery_bench deliver HOST:PORT PREFIX FIRST VALUES FOLDER
//   delivery_bench lines PREFIX FIRST VALUES
//
// 1000 items, ten on each of the hosts PREFIX-000 to PREFIX-099, have a value each at FIRST (unix seconds),
// then a minute later, and so on.
#include <fmt/format.h>
#include <unistd.h>

#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/delivery.h"
#include "agent/spool.h"
#include "base/log.h"
#include "bench/measure.h"

namespace {

namespace agent = bakusoku::agent;
namespace zabbix = bakusoku::zabbix;
using bakusoku::bench::cpu_seconds;
using bakusoku::bench::die;
using std::chrono::steady_clock;

constexpr size_t kHosts = 100;
constexpr size_t kKeys = 10;
constexpr size_t kBatch = 500;  // as many values as a reading of CloudWatch brings

class Values {
 public:
  Values(const std::string& prefix, int64_t first) : first_(first) {
    for (size_t host = 0; host < kHosts; ++host) hosts_.push_back(fmt::format("{}-{:03}", prefix, host));
    for (size_t key = 0; key < kKeys; ++key)
      keys_.push_back(fmt::format(
          "aws.metric[AWS/EC2,NetworkPacketsIn{},\"InstanceId=i-0123456789abcdef0\",Average,60]", key));
  }
  [[nodiscard]] agent::Value at(size_t number) {
    const size_t item = number % (kHosts * kKeys);
    text_ = fmt::format("{}.{:02}", number * 7919 % 9973, number % 97);
    agent::Value value;
    value.host = hosts_[item / kKeys];
    value.key = keys_[item % kKeys];
    value.clock = first_ + static_cast<int64_t>(number / (kHosts * kKeys)) * 60;
    value.text = text_;
    value.moves_clock = true;
    return value;
  }

 private:
  int64_t first_;
  std::vector<std::string> hosts_;
  std::vector<std::string> keys_;
  std::string text_;
};

void print_lines(Values& values, size_t count) {
  std::string line;
  for (size_t number = 0; number < count; ++number) {
    const agent::Value value = values.at(number);
    line = fmt::format("{} \"", value.host);
    for (const char ch : value.key) {
      if (ch == '"') line += '\\';
      line += ch;
    }
    fmt::format_to(std::back_inserter(line), "\" {} {} {}\n", value.clock, value.ns, value.text);
    std::fputs(line.c_str(), stdout);
  }
}

void fill(agent::Spool& spool, Values& values, size_t count) {
  std::vector<std::string> texts(kBatch);
  std::vector<agent::Value> batch;
  for (size_t number = 0; number < count;) {
    batch.clear();
    for (; number < count && batch.size() < kBatch; ++number) {
      batch.push_back(values.at(number));
      std::string& text = texts[batch.size() - 1];
      text = batch.back().text;
      batch.back().text = text;
    }
    if (auto put = spool.put(batch, agent::Durability::normal); !put) die(put.error().message);
  }
}

void deliver(const std::string& to, Values& values, size_t count, const std::string& folder) {
  const std::string path = fmt::format("{}/delivery_bench.{}.db", folder, ::getpid());
  agent::SpoolOptions options;
  options.path = path;
  auto opened = agent::Spool::open(options, bakusoku::system_clock());
  if (!opened) die(opened.error().message);
  agent::Spool& spool = **opened;
  if (auto added = spool.add_destination(agent::kSpoolDestination); !added) die(added.error().message);
  const double at_start = cpu_seconds();
  // What making the values costs is not the spool's.
  for (size_t number = 0; number < count; ++number) (void)values.at(number);
  const double making = cpu_seconds() - at_start;
  const double before_put = cpu_seconds();
  const auto put_began = steady_clock::now();
  fill(spool, values, count);
  const double put = cpu_seconds() - before_put - making;
  const std::chrono::duration<double> put_wall = steady_clock::now() - put_began;

  auto endpoint = zabbix::parse_endpoint(to);
  if (!endpoint) die(endpoint.error().message);
  zabbix::Alternatives alternatives({*endpoint});
  asio::io_context io(1);
  agent::Delivery delivery({io, spool, alternatives, {}, bakusoku::system_clock()});
  const double before = cpu_seconds();
  const auto began = steady_clock::now();
  auto ended = began;
  asio::steady_timer timer(io);
  std::function<void()> look = [&] {
    timer.expires_after(std::chrono::milliseconds(1));
    timer.async_wait([&](const asio::error_code&) {
      const agent::DeliveryCounters& counters = delivery.counters();
      if (counters.delivered + counters.refused >= count) {
        ended = steady_clock::now();
        io.stop();
      } else if (steady_clock::now() - began > std::chrono::minutes(5)) {
        die("not all delivered in five minutes");
      } else {
        look();
      }
    });
  };
  look();
  delivery.start();
  io.run();
  const std::chrono::duration<double> wall = ended - began;
  fmt::print(
      R"({{"values":{},"delivered":{},"refused":{},"packets":{},"put_cpu_seconds":{:.6f},"put_seconds":{:.6f},"cpu_seconds":{:.6f},"seconds":{:.6f}}})"
      "\n",
      count, delivery.counters().delivered, delivery.counters().refused, delivery.counters().packets, put,
      put_wall.count(), cpu_seconds() - before, wall.count());
  opened->reset();
  std::error_code ignored;
  for (const char* suffix : {"", "-wal"}) std::filesystem::remove(path + suffix, ignored);
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view command = argc > 1 ? argv[1] : "";
  const int more = command == "deliver" ? 1 : 0;
  if ((command != "deliver" || argc != 7) && (command != "lines" || argc != 5))
    die("usage: delivery_bench deliver HOST:PORT PREFIX FIRST VALUES FOLDER | lines PREFIX FIRST VALUES");
  (void)bakusoku::set_up_log("warning", false);
  Values values(argv[2 + more], std::strtoll(argv[3 + more], nullptr, 10));
  const size_t count = std::strtoull(argv[4 + more], nullptr, 10);
  if (command == "lines") {
    print_lines(values, count);
  } else {
    deliver(argv[2], values, count, argv[6]);
  }
  return 0;
}
