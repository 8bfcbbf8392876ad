#include "agent/services_alarm.h"

#include <array>

#include "agent/items.h"
#include "aws/cloudwatch.h"

namespace bakusoku::agent {
namespace {

using aws::cloudwatch::Alarm;

constexpr size_t kMaxPages = 10'000;           // a million alarms: an answer without end is not believed
constexpr std::chrono::seconds kInterval{60};  // an alarm looks at its metric about once a minute

// As EC2 writes its times.
std::string time_text(int64_t unix_seconds) {
  if (unix_seconds == 0) return {};
  const std::time_t seconds = unix_seconds;
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  std::array<char, 40> text{};
  return {text.data(), std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%S.000Z", &utc)};
}

struct Field {
  std::string_view name;
  std::string (*value)(const Alarm& alarm);
};

constexpr std::array<Field, 15> kFields = {{
    {"state", [](const Alarm& alarm) { return alarm.state; }},
    {"reason", [](const Alarm& alarm) { return alarm.reason; }},
    {"since",
     [](const Alarm& alarm) {
       return time_text(alarm.transitioned != 0 ? alarm.transitioned : alarm.updated);
     }},
    {"updated", [](const Alarm& alarm) { return time_text(alarm.updated); }},
    {"type", [](const Alarm& alarm) { return std::string(alarm.composite ? "composite" : "metric"); }},
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
    {"description", [](const Alarm& alarm) { return alarm.description; }},
    {"actions_enabled",
     [](const Alarm& alarm) {
       if (!alarm.actions_enabled) return std::string();
       return std::string(*alarm.actions_enabled ? "true" : "false");
     }},
}};

asio::awaitable<Result<std::shared_ptr<Snapshot>>> read_alarms(const Target& target) {
  auto snapshot = std::make_shared<Snapshot>();
  std::string token;
  for (size_t page = 0; page < kMaxPages; ++page) {
    const std::string sent = token;
    auto answer = co_await aws::cloudwatch::describe_alarms(*target.account->client, target.region, sent);
    if (!answer) co_return fail(answer.error());
    snapshot->count_page();
    for (const Alarm& alarm : answer->alarms) add_alarm(*snapshot, alarm);
    token = answer->next_token;
    if (token.empty()) co_return snapshot;
    if (token == sent) break;
  }
  co_return fail(ErrorKind::corrupt, "cloudwatch:DescribeAlarms in {} never came to a last page",
                 target.description());
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
