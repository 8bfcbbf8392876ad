#include "simaws/cloudwatch_json.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <cmath>

namespace bakusoku::simaws {
namespace {

using simdjson::dom::element;
using simdjson::dom::object;

constexpr double kLastTime = 1e11;  // unix seconds, year 5138: beyond it a number is no time

// Reads members of one object; the first that has the wrong type is kept as the error.
class Reader {
 public:
  void text(const element& value, std::string& out, std::string_view name) {
    std::string_view got;
    if (value.is_null()) return;
    if (value.get(got) != simdjson::SUCCESS) return wrong(name);
    out = got;
  }
  void boolean(const element& value, bool& out, std::string_view name) {
    if (value.get(out) != simdjson::SUCCESS) wrong(name);
  }
  void integer(const element& value, int64_t& out, std::string_view name) {
    if (value.get(out) != simdjson::SUCCESS) wrong(name);
  }
  void time(const element& value, std::optional<int64_t>& out, std::string_view name) {
    double seconds = 0;
    if (value.get(seconds) != simdjson::SUCCESS || !(std::fabs(seconds) < kLastTime)) return wrong(name);
    out = static_cast<int64_t>(std::floor(seconds));
  }
  template <typename Each>
  void array(const element& value, std::string_view name, Each each) {
    simdjson::dom::array got;
    if (value.get(got) != simdjson::SUCCESS) return wrong(name);
    for (const element item : got) each(item);
  }
  template <typename Each>
  void members(const element& value, std::string_view name, Each each) {
    object got;
    if (value.get(got) != simdjson::SUCCESS) return wrong(name);
    for (const auto& [key, member] : got) each(key, member);
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

simdjson::dom::parser& parser() {
  thread_local simdjson::dom::parser kParser;
  return kParser;
}

void read_metric(Reader& reader, const element& value, MetricDataQuery& out) {
  reader.members(value, "Metric", [&](std::string_view key, const element& member) {
    if (key == "Namespace") {
      reader.text(member, out.name_space, key);
    } else if (key == "MetricName") {
      reader.text(member, out.metric, key);
    } else if (key == "Dimensions" && !member.is_null()) {
      reader.array(member, key, [&](const element& item) {
        Dimension& dimension = out.dimensions.emplace_back();
        reader.members(item, "Dimensions", [&](std::string_view name, const element& text) {
          if (name == "Name") reader.text(text, dimension.name, name);
          if (name == "Value") reader.text(text, dimension.value, name);
        });
      });
    }
  });
}

void read_query(Reader& reader, const element& value, MetricDataQuery& out) {
  reader.members(value, "MetricDataQueries", [&](std::string_view key, const element& member) {
    if (member.is_null()) return;
    if (key == "Id") {
      reader.text(member, out.id, key);
    } else if (key == "Label") {
      reader.text(member, out.label, key);
    } else if (key == "Expression") {
      reader.text(member, out.expression, key);
    } else if (key == "AccountId") {
      reader.text(member, out.account, key);
    } else if (key == "ReturnData") {
      reader.boolean(member, out.return_data, key);
    } else if (key == "MetricStat") {
      out.has_stat = true;
      reader.members(member, key, [&](std::string_view name, const element& part) {
        if (name == "Metric") read_metric(reader, part, out);
        if (name == "Period") reader.integer(part, out.period, name);
        if (name == "Stat") reader.text(part, out.stat, name);
        if (name == "Unit") reader.text(part, out.unit, name);
      });
    }
  });
}

}  // namespace

ApiResult<GetMetricData> decode_get_metric_data_json(std::string_view json) {
  element document;
  if (parser().parse(json.data(), json.size()).get(document) != simdjson::SUCCESS)
    return not_serialised("The request is not JSON.");
  Reader reader;
  GetMetricData out;
  reader.members(document, "GetMetricDataInput", [&](std::string_view key, const element& member) {
    if (member.is_null()) return;
    if (key == "MetricDataQueries") {
      reader.array(member, key,
                   [&](const element& item) { read_query(reader, item, out.queries.emplace_back()); });
    } else if (key == "StartTime") {
      reader.time(member, out.start, key);
    } else if (key == "EndTime") {
      reader.time(member, out.end, key);
    } else if (key == "NextToken") {
      reader.text(member, out.next_token, key);
    } else if (key == "ScanBy") {
      reader.text(member, out.scan_by, key);
    } else if (key == "MaxDatapoints") {
      reader.integer(member, out.max_datapoints.emplace(), key);
    }
  });
  if (!reader.error().empty()) return not_serialised(reader.error());
  return out;
}

ApiResult<ListMetrics> decode_list_metrics_json(std::string_view json) {
  element document;
  if (parser().parse(json.data(), json.size()).get(document) != simdjson::SUCCESS)
    return not_serialised("The request is not JSON.");
  Reader reader;
  ListMetrics out;
  reader.members(document, "ListMetricsInput", [&](std::string_view key, const element& member) {
    if (member.is_null()) return;
    if (key == "Namespace") {
      reader.text(member, out.name_space, key);
    } else if (key == "MetricName") {
      reader.text(member, out.metric, key);
    } else if (key == "RecentlyActive") {
      reader.text(member, out.recently_active, key);
    } else if (key == "NextToken") {
      reader.text(member, out.next_token, key);
    } else if (key == "IncludeLinkedAccounts") {
      reader.boolean(member, out.include_linked, key);
    } else if (key == "OwningAccount") {
      reader.text(member, out.owning_account, key);
    } else if (key == "Dimensions") {
      reader.array(member, key, [&](const element& item) {
        DimensionFilter& filter = out.dimensions.emplace_back();
        reader.members(item, key, [&](std::string_view name, const element& text) {
          if (name == "Name") reader.text(text, filter.name, name);
          if (name == "Value" && !text.is_null()) reader.text(text, filter.value.emplace(), name);
        });
      });
    }
  });
  if (!reader.error().empty()) return not_serialised(reader.error());
  return out;
}

ApiResult<DescribeAlarms> decode_describe_alarms_json(std::string_view json) {
  element document;
  if (parser().parse(json.data(), json.size()).get(document) != simdjson::SUCCESS)
    return not_serialised("The request is not JSON.");
  Reader reader;
  DescribeAlarms out;
  reader.members(document, "DescribeAlarmsInput", [&](std::string_view key, const element& member) {
    if (member.is_null()) return;
    if (is_unknown_of_alarms(key)) out.unknown = key;
    if (key == "AlarmNamePrefix") reader.text(member, out.prefix, key);
    if (key == "StateValue") reader.text(member, out.state, key);
    if (key == "NextToken") reader.text(member, out.next_token, key);
    if (key == "MaxRecords") reader.integer(member, out.max_records.emplace(), key);
    if (key == "AlarmTypes")
      reader.array(member, key,
                   [&](const element& item) { reader.text(item, out.types.emplace_back(), key); });
  });
  if (!reader.error().empty()) return not_serialised(reader.error());
  return out;
}

}  // namespace bakusoku::simaws
