// What it costs the agent when every host asks for its own alarms once a minute: a new list (each minute),
// one filtered discovery for each host, and two facts of each alarm; beside looking through the whole list
// for each host. Asks nothing of AWS. Prints JSON.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "agent/discovery.h"
#include "agent/items.h"
#include "agent/services_alarm.h"
#include "bench/measure.h"

namespace {

namespace agent = bakusoku::agent;
using bakusoku::bench::cpu_seconds;
using bakusoku::bench::die;

std::string instance(size_t host) { return fmt::format("i-0{:016x}", host * 0x9E3779B97F4A7C15ull); }

void fill(agent::Snapshot& snapshot, size_t alarms, size_t hosts) {
  for (size_t at = 0; at < alarms; ++at) {
    bakusoku::aws::cloudwatch::Alarm alarm;
    alarm.name = fmt::format("CPUUtilization {} of {}", at / hosts, instance(at % hosts));
    alarm.state = at % 16 == 0 ? "ALARM" : "OK";
    alarm.reason =
        fmt::format("Threshold Crossed: 1 datapoint [{}] was not greater than the threshold (90.0).", at);
    alarm.transitioned = alarm.updated = static_cast<int64_t>(1'700'000'000 + at);
    alarm.actions_enabled = true;
    alarm.namespace_ = "AWS/EC2";
    alarm.metric = "CPUUtilization";
    alarm.statistic = "Average";
    alarm.period_seconds = 300;
    alarm.threshold = 90;
    alarm.comparison = "GreaterThanThreshold";
    alarm.dimensions = {{"InstanceId", instance(at % hosts)}};
    agent::add_alarm(snapshot, alarm);
  }
  snapshot.finish(std::chrono::system_clock::now());
}

size_t number(const char* text) {
  const long long value = std::atoll(text);
  if (value < 1 || value > 10'000'000) die(fmt::format("'{}' is no number from 1 to 10,000,000", text));
  return static_cast<size_t>(value);
}

}  // namespace

int main(int argc, char** argv) {
  const size_t hosts = argc > 1 ? number(argv[1]) : 10'000;
  const size_t alarms = argc > 2 ? number(argv[2]) : 10'000;
  const agent::Service& service = *agent::find_service("alarm");
  agent::Account account;
  const agent::Target target{&account, "eu-west-1"};

  agent::Snapshot snapshot;
  double at = cpu_seconds();
  fill(snapshot, alarms, hosts);
  const double list = cpu_seconds() - at;

  size_t found = 0;
  at = cpu_seconds();
  for (size_t host = 0; host < hosts; ++host) {
    const auto filter = agent::parse_filter("dimension.InstanceId=" + instance(host), service);
    if (!filter) die(filter.error().message);
    const std::string json = agent::discovery_json(service, snapshot, target, *filter);
    for (const agent::Resource* const alarm : snapshot.matching(*filter)) {
      const agent::Resource* const again = snapshot.by_id(alarm->id);
      if (again == nullptr || !again->find("state") || !again->find("reason") || json.size() < 100)
        die("an alarm has no state");
      ++found;
    }
  }
  const double filtered = cpu_seconds() - at;
  if (found != alarms) die(fmt::format("{} of {} alarms were found", found, alarms));

  // As much of it as takes a while, and all of it by proportion.
  const size_t some = std::min<size_t>(hosts, 500);
  size_t plain = 0;
  at = cpu_seconds();
  for (size_t host = 0; host < some; ++host) {
    const std::string wanted = instance(host);
    for (const agent::Resource& alarm : snapshot.resources()) {
      if (alarm.find("dimension.InstanceId") == wanted) ++plain;
    }
  }
  const double scanned = (cpu_seconds() - at) * static_cast<double>(hosts) / static_cast<double>(some);
  if (plain == 0) die("looking through the list found nothing");

  std::printf(
      "{\"hosts\":%zu,\"alarms\":%zu,\"list_seconds\":%.4f,\"filtered_seconds\":%.4f,\"scanned_seconds\":%."
      "2f,"
      "\"ratio\":%.0f}\n",
      hosts, alarms, list, filtered, scanned, scanned / filtered);
  return 0;
}
