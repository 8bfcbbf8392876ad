#include "agent/services_alarm.h"

#include <array>

#include "agent/items.h"
#include "agent/service_pages.h"
#include "aws/cloudwatch.h"
#include "base/time_text.h"

namespace bakusoku::agent {
namespace {

using aws::cloudwatch::Alarm;

constexpr std::chrono::seconds kInterval{60};  // an alarm looks at its metric about once a minute

// As EC2 writes its times.
std::string time_text(int64_t unix_seconds) {
  return unix_seconds == 0 ? std::string() : utc_text(unix_seconds, "%Y-%m-%dT%H:%M:%S.000Z");
}

std::string_view type_text(aws::cloudwatch::AlarmType type) {
  switch (type) {
    case aws::cloudwatch::AlarmType::composite:
      return "composite";
    case aws::cloudwatch::AlarmType::log:
      return "log";
    case aws::cloudwatch::AlarmType::metric:
      break;
  }
  return "metric";
}

struct Field {
  std::string_view name;
  std::string (*value)(const Alarm& alarm);
};

constexpr std::array<Field, 16> kFields = {{
    {"state", [](const Alarm& alarm) { return alarm.state; }},
    {"reason", [](const Alarm& alarm) { return alarm.reason; }},
    {"since",
     [](const Alarm& alarm) {
       return time_text(alarm.transitioned != 0 ? alarm.transitioned : alarm.updated);
     }},
    {"updated", [](const Alarm& alarm) { return time_text(alarm.updated); }},
    {"type", [](const Alarm& alarm) { return std::string(type_text(alarm.type)); }},
    {"namespace", [](const Alarm& alarm) { return alarm.namespace_; }},
    {"metric", [](const Alarm& alarm) { return alarm.metric; }},
    {"statistic", [](const Alarm& alarm) { return alarm.statistic; }},
    {"period",
     [](const Alarm& alarm) {
       return alarm.period_seconds == 0 ? std::string() : std::to_string(alarm.period_seconds);
     }},
    {"threshold",
     [](const Alarm& alarm) { return alarm.threshold ? format_value(*alarm.threshold) : std::string(); }},
    {"comparison", [](const Alarm& alarm) { return alarm.comparison; }},
    {"expression", [](const Alarm& alarm) { return alarm.expression; }},
    {"rule", [](const Alarm& alarm) { return alarm.rule; }},
    {"query", [](const Alarm& alarm) { return alarm.query; }},
    {"description", [](const Alarm& alarm) { return alarm.description; }},
    {"actions_enabled",
     [](const Alarm& alarm) {
       if (!alarm.actions_enabled) return std::string();
       return std::string(*alarm.actions_enabled ? "true" : "false");
     }},
}};

void add_page(Snapshot& snapshot, const aws::cloudwatch::AlarmsPage& page) {
  for (const Alarm& alarm : page.alarms) add_alarm(snapshot, alarm);
}

asio::awaitable<Result<std::shared_ptr<Snapshot>>> read_alarms(const Target& target) {
  return read_pages(target, "cloudwatch:DescribeAlarms", aws::cloudwatch::describe_alarms, add_page);
}

}  // namespace

void add_alarm(Snapshot& snapshot, const Alarm& alarm) {
  Resource resource;
  resource.id = resource.name = snapshot.keep(alarm.name);
  resource.fields.reserve(kFields.size());
  for (const Field& field : kFields) {
    const std::string value = field.value(alarm);
    if (!value.empty()) resource.fields.emplace_back(field.name, snapshot.keep(value));
  }
  resource.fields.shrink_to_fit();
  resource.dimensions.reserve(alarm.dimensions.size());
  for (const aws::cloudwatch::Dimension& dimension : alarm.dimensions)
    resource.dimensions.emplace_back(snapshot.keep(dimension.name), snapshot.keep(dimension.value));
  snapshot.add(std::move(resource));
}

Service alarm_service() {
  Service service{"alarm", "CloudWatch alarm", {}, &kDimensions, kInterval, "DescribeAlarms", read_alarms};
  for (const Field& field : kFields) service.fields.push_back(field.name);
  return service;
}

}  // namespace bakusoku::agent
