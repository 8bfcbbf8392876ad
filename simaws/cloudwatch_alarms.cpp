#include "simaws/cloudwatch_alarms.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/json.h"
#include "simaws/alarms.h"
#include "simaws/cbor.h"
#include "simaws/cloudwatch.h"

namespace bakusoku::simaws {
namespace {

using cbor::Value;
using Kind = Value::Kind;

constexpr int64_t kDefaultPerPage = 50;
constexpr size_t kLongestName = 255;
constexpr std::string_view kMetricAlarm = "MetricAlarm";
constexpr std::string_view kLogAlarm = "LogAlarm";
constexpr std::string_view kCompositeAlarm = "CompositeAlarm";
constexpr uint64_t kTimeTag = 1;

tl::unexpected<ApiError> not_in_set(std::string_view value, std::string_view member, std::string_view set) {
  return refuse("ValidationError",
                fmt::format("1 validation error detected: Value '{}' at '{}' failed to satisfy constraint: "
                            "Member must satisfy enum value set: [{}]",
                            value, member, set));
}

// ---- an answer as values, which the three protocols write each in its own way

Value text_value(std::string text) {
  Value out;
  out.kind = Kind::text;
  out.text = std::move(text);
  return out;
}
Value number_value(double number) {
  Value out;
  out.kind = Kind::real;
  out.real = number;
  return out;
}
Value whole_value(int64_t number) {
  Value out;
  out.kind = Kind::integer;
  out.integer = number;
  return out;
}
Value time_value(int64_t unix_seconds) {
  Value out = number_value(static_cast<double>(unix_seconds));
  out.tag = kTimeTag;
  return out;
}
Value truth_value(bool truth) {
  Value out;
  out.kind = Kind::boolean;
  out.truth = truth;
  return out;
}
Value list_value(std::vector<Value> items = {}) {
  Value out;
  out.kind = Kind::array;
  out.items = std::move(items);
  return out;
}
Value map_value(std::vector<std::pair<std::string, Value>> members) {
  Value out;
  out.kind = Kind::map;
  out.members = std::move(members);
  return out;
}

Value dimensions_value(const Dimensions& dimensions) {
  Value out = list_value();
  for (const auto& [name, value] : dimensions)
    out.items.push_back(map_value({{"Name", text_value(name)}, {"Value", text_value(value)}}));
  return out;
}

Value queries_value(const Alarm& alarm) {
  Value out = list_value();
  for (size_t at = 0; at < alarm.inputs.size(); ++at) {
    const MetricName& input = alarm.inputs[at];
    Value metric = map_value({{"Namespace", text_value(input.namespace_)},
                              {"MetricName", text_value(input.metric)},
                              {"Dimensions", dimensions_value(input.dimensions)}});
    out.items.push_back(map_value({{"Id", text_value(fmt::format("m{}", at))},
                                   {"MetricStat", map_value({{"Metric", std::move(metric)},
                                                             {"Period", whole_value(alarm.period)},
                                                             {"Stat", text_value(alarm.statistic)}})},
                                   {"ReturnData", truth_value(false)}}));
  }
  out.items.push_back(map_value({{"Id", text_value("e")},
                                 {"Expression", text_value(alarm.expression)},
                                 {"Label", text_value(alarm.name)},
                                 {"ReturnData", truth_value(true)}}));
  return out;
}

Value alarm_value(const World& world, const Call& call, const Alarm& alarm) {
  Value out = map_value({{"AlarmName", text_value(alarm.name)},
                         {"AlarmArn", text_value(fmt::format("arn:aws:cloudwatch:{}:{}:alarm:{}", call.region,
                                                             world.account, alarm.name))},
                         {"ActionsEnabled", truth_value(alarm.actions_enabled)},
                         {"OKActions", list_value()},
                         {"AlarmActions", list_value()},
                         {"InsufficientDataActions", list_value()},
                         {"StateValue", text_value(alarm.state.value)},
                         {"StateReason", text_value(alarm.state.reason)},
                         {"StateUpdatedTimestamp", time_value(alarm.state.since)},
                         {"StateTransitionedTimestamp", time_value(alarm.state.since)}});
  const auto add = [&](const char* name, Value value) { out.members.emplace_back(name, std::move(value)); };
  if (!alarm.description.empty()) add("AlarmDescription", text_value(alarm.description));
  if (alarm.composite) {
    add("AlarmRule", text_value(alarm.rule));
    return out;
  }
  if (alarm.log) {
    add("ScheduledQueryConfiguration",
        map_value({{"QueryString", text_value("fields @message | filter @message like /ERROR/")},
                   {"AggregationExpression", text_value(alarm.expression)}}));
    add("QueryResultsToEvaluate", whole_value(1));
    add("QueryResultsToAlarm", whole_value(1));
    add("Threshold", number_value(alarm.threshold));
    add("ComparisonOperator", text_value(alarm.comparison));
    return out;
  }
  add("EvaluationPeriods", whole_value(1));
  add("Threshold", number_value(alarm.threshold));
  add("ComparisonOperator", text_value(alarm.comparison));
  if (!alarm.inputs.empty()) {
    add("Dimensions", list_value());
    add("Metrics", queries_value(alarm));
    return out;
  }
  add("Namespace", text_value(alarm.metric.namespace_));
  add("MetricName", text_value(alarm.metric.metric));
  add("Dimensions", dimensions_value(alarm.metric.dimensions));
  add("Period", whole_value(alarm.period));
  add(alarm.statistic.starts_with('p') ? "ExtendedStatistic" : "Statistic", text_value(alarm.statistic));
  return out;
}

void append_cbor(std::string& out, const Value& value) {
  switch (value.kind) {
    case Kind::map:
      cbor::append_map(out, value.members.size());
      for (const auto& [name, member] : value.members) {
        cbor::append_text(out, name);
        append_cbor(out, member);
      }
      return;
    case Kind::array:
      cbor::append_array(out, value.items.size());
      for (const Value& item : value.items) append_cbor(out, item);
      return;
    case Kind::boolean:
      return cbor::append_boolean(out, value.truth);
    case Kind::integer:
      return cbor::append_integer(out, static_cast<uint64_t>(value.integer));
    case Kind::real:
      if (value.tag) return cbor::append_time(out, static_cast<int64_t>(value.real));
      return cbor::append_double(out, value.real);
    default:
      return cbor::append_text(out, value.text);
  }
}

void append_json(std::string& out, const Value& value) {
  bool first = true;
  const auto separate = [&] {
    if (!first) out += ',';
    first = false;
  };
  switch (value.kind) {
    case Kind::map:
      out += '{';
      for (const auto& [name, member] : value.members) {
        separate();
        out += json_string(name) + ':';
        append_json(out, member);
      }
      out += '}';
      return;
    case Kind::array:
      out += '[';
      for (const Value& item : value.items) {
        separate();
        append_json(out, item);
      }
      out += ']';
      return;
    case Kind::boolean:
      out += value.truth ? "true" : "false";
      return;
    case Kind::integer:
      out += std::to_string(value.integer);
      return;
    case Kind::real:
      out += fmt::format("{}", value.real);
      return;
    default:
      return append_json_string(out, value.text);
  }
}

void append_xml(std::string& out, std::string_view name, const Value& value) {
  switch (value.kind) {
    case Kind::map:
    case Kind::array:
      out += fmt::format("<{}>", name);
      for (const auto& [part, member] : value.members) append_xml(out, part, member);
      for (const Value& item : value.items) append_xml(out, "member", item);
      out += fmt::format("</{}>", name);
      return;
    case Kind::boolean:
      return append_element(out, name, value.truth ? "true" : "false");
    case Kind::integer:
      return append_element(out, name, std::to_string(value.integer));
    case Kind::real:
      return append_element(
          out, name,
          value.tag ? format_iso(static_cast<int64_t>(value.real)) : fmt::format("{}", value.real));
    default:
      return append_element(out, name, value.text);
  }
}

std::string written(const Call& call, const Value& answer) {
  std::string out;
  if (call.protocol == Protocol::cbor) {
    append_cbor(out, answer);
  } else if (call.protocol == Protocol::json) {
    append_json(out, answer);
  } else {
    out = begin_xml(call.action);
    for (const auto& [name, member] : answer.members) append_xml(out, name, member);
    out += end_xml(call.action, call.request_id);
  }
  return out;
}

bool fits(const Alarm& alarm, const DescribeAlarms& request) {
  const std::string_view type = alarm.composite ? kCompositeAlarm : alarm.log ? kLogAlarm : kMetricAlarm;
  const bool wanted = request.types.empty() ? !alarm.composite && !alarm.log
                                            : std::find(request.types.begin(), request.types.end(), type) !=
                                                  request.types.end();
  return wanted && alarm.name.starts_with(request.prefix) &&
         (request.state.empty() || alarm.state.value == request.state);
}

}  // namespace

bool is_unknown_of_alarms(std::string_view member) {
  constexpr std::string_view kUnknown[] = {"AlarmNames", "ActionPrefix", "ChildrenOfAlarmName",
                                           "ParentsOfAlarmName"};
  return std::find(std::begin(kUnknown), std::end(kUnknown), member) != std::end(kUnknown);
}

ApiResult<void> check_describe_alarms(const DescribeAlarms& request) {
  if (!request.unknown.empty())
    return refuse("ValidationError",
                  fmt::format("simaws, a simulator, does not know {} of DescribeAlarms.", request.unknown));
  if (request.max_records && (*request.max_records < 1 || *request.max_records > kAlarmsPerPage)) {
    return refuse("ValidationError",
                  fmt::format("1 validation error detected: Value '{}' at 'maxRecords' failed to satisfy "
                              "constraint: Member must have value {} than or equal to {}",
                              *request.max_records, *request.max_records < 1 ? "greater" : "less",
                              *request.max_records < 1 ? 1 : kAlarmsPerPage));
  }
  for (const std::string& type : request.types) {
    if (type != kMetricAlarm && type != kCompositeAlarm && type != kLogAlarm)
      return not_in_set(type, "alarmTypes.1.member", "CompositeAlarm, MetricAlarm, LogAlarm");
  }
  if (!request.state.empty() && request.state != "OK" && request.state != "ALARM" &&
      request.state != "INSUFFICIENT_DATA")
    return not_in_set(request.state, "stateValue", "INSUFFICIENT_DATA, ALARM, OK");
  if (request.prefix.size() > kLongestName)
    return refuse("ValidationError",
                  "1 validation error detected: Value at 'alarmNamePrefix' failed to satisfy constraint: "
                  "Member must have length less than or equal to 255");
  return {};
}

ApiResult<std::string> describe_alarms(const World& world, const Call& call, const DescribeAlarms& request) {
  if (auto checked = check_describe_alarms(request); !checked) return tl::unexpected(checked.error());
  uint64_t binding = fnv1a(place(world, call.region) + '\n' + request.prefix + '\n' + request.state);
  for (const std::string& type : request.types) binding = mix(binding ^ fnv1a(type));
  size_t at = 0;
  if (!request.next_token.empty()) {
    const auto position = read_token(request.next_token, "da", binding);
    if (!position) return refuse("InvalidNextToken", "The next token specified is invalid.");
    at = static_cast<size_t>(position->first);
  }
  const auto most = static_cast<size_t>(request.max_records.value_or(kDefaultPerPage));
  Value metric = list_value();
  Value composite = list_value();
  Value log = list_value();
  std::string next_token;
  for (; at < alarm_slots(world); ++at) {
    const auto alarm = alarm_at(world, call.region, at);
    if (!alarm || !fits(*alarm, request)) continue;
    if (metric.items.size() + composite.items.size() + log.items.size() == most) {
      next_token = make_token("da", at, 0, binding);
      break;
    }
    (alarm->composite ? composite
     : alarm->log     ? log
                      : metric)
        .items.push_back(alarm_value(world, call, *alarm));
  }
  Value answer = map_value({});
  answer.members.emplace_back("MetricAlarms", std::move(metric));
  answer.members.emplace_back("CompositeAlarms", std::move(composite));
  answer.members.emplace_back("LogAlarms", std::move(log));
  if (!next_token.empty()) answer.members.emplace_back("NextToken", text_value(next_token));
  return written(call, answer);
}

}  // namespace bakusoku::simaws
