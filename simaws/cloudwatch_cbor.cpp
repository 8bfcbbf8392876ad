#include "simaws/cloudwatch_cbor.h"

#include <fmt/format.h>

#include <cmath>

#include "simaws/cbor.h"

namespace bakusoku::simaws {
namespace {

using cbor::Value;
using Kind = Value::Kind;

constexpr double kLastTime = 1e11;  // unix seconds, year 5138: beyond it a number is no time
constexpr uint64_t kTimeTag = 1;

// Reads members of one map; the first that has the wrong type is kept as the error.
class Reader {
 public:
  void text(const Value& value, std::string& out, std::string_view name) {
    if (value.kind != Kind::text) return wrong(name);
    out = value.text;
  }
  void boolean(const Value& value, bool& out, std::string_view name) {
    if (value.kind != Kind::boolean) return wrong(name);
    out = value.truth;
  }
  void integer(const Value& value, int64_t& out, std::string_view name) {
    if (value.kind != Kind::integer) return wrong(name);
    out = value.integer;
  }
  void time(const Value& value, std::optional<int64_t>& out, std::string_view name) {
    if (value.tag != kTimeTag) return wrong(name);
    const double seconds = value.kind == Kind::integer ? static_cast<double>(value.integer) : value.real;
    if ((value.kind != Kind::integer && value.kind != Kind::real) || !(std::fabs(seconds) < kLastTime))
      return wrong(name);
    out = static_cast<int64_t>(std::floor(seconds));
  }
  template <typename Each>
  void array(const Value& value, std::string_view name, Each each) {
    if (value.kind != Kind::array) return wrong(name);
    for (const auto& item : value.items) each(item);
  }
  template <typename Each>
  void members(const Value& value, std::string_view name, Each each) {
    if (value.kind != Kind::map) return wrong(name);
    for (const auto& [key, member] : value.members) {
      if (member.kind != Kind::null) each(std::string_view(key), member);
    }
  }
  void wrong(std::string_view name) {
    if (error_.empty()) error_ = fmt::format("The member {} has the wrong type.", name);
  }
  [[nodiscard]] const std::string& error() const { return error_; }

 private:
  std::string error_;
};

tl::unexpected<ApiError> not_serialised(std::string message) {
  return refuse("SerializationException", std::move(message));
}

void read_metric(Reader& reader, const Value& value, MetricDataQuery& out) {
  reader.members(value, "Metric", [&](std::string_view key, const Value& member) {
    if (key == "Namespace") reader.text(member, out.name_space, key);
    if (key == "MetricName") reader.text(member, out.metric, key);
    if (key != "Dimensions") return;
    reader.array(member, key, [&](const Value& item) {
      Dimension& dimension = out.dimensions.emplace_back();
      reader.members(item, "Dimensions", [&](std::string_view name, const Value& text) {
        if (name == "Name") reader.text(text, dimension.name, name);
        if (name == "Value") reader.text(text, dimension.value, name);
      });
    });
  });
}

void read_query(Reader& reader, const Value& value, MetricDataQuery& out) {
  reader.members(value, "MetricDataQueries", [&](std::string_view key, const Value& member) {
    if (key == "Id") reader.text(member, out.id, key);
    if (key == "Label") reader.text(member, out.label, key);
    if (key == "Expression") reader.text(member, out.expression, key);
    if (key == "AccountId") reader.text(member, out.account, key);
    if (key == "ReturnData") reader.boolean(member, out.return_data, key);
    if (key != "MetricStat") return;
    out.has_stat = true;
    reader.members(member, key, [&](std::string_view name, const Value& part) {
      if (name == "Metric") read_metric(reader, part, out);
      if (name == "Period") reader.integer(part, out.period, name);
      if (name == "Stat") reader.text(part, out.stat, name);
      if (name == "Unit") reader.text(part, out.unit, name);
    });
  });
}

}  // namespace

ApiResult<GetMetricData> decode_get_metric_data_cbor(std::string_view bytes) {
  const auto document = cbor::read(bytes);
  if (!document) return not_serialised("The request is not CBOR.");
  Reader reader;
  GetMetricData out;
  reader.members(*document, "GetMetricDataInput", [&](std::string_view key, const Value& member) {
    if (key == "StartTime") reader.time(member, out.start, key);
    if (key == "EndTime") reader.time(member, out.end, key);
    if (key == "NextToken") reader.text(member, out.next_token, key);
    if (key == "ScanBy") reader.text(member, out.scan_by, key);
    if (key == "MaxDatapoints") reader.integer(member, out.max_datapoints.emplace(), key);
    if (key == "MetricDataQueries")
      reader.array(member, key,
                   [&](const Value& item) { read_query(reader, item, out.queries.emplace_back()); });
  });
  if (!reader.error().empty()) return not_serialised(reader.error());
  return out;
}

ApiResult<ListMetrics> decode_list_metrics_cbor(std::string_view bytes) {
  const auto document = cbor::read(bytes);
  if (!document) return not_serialised("The request is not CBOR.");
  Reader reader;
  ListMetrics out;
  reader.members(*document, "ListMetricsInput", [&](std::string_view key, const Value& member) {
    if (key == "Namespace") reader.text(member, out.name_space, key);
    if (key == "MetricName") reader.text(member, out.metric, key);
    if (key == "RecentlyActive") reader.text(member, out.recently_active, key);
    if (key == "NextToken") reader.text(member, out.next_token, key);
    if (key == "IncludeLinkedAccounts") reader.boolean(member, out.include_linked, key);
    if (key == "OwningAccount") reader.text(member, out.owning_account, key);
    if (key != "Dimensions") return;
    reader.array(member, key, [&](const Value& item) {
      DimensionFilter& filter = out.dimensions.emplace_back();
      reader.members(item, key, [&](std::string_view name, const Value& text) {
        if (name == "Name") reader.text(text, filter.name, name);
        if (name == "Value") reader.text(text, filter.value.emplace(), name);
      });
    });
  });
  if (!reader.error().empty()) return not_serialised(reader.error());
  return out;
}

ApiResult<DescribeAlarms> decode_describe_alarms_cbor(std::string_view bytes) {
  const auto document = cbor::read(bytes);
  if (!document) return not_serialised("The request is not CBOR.");
  Reader reader;
  DescribeAlarms out;
  reader.members(*document, "DescribeAlarmsInput", [&](std::string_view key, const Value& member) {
    if (is_unknown_of_alarms(key)) out.unknown = key;
    if (key == "AlarmNamePrefix") reader.text(member, out.prefix, key);
    if (key == "StateValue") reader.text(member, out.state, key);
    if (key == "NextToken") reader.text(member, out.next_token, key);
    if (key == "MaxRecords") reader.integer(member, out.max_records.emplace(), key);
    if (key == "AlarmTypes")
      reader.array(member, key, [&](const Value& item) { reader.text(item, out.types.emplace_back(), key); });
  });
  if (!reader.error().empty()) return not_serialised(reader.error());
  return out;
}

}  // namespace bakusoku::simaws
