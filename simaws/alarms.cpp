#include "simaws/alarms.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace bakusoku::simaws {
namespace {

constexpr int64_t kFirstChange = 1704067200;  // 2024-01-01
constexpr uint64_t kStates = 16;              // of so many alarms one is in ALARM, one has no data
constexpr size_t kOthers = 2;                 // metric math, and the composite one

// The table of docs/simaws.md.
struct Kind {
  const char* namespace_;
  const char* metric;
  const char* statistic;
  double threshold;
  const char* comparison;
};
constexpr std::array<Kind, kMaxAlarms> kKinds{{
    {"AWS/EC2", "CPUUtilization", "Average", 90, "GreaterThanThreshold"},
    {"AWS/EBS", "VolumeQueueLength", "Average", 6.5, "GreaterThanOrEqualToThreshold"},
    {"AWS/EC2", "StatusCheckFailed", "Maximum", 0, "GreaterThanThreshold"},
    {"AWS/EBS", "VolumeIdleTime", "Minimum", 10, "LessThanThreshold"},
    {"AWS/EC2", "NetworkIn", "p99", 80'000'000, "GreaterThanThreshold"},
    {"AWS/EC2", "NetworkOut", "p99", 35'000'000, "GreaterThanThreshold"},
    {"AWS/EBS", "VolumeReadOps", "Sum", 900, "GreaterThanThreshold"},
    {"AWS/EBS", "VolumeWriteOps", "Sum", 1'900, "GreaterThanThreshold"},
}};

MetricName metric_of(const World& world, std::string_view region, size_t index, const Kind& kind) {
  const bool of_volume = std::string_view(kind.namespace_) == "AWS/EBS";
  return {kind.namespace_,
          kind.metric,
          {of_volume ? Dimension{"VolumeId", volume_id(world, region, index)}
                     : Dimension{"InstanceId", instance_id(world, region, index)}}};
}

AlarmState state_of(const World& world, std::string_view region, std::string_view name) {
  for (const std::string_view set : {name, kEveryAlarm}) {
    const auto found = world.alarm_states.find(set);
    if (found != world.alarm_states.end()) return found->second;
  }
  const uint64_t hash = mix(fnv1a(fmt::format("{}\n{}\n{}", world.seed, place(world, region), name)));
  AlarmState state;
  state.since = kFirstChange + static_cast<int64_t>(hash / kStates % (300 * 86400ull));
  if (hash % kStates == 0) {
    state = {"ALARM", "Threshold Crossed: 1 datapoint was greater than the threshold.", state.since};
  } else if (hash % kStates == 1) {
    state = {"INSUFFICIENT_DATA", "Insufficient Data: 1 datapoint was unknown.", state.since};
  } else {
    state = {"OK", "Threshold Crossed: 1 datapoint was not greater than the threshold.", state.since};
  }
  return state;
}

Alarm of_metric(const World& world, std::string_view region, size_t index, size_t kind) {
  const Kind& is = kKinds[kind];
  Alarm out{alarm_name(world, region, index, kind)};
  out.description = fmt::format("{} of index {}", is.metric, index);
  out.state = state_of(world, region, out.name);
  out.actions_enabled = index % 2 == 0;
  out.metric = metric_of(world, region, index, is);
  out.statistic = is.statistic;
  out.threshold = is.threshold;
  out.comparison = is.comparison;
  return out;
}

// The instances 0 and 1 run in every world that has them.
size_t watched(const World& world) { return std::min<size_t>(world.instances, 2); }

Alarm of_math(const World& world, std::string_view region) {
  const Kind& cpu = kKinds[0];
  Alarm out{"simaws-math"};
  out.state = state_of(world, region, out.name);
  for (size_t index = 0; index < watched(world); ++index) {
    out.inputs.push_back(metric_of(world, region, index, cpu));
    out.expression += fmt::format("{}m{}", index == 0 ? "" : "+", index);
  }
  out.statistic = cpu.statistic;
  out.threshold = 150;
  out.comparison = cpu.comparison;
  return out;
}

Alarm of_alarms(const World& world, std::string_view region) {
  Alarm out{"simaws-composite"};
  out.composite = true;
  out.state = state_of(world, region, out.name);
  for (size_t index = 0; index < watched(world); ++index)
    out.rule += fmt::format("{}ALARM(\"{}\")", index == 0 ? "" : " OR ", alarm_name(world, region, index, 0));
  return out;
}

Alarm of_log(const World& world, std::string_view region, size_t number) {
  Alarm out{fmt::format("simaws-log-{}", number)};
  out.log = true;
  out.state = state_of(world, region, out.name);
  out.expression = "count(*)";
  out.threshold = 5;
  out.comparison = "GreaterThanThreshold";
  return out;
}

}  // namespace

std::string alarm_name(const World& world, std::string_view region, size_t index, size_t kind) {
  return fmt::format("{} of {}", kKinds[kind].metric,
                     metric_of(world, region, index, kKinds[kind]).dimensions[0].value);
}

size_t alarm_slots(const World& world) {
  return world.alarms == 0 || world.instances == 0
             ? 0
             : world.instances * world.alarms + kOthers + world.log_alarms;
}

std::optional<Alarm> alarm_at(const World& world, std::string_view region, size_t slot) {
  const size_t of_metrics = world.instances * world.alarms;
  if (slot < of_metrics) {
    const size_t index = slot / world.alarms;
    if (!is_running(index)) return std::nullopt;
    return of_metric(world, region, index, slot % world.alarms);
  }
  if (slot == of_metrics) return of_math(world, region);
  if (slot == of_metrics + 1) return of_alarms(world, region);
  if (slot < alarm_slots(world)) return of_log(world, region, slot - of_metrics - kOthers);
  return std::nullopt;
}

Result<std::pair<std::string, AlarmState>> parse_alarm_state(std::string_view text, int64_t now) {
  const std::string_view line = text.substr(0, text.find('\n'));
  const size_t blank = line.find(' ');
  const std::string_view value = line.substr(0, blank);
  const std::string_view name = blank == std::string_view::npos ? "" : line.substr(blank + 1);
  if ((value != "OK" && value != "ALARM" && value != "INSUFFICIENT_DATA") || name.empty()) {
    return fail(
        ErrorKind::invalid,
        "write STATE NAME, such as ALARM simaws-math: STATE is OK, ALARM or INSUFFICIENT_DATA, and NAME "
        "* for all alarms; in a second line a reason");
  }
  const std::string_view reason = line.size() == text.size() ? "Set by hand." : text.substr(line.size() + 1);
  return std::pair(std::string(name), AlarmState{std::string(value), std::string(reason), now});
}

}  // namespace bakusoku::simaws
