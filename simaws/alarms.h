// The simulated alarms: which there are and in which state, as pure functions that tests recompute.
// docs/simaws.md describes them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "simaws/fleet.h"
#include "simaws/synthetic.h"

namespace bakusoku::simaws {

/// As many kinds of alarms are there for an instance.
inline constexpr size_t kMaxAlarms = 8;
/// How many states may be set by hand.
inline constexpr size_t kMaxAlarmStates = 100'000;
inline constexpr std::string_view kEveryAlarm = "*";

struct Alarm {
  std::string name;
  std::string description{};
  bool composite = false;
  bool log = false;
  AlarmState state{};
  bool actions_enabled = true;
  MetricName metric{};               // of an alarm on one metric
  std::string statistic{};           // of all of its metrics
  int64_t period = 300;              // the same
  std::vector<MetricName> inputs{};  // of metric math, which adds them up: m0, m1, ...
  std::string expression{};
  double threshold = 0;
  std::string comparison{};
  std::string rule{};  // of a composite alarm
};

/// "CPUUtilization of i-0...": the alarm of that kind, of the instance or its volume.
[[nodiscard]] std::string alarm_name(const World& world, std::string_view region, size_t index, size_t kind);

/// All alarms of a region in a fixed order, composite ones and those of logs last: position 0 .. alarm_slots
/// - 1. A slot may be empty (an instance that does not run).
[[nodiscard]] size_t alarm_slots(const World& world);
[[nodiscard]] std::optional<Alarm> alarm_at(const World& world, std::string_view region, size_t slot);

/// "STATE NAME", and in further lines a reason: the state that POST /simaws/alarms sets. Errors: invalid.
[[nodiscard]] Result<std::pair<std::string, AlarmState>> parse_alarm_state(std::string_view text,
                                                                           int64_t now);

}  // namespace bakusoku::simaws
