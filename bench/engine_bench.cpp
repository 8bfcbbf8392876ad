// What collecting costs: the agent's own look at what exists, schedule, batches, calls, decoding, feeds,
// spool and ledger (both on disk), against a simulator. Prints JSON.
//
//   engine_bench URL NAMESPACE SERIES PERIOD DELAY SECONDS FOLDER
//
// SERIES metrics of Sim/Load or AWS/EC2, of period PERIOD (seconds), wanted by Zabbix once a period, are
// final DELAY seconds after a period's end. When all of them have a first value, SECONDS are measured, which
// are whole periods from the beginning of one on: what is read comes in bursts, one a period. Values are
// taken out of the spool as a delivery would, once a second. The simulator has to be started with --load
// SERIES, or with
// --instances SERIES/8.
#include <fmt/format.h>
#include <malloc.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "agent/agent.h"
#include "agent/checks.h"
#include "agent/spool.h"
#include "base/log.h"
#include "bench/measure.h"
#include "simaws/synthetic.h"

namespace {

namespace agent = bakusoku::agent;
namespace zabbix = bakusoku::zabbix;
using bakusoku::bench::die;
using bakusoku::bench::simulator_key_id;
using bakusoku::bench::simulator_secret_key;
using std::chrono::steady_clock;

constexpr const char* kDestination = "bench";
constexpr size_t kItemsOfHost = 16;  // as many metrics as an instance has
constexpr size_t kPacket = 10'000;

int64_t number(const char* text) {
  char* end = nullptr;
  const int64_t value = std::strtoll(text, &end, 10);
  if (*text == '\0' || *end != '\0' || value < 0) die(fmt::format("'{}' is not a number", text));
  return value;
}

struct Options {
  std::string url;
  std::string name_space;
  size_t series = 0;
  int64_t period = 0;
  int64_t delay = 0;
  int64_t seconds = 0;
  std::string folder;
};

bakusoku::Environment environment_for(const std::string& url) {
  bakusoku::Environment environment;
  environment.variables = {{"AWS_ACCESS_KEY_ID", simulator_key_id()},
                           {"AWS_SECRET_ACCESS_KEY", simulator_secret_key()},
                           {"AWS_ENDPOINT_URL", url},
                           {"AWS_REGION", "eu-west-1"},
                           {"AWS_CONFIG_FILE", "/nonexistent/config"},
                           {"AWS_SHARED_CREDENTIALS_FILE", "/nonexistent/credentials"}};
  return environment;
}

// The keys of the items that Zabbix wants: metrics that the simulator has.
std::vector<std::string> keys_for(const Options& options) {
  namespace simaws = bakusoku::simaws;
  simaws::World world;
  world.load = options.name_space == "Sim/Load" ? options.series : 0;
  world.instances = options.series / kItemsOfHost * 2;
  std::vector<std::string> keys;
  const size_t slots = simaws::metric_slots(world);
  for (size_t slot = 0; slot < slots && keys.size() < options.series; ++slot) {
    const auto metric = simaws::metric_at(world, world.regions.front(), slot);
    if (!metric || metric->namespace_ != options.name_space) continue;
    keys.push_back(fmt::format("aws.metric[{},{},{}={},Average,{}]", metric->namespace_, metric->metric,
                               metric->dimensions.front().name, metric->dimensions.front().value,
                               options.period));
  }
  if (keys.size() < options.series)
    die(fmt::format("the simulator has no {} metrics of {}", options.series, options.name_space));
  return keys;
}

// What has been collected, and how late.
class Taken {
 public:
  explicit Taken(const Options& options) : options_(options) {}

  // Empties the spool as a delivery does.
  void take(agent::Spool& spool, int64_t now) {
    for (;;) {
      auto packet = spool.next(kDestination, kPacket, size_t{4} << 20);
      if (!packet) die(packet.error().message);
      if (packet->up_to == 0) break;
      for (const agent::Value& value : packet->values) {
        if (!value.supported) die(fmt::format("{} {}: {}", value.host, value.key, value.text));
        ++values_;
        const int64_t late = now - (value.clock + options_.period + options_.delay);
        if (measuring_) late_.push_back(static_cast<int32_t>(std::clamp<int64_t>(late, 0, 1'000'000)));
      }
      if (auto done = spool.acknowledge(kDestination, packet->up_to); !done) die(done.error().message);
    }
    if (auto more = spool.tidy(); !more) die(more.error().message);
  }
  void start_measuring() { measuring_ = true; }
  [[nodiscard]] uint64_t values() const { return values_; }
  [[nodiscard]] int32_t late(double share) {
    if (late_.empty()) return 0;
    const auto at = static_cast<ptrdiff_t>(share * static_cast<double>(late_.size() - 1));
    std::nth_element(late_.begin(), late_.begin() + at, late_.end());
    return late_[static_cast<size_t>(at)];
  }

 private:
  const Options& options_;
  bool measuring_ = false;
  uint64_t values_ = 0;
  std::vector<int32_t> late_;
};

// Of the whole process.
struct Resident {
  double sum = 0;
  double most = 0;
  size_t count = 0;

  void note(double bytes) {
    sum += bytes;
    most = std::max(most, bytes);
    ++count;
  }
  [[nodiscard]] double mean() const { return count == 0 ? 0 : sum / static_cast<double>(count); }
};

double most_resident_ever() {
  rusage used{};
  ::getrusage(RUSAGE_SELF, &used);
  return static_cast<double>(used.ru_maxrss) * 1024;
}

struct Sample {
  double cpu = 0;
  uint64_t metrics = 0;
  uint64_t calls = 0;
  uint64_t values = 0;
  uint64_t postponed = 0;
  steady_clock::time_point at{};
};

void run(const Options& options) {
  const std::string path = fmt::format("{}/engine_bench.{}.db", options.folder, ::getpid());
  agent::SpoolOptions spool_options;
  spool_options.path = path;
  auto spool = agent::Spool::open(spool_options, bakusoku::system_clock());
  if (!spool) die(spool.error().message);
  if (auto added = (*spool)->add_destination(kDestination); !added) die(added.error().message);

  auto config = agent::parse_config(
      fmt::format("[aws]\nquota_share = 1.0\n[metrics]\ndelay = \"{}s\"\n[zabbix]\nstate_dir = \"{}\"\n",
                  options.delay, options.folder),
      "");
  if (!config) die(config.error().message);
  asio::io_context io(1);
  auto created = agent::Agent::create(io, std::move(*config), environment_for(options.url));
  if (!created) die(created.error().message);
  agent::Agent& agent = **created;
  const double empty_bytes = agent::resident_bytes();
  agent::Checks checks({io,
                        agent.items(),
                        agent.collect(),
                        bakusoku::system_clock(),
                        {spool->get()},
                        std::chrono::seconds(3)});
  agent.open_ledger();
  agent.bill().items_of = [&](const agent::Series& series, const agent::Bill::UseItem& use) {
    checks.each_item_of(series, use);
  };
  const auto began = steady_clock::now();
  std::vector<std::string> keys = keys_for(options);
  for (size_t first = 0; first < options.series; first += kItemsOfHost) {
    std::vector<zabbix::ActiveItem> items;
    for (size_t at = first; at < std::min(options.series, first + kItemsOfHost); ++at) {
      zabbix::ActiveItem item;
      item.key = std::move(keys[at]);
      item.itemid = at + 1;
      item.delay = fmt::format("{}s", options.period);
      items.push_back(std::move(item));
    }
    checks.replace(0, fmt::format("host-{}", first / kItemsOfHost), items);
  }
  std::vector<std::string>().swap(keys);
  agent.start();

  Taken taken(options);
  std::optional<Sample> before;
  std::optional<Sample> after;
  double first_seconds = 0;
  Resident resident;
  asio::steady_timer timer(io);
  asio::steady_timer measuring(io);
  const auto sample = [&] {
    const agent::CollectCounters& counters = agent.collect().counters();
    return Sample{agent::cpu_seconds(), counters.metrics_requested, counters.calls,
                  taken.values(),       counters.postponed,         steady_clock::now()};
  };
  const auto measure = [&] {
    const auto period = std::chrono::seconds(options.period);
    const auto into_period = std::chrono::system_clock::now().time_since_epoch() % period;
    const auto from = steady_clock::now() + (period - into_period);
    measuring.expires_at(from);
    measuring.async_wait([&, from](const asio::error_code&) {
      before = sample();
      taken.start_measuring();
      measuring.expires_at(from + std::chrono::seconds(options.seconds));
      measuring.async_wait([&](const asio::error_code&) {
        after = sample();
        io.stop();
      });
    });
  };
  std::function<void()> every_second = [&] {
    timer.expires_after(std::chrono::seconds(1));
    timer.async_wait([&](const asio::error_code&) {
      checks.tick();
      const int64_t now = bakusoku::unix_seconds(std::chrono::system_clock::now());
      taken.take(**spool, now);
      if (first_seconds == 0 && taken.values() >= options.series) {
        first_seconds = std::chrono::duration<double>(steady_clock::now() - began).count();
        malloc_trim(0);
        measure();
      }
      if (before) resident.note(agent::resident_bytes());
      const bool stuck = first_seconds == 0 && steady_clock::now() - began > std::chrono::minutes(10);
      if (stuck) die(fmt::format("only {} first values after ten minutes", taken.values()));
      every_second();
    });
  };
  every_second();
  io.run();
  const double seconds = std::chrono::duration<double>(after->at - before->at).count();
  const auto metrics = static_cast<double>(after->metrics - before->metrics);
  const double cpu = after->cpu - before->cpu;
  fmt::print(
      R"({{"series":{},"period":{},"seconds":{:.1f},"metrics_per_second":{:.0f},"values_per_second":{:.0f},"calls":{},"cpu_share":{:.4f},"cpu_us_per_metric":{:.3f},"resident_bytes":{:.0f},"resident_most_bytes":{:.0f},"resident_start_bytes":{:.0f},"empty_bytes":{:.0f},"first_seconds":{:.1f},"late_p50":{},"late_p95":{},"late_max":{},"postponed":{}}})"
      "\n",
      options.series, options.period, seconds, metrics / seconds,
      static_cast<double>(after->values - before->values) / seconds, after->calls - before->calls,
      cpu / seconds, cpu / metrics * 1e6, resident.mean(), resident.most, most_resident_ever(), empty_bytes,
      first_seconds, taken.late(0.5), taken.late(0.95), taken.late(1), after->postponed - before->postponed);
  std::fflush(stdout);
  spool->reset();
  std::error_code ignored;
  for (const char* suffix : {"", "-wal", "-shm"}) std::filesystem::remove(path + suffix, ignored);
  std::_Exit(0);  // the agent's coroutines are not worth ending one by one
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 8) die("usage: engine_bench URL NAMESPACE SERIES PERIOD DELAY SECONDS FOLDER");
  (void)bakusoku::set_up_log("warning", false);
  const Options options{argv[1],         argv[2],         static_cast<size_t>(number(argv[3])),
                        number(argv[4]), number(argv[5]), number(argv[6]),
                        argv[7]};
  if (options.series == 0 || options.period == 0 || options.seconds == 0) die("zero makes no benchmark");
  if (options.seconds % options.period != 0) die("SECONDS has to be whole periods");
  run(options);
}
