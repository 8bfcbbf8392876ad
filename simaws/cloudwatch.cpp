#include "simaws/cloudwatch.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <limits>
#include <map>
#include <set>
#include <unordered_map>

#include "base/json.h"
#include "simaws/cbor.h"
#include "simaws/cloudwatch_cbor.h"
#include "simaws/cloudwatch_json.h"
#include "simaws/math.h"

namespace bakusoku::simaws {
namespace {

constexpr int64_t kHour = 3600;
constexpr int64_t kDay = 24 * kHour;
constexpr int64_t kMaxMember = 100'000;
constexpr size_t kMaxCountedNamespaces = 1000;  // their names are the asker's

// ---- the query protocol

// Walks "MetricDataQueries.member.3.MetricStat.Period" part by part.
class Path {
 public:
  explicit Path(std::string_view name) : rest_(name) {}

  std::string_view next() {
    const size_t dot = rest_.find('.');
    const std::string_view part = rest_.substr(0, dot);
    rest_ = dot == std::string_view::npos ? std::string_view() : rest_.substr(dot + 1);
    return part;
  }
  /// "member.N": N, or nothing.
  std::optional<int64_t> member() {
    if (next() != "member") return std::nullopt;
    const auto index = parse_integer(next());
    if (!index || *index < 1 || *index > kMaxMember) return std::nullopt;
    return index;
  }
  [[nodiscard]] bool done() const { return rest_.empty(); }

 private:
  std::string_view rest_;
};

tl::unexpected<ApiError> malformed(std::string_view name) {
  return refuse("MalformedInput",
                fmt::format("Top level element may not be treated as a list or a structure: {}", name));
}

struct QueryParts {
  MetricDataQuery query{};
  std::map<int64_t, Dimension> dimensions{};
};

// False: the parameter's name is not one of the structure's.
bool read_dimension(Dimension& dimension, std::string_view part, const std::string& value) {
  if (part == "Name") {
    dimension.name = value;
  } else if (part == "Value") {
    dimension.value = value;
  } else {
    return false;
  }
  return true;
}

bool read_metric_stat(QueryParts& parts, Path& path, const std::string& value) {
  parts.query.has_stat = true;
  const std::string_view part = path.next();
  if (part == "Stat") {
    parts.query.stat = value;
  } else if (part == "Unit") {
    parts.query.unit = value;
  } else if (part == "Period") {
    parts.query.period = parse_integer(value).value_or(-1);
  } else if (part == "Metric") {
    const std::string_view field = path.next();
    if (field == "Namespace") {
      parts.query.name_space = value;
    } else if (field == "MetricName") {
      parts.query.metric = value;
    } else if (field == "Dimensions") {
      if (path.done()) return value.empty();  // how the query protocol writes an empty list
      const auto index = path.member();
      return index && read_dimension(parts.dimensions[*index], path.next(), value);
    } else {
      return false;
    }
  } else {
    return false;
  }
  return true;
}

bool read_metric_data_query(QueryParts& parts, Path& path, const std::string& value) {
  const std::string_view part = path.next();
  if (part == "MetricStat") return read_metric_stat(parts, path, value);
  if (part == "Id") {
    parts.query.id = value;
  } else if (part == "Label") {
    parts.query.label = value;
  } else if (part == "Expression") {
    parts.query.expression = value;
  } else if (part == "AccountId") {
    parts.query.account = value;
  } else if (part == "ReturnData") {
    parts.query.return_data = value != "false";
  } else if (part == "Period") {
    parts.query.period = parse_integer(value).value_or(-1);
  } else {
    return false;
  }
  return true;
}

ApiResult<int64_t> read_time(std::string_view name, const std::string& value) {
  const auto time = parse_iso(value);
  if (!time) return refuse("ValidationError", fmt::format("timestamp must follow ISO8601: {}", name));
  return *time;
}

ApiResult<GetMetricData> decode_get_metric_data_query(const Call& call) {
  GetMetricData out;
  std::map<int64_t, QueryParts> parts;
  for (const auto& [name, value] : call.parameters) {
    Path path(name);
    const std::string_view first = path.next();
    if (first == "MetricDataQueries") {
      const auto index = path.member();
      if (!index || !read_metric_data_query(parts[*index], path, value)) return malformed(name);
    } else if (first == "StartTime" || first == "EndTime") {
      const auto time = read_time(first, value);
      if (!time) return tl::unexpected(time.error());
      (first == "StartTime" ? out.start : out.end) = *time;
    } else if (first == "NextToken") {
      out.next_token = value;
    } else if (first == "ScanBy") {
      out.scan_by = value;
    } else if (first == "MaxDatapoints") {
      out.max_datapoints = parse_integer(value).value_or(-1);
    }
  }
  out.queries.reserve(parts.size());
  for (auto& [index, one] : parts) {
    for (auto& [at, dimension] : one.dimensions) one.query.dimensions.push_back(std::move(dimension));
    out.queries.push_back(std::move(one.query));
  }
  return out;
}

ApiResult<ListMetrics> decode_list_metrics_query(const Call& call) {
  ListMetrics out;
  std::map<int64_t, DimensionFilter> filters;
  for (const auto& [name, value] : call.parameters) {
    Path path(name);
    const std::string_view first = path.next();
    if (first == "Namespace") {
      out.name_space = value;
    } else if (first == "MetricName") {
      out.metric = value;
    } else if (first == "RecentlyActive") {
      out.recently_active = value;
    } else if (first == "NextToken") {
      out.next_token = value;
    } else if (first == "IncludeLinkedAccounts") {
      out.include_linked = value == "true";
    } else if (first == "OwningAccount") {
      out.owning_account = value;
    } else if (first == "Dimensions") {
      if (path.done() && value.empty()) continue;  // an empty list
      const auto index = path.member();
      const std::string_view field = path.next();
      if (!index || (field != "Name" && field != "Value")) return malformed(name);
      if (field == "Name") {
        filters[*index].name = value;
      } else {
        filters[*index].value = value;
      }
    }
  }
  for (auto& [index, filter] : filters) out.dimensions.push_back(std::move(filter));
  return out;
}

ApiResult<DescribeAlarms> decode_describe_alarms_query(const Call& call) {
  DescribeAlarms out;
  std::map<int64_t, std::string> types;
  for (const auto& [name, value] : call.parameters) {
    Path path(name);
    const std::string_view first = path.next();
    if (is_unknown_of_alarms(first)) out.unknown = first;
    if (first == "AlarmNamePrefix") out.prefix = value;
    if (first == "StateValue") out.state = value;
    if (first == "NextToken") out.next_token = value;
    if (first == "MaxRecords") out.max_records = parse_integer(value).value_or(-1);
    if (first != "AlarmTypes" || (path.done() && value.empty())) continue;  // an empty list
    const auto index = path.member();
    if (!index || !path.done()) return malformed(name);
    types[*index] = value;
  }
  for (auto& [index, type] : types) out.types.push_back(std::move(type));
  return out;
}

// ---- AWS's limits

bool valid_id(std::string_view id) {
  if (id.empty() || id.size() > 255 || id[0] < 'a' || id[0] > 'z') return false;
  return std::all_of(id.begin(), id.end(), [](char ch) {
    return (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') || (ch >= '0' && ch <= '9') || ch == '_';
  });
}

bool valid_period(int64_t period) {
  if (period == 1 || period == 5 || period == 10 || period == 20 || period == 30) return true;
  return period >= 60 && period % 60 == 0;
}

bool valid_name(std::string_view name) { return !name.empty() && name.size() <= 255; }

bool valid_unit(std::string_view unit) {
  constexpr std::string_view kUnits[] = {"Seconds",
                                         "Microseconds",
                                         "Milliseconds",
                                         "Bytes",
                                         "Kilobytes",
                                         "Megabytes",
                                         "Gigabytes",
                                         "Terabytes",
                                         "Bits",
                                         "Kilobits",
                                         "Megabits",
                                         "Gigabits",
                                         "Terabits",
                                         "Percent",
                                         "Count",
                                         "Bytes/Second",
                                         "Kilobytes/Second",
                                         "Megabytes/Second",
                                         "Gigabytes/Second",
                                         "Terabytes/Second",
                                         "Bits/Second",
                                         "Kilobits/Second",
                                         "Megabits/Second",
                                         "Gigabits/Second",
                                         "Terabits/Second",
                                         "Count/Second",
                                         "None"};
  return std::find(std::begin(kUnits), std::end(kUnits), unit) != std::end(kUnits);
}

tl::unexpected<ApiError> invalid(std::string message) {
  return refuse("ValidationError", std::move(message));
}

ApiResult<void> check_dimensions(const Dimensions& dimensions, const std::string& member) {
  if (dimensions.size() > kMaxDimensions)
    return invalid(fmt::format("The collection {}.Dimensions must not have a size greater than {}.", member,
                               kMaxDimensions));
  std::set<std::string_view> names;
  for (const auto& dimension : dimensions) {
    if (!valid_name(dimension.name))
      return invalid(
          fmt::format("The parameter {}.Dimensions.Name must be between 1 and 255 characters long.", member));
    if (dimension.value.empty() || dimension.value.size() > 1024)
      return invalid(fmt::format(
          "The parameter {}.Dimensions.Value must be between 1 and 1024 characters long.", member));
    if (!names.insert(dimension.name).second)
      return invalid(
          fmt::format("The parameter {}.Dimensions has the name {} twice.", member, dimension.name));
  }
  return {};
}

ApiResult<void> check_query(const MetricDataQuery& query, size_t number) {
  const std::string at = fmt::format("MetricDataQueries.member.{}", number);
  if (!valid_id(query.id))
    return invalid(fmt::format(
        "The value {} for parameter {}.Id is not matching the expected pattern ^[a-z][a-zA-Z0-9_]*$.",
        query.id, at));
  if (query.has_stat == !query.expression.empty())
    return invalid(fmt::format("Exactly one of MetricStat and Expression must be specified for {}.", at));
  if (!query.expression.empty()) return {};
  const std::string stat = at + ".MetricStat";
  if (!valid_name(query.name_space) || query.name_space.front() == ':')
    return invalid(
        fmt::format("The parameter {}.Metric.Namespace must match the pattern [^:].* and be between 1 and "
                    "255 characters long.",
                    stat));
  if (!valid_name(query.metric))
    return invalid(
        fmt::format("The parameter {}.Metric.MetricName must be between 1 and 255 characters long.", stat));
  if (auto checked = check_dimensions(query.dimensions, stat + ".Metric"); !checked) return checked;
  if (!valid_period(query.period))
    return invalid(
        fmt::format("The parameter {}.Period must be 1, 5, 10, 20, 30, or a multiple of 60.", stat));
  if (query.period > kMaxPeriod)
    return invalid(fmt::format("The parameter {}.Period must be at most {} (a limit of simaws, a simulator).",
                               stat, kMaxPeriod));
  if (!parse_statistic(query.stat))
    return invalid(
        fmt::format("The value {} for parameter {}.Stat is not a valid statistic.", query.stat, stat));
  if (!query.unit.empty() && !valid_unit(query.unit))
    return invalid(fmt::format("The value {} for parameter {}.Unit is not a valid unit.", query.unit, stat));
  return {};
}

std::string metric_key(const MetricDataQuery& query) {
  Dimensions sorted = query.dimensions;
  std::sort(sorted.begin(), sorted.end());
  std::string key = query.account + '\n' + query.name_space + '\n' + query.metric + '\n';
  for (const auto& dimension : sorted) key += dimension.name + '=' + dimension.value + '\n';
  return key;
}

// ---- answering GetMetricData

int64_t kept_for(int64_t period) {
  if (period < 60) return 3 * kHour;
  if (period < 300) return 15 * kDay;
  if (period < 3600) return 63 * kDay;
  return 455 * kDay;
}

// StartTime as CloudWatch rounds it: by its age, or to the seconds of a short period.
int64_t rounded_start(int64_t start, int64_t period, int64_t now) {
  const int64_t age = now - start;
  int64_t to = 60;
  if (age > 63 * kDay) {
    to = kHour;
  } else if (age > 15 * kDay) {
    to = 300;
  } else if (age <= 3 * kHour && period < 60) {
    to = period;
  }
  return start - ((start % to) + to) % to;
}

// The period starts that may have a point: first, first + period, ... (count of them).
struct Window {
  int64_t first = 0;
  int64_t count = 0;
};

Window window_of(int64_t start, int64_t end, int64_t period, int64_t now) {
  const int64_t anchor = rounded_start(start, period, now);
  const int64_t oldest = std::max<int64_t>(now - kept_for(period), 0);
  int64_t first = anchor;
  if (first < oldest) first += (oldest - first + period - 1) / period * period;
  const int64_t last = std::min(end - 1, now - period);
  if (last < first) return {first, 0};
  return {first, (last - first) / period + 1};
}

// How many of the window's points come before the one at `time`.
int64_t steps_before(const Window& window, int64_t period, bool ascending, int64_t time) {
  const int64_t last = window.first + (window.count - 1) * period;
  const int64_t distance = ascending ? time - window.first : last - time;
  return std::max<int64_t>(distance, 0) / period;
}

struct SeriesResult {
  const MetricDataQuery* query = nullptr;
  std::string label{};  // empty: the query's
  const char* status = "Complete";
  const char* code = "Forbidden";  // of the message
  std::string message{};
  bool asked = true;                                   // else it has an id that nobody asked for
  bool not_a_number = false;                           // the first value
  size_t missing = 0;                                  // of the values, at the end
  std::vector<std::pair<int64_t, int64_t>> points{};   // start, millionths: of a metric
  std::vector<std::pair<int64_t, double>> computed{};  // of an expression

  [[nodiscard]] size_t size() const { return points.size() + computed.size(); }
  [[nodiscard]] size_t values() const { return size() - std::min(missing, size()); }
  [[nodiscard]] std::string_view id() const { return asked ? std::string_view(query->id) : "nobodys"; }
  [[nodiscard]] int64_t time(size_t at) const {
    return computed.empty() ? points[at].first : computed[at].first;
  }
  [[nodiscard]] double value(size_t at) const {
    if (not_a_number && at == 0) return std::numeric_limits<double>::quiet_NaN();
    return computed.empty() ? static_cast<double>(points[at].second) / 1e6 : computed[at].second;
  }
  void append_value(std::string& out, size_t at) const {
    if (not_a_number && at == 0) {
      out += "\"NaN\"";  // as AWS's JSON writes it
    } else if (computed.empty()) {
      append_millionths(out, points[at].second);
    } else {
      fmt::format_to(std::back_inserter(out), "{}", computed[at].second);
    }
  }
};

struct Page {
  std::vector<SeriesResult> results;
  std::string next_token;
  uint64_t datapoints = 0;
};

uint64_t binding_of(const GetMetricData& request, const World& world, std::string_view region) {
  uint64_t out = fnv1a(place(world, region)) ^ mix(static_cast<uint64_t>(*request.start)) ^
                 mix(~static_cast<uint64_t>(*request.end));
  for (const auto& query : request.queries) {
    out = mix(out ^ fnv1a(query.id));
    out = mix(out ^ fnv1a(query.expression));
    out = mix(out ^ fnv1a(metric_key(query)));
    out = mix(out ^ fnv1a(query.stat) ^ static_cast<uint64_t>(query.period));
  }
  return out;
}

// What the metric of a query is, for whoever asks.
struct Found {
  const char* status = "Complete";
  std::optional<Series> series{};
  int64_t delay = 0;  // of publication
};

// Reads the metrics of one request: of the caller's account and of those linked to it.
class Reader {
 public:
  Reader(const World& world, const Call& call, const GetMetricData& request, const MetricDataFault& fault)
      : world_(world), call_(call), request_(request), fault_(fault) {}

  Found find(size_t at) {
    const auto& query = request_.queries[at];
    Found out;
    if (fault_.internal && at % 2 == 1) {
      out.status = "InternalError";
      return out;
    }
    const World* world = world_of(query.account);
    if ((fault_.forbidden && at % 2 == 1) || world == nullptr) {
      out.status = "Forbidden";
      return out;
    }
    out.series = find_series(*world, call_.region, query.name_space, query.metric, query.dimensions);
    if (out.series && !query.unit.empty() && query.unit != out.series->shape().unit) out.series.reset();
    out.delay = world->publication.delay(query.name_space);
    return out;
  }
  [[nodiscard]] Window window(int64_t period) const {
    return window_of(*request_.start, *request_.end, period, call_.now);
  }
  /// The point as it is shown now, in millionths; nothing when there is none, or none yet.
  [[nodiscard]] std::optional<int64_t> point(const Found& found, const Statistic& statistic, int64_t period,
                                             int64_t start) const {
    const auto short_period = static_cast<int32_t>(period);
    const auto value = found.series->point(statistic, short_period, start);
    if (!value) return value;
    const Publication& publication = world_.publication;
    const uint64_t hash = found.series->hash();
    const int64_t end = found.series->end_of(short_period, start);
    if (publication.visible_from(hash, start, end, found.delay) > call_.now) return std::nullopt;
    return publication.shown(hash, start, end, *value, call_.now);
  }
  /// All of a metric's points, as expressions see them.
  math::TimeSeries series(size_t at) {
    const auto& query = request_.queries[at];
    const Window grid = window(query.period);
    math::TimeSeries out;
    out.label = query.label.empty() ? query.metric : query.label;
    out.period = query.period;
    out.first = grid.first;
    out.count = grid.count;
    const Found found = find(at);
    out.status = found.status;
    const auto statistic = parse_statistic(query.stat);
    if (!found.series || !statistic) return out;
    for (int64_t step = 0; step < grid.count; ++step) {
      const int64_t start = grid.first + step * query.period;
      if (const auto value = point(found, *statistic, query.period, start))
        out.points.emplace_back(start, static_cast<double>(*value) / 1e6);
    }
    return out;
  }

 private:
  // Nullptr: not an account that the caller may read.
  const World* world_of(const std::string& account) {
    if (account.empty() || account == world_.account) return &world_;
    if (!world_.is_linked(account)) return nullptr;
    const auto found = linked_.find(account);
    if (found != linked_.end()) return &found->second;
    return &linked_.emplace(account, world_.of(account)).first->second;
  }

  const World& world_;
  const Call& call_;
  const GetMetricData& request_;
  const MetricDataFault& fault_;
  std::map<std::string, World> linked_;
};

// Evaluates the request's expressions, each once, in the order in which they need each other.
class Expressions {
 public:
  using ReadSeries = std::function<math::TimeSeries(size_t at)>;

  Expressions(const GetMetricData& request, ReadSeries read) : request_(request), read_(std::move(read)) {
    for (size_t at = 0; at < request.queries.size(); ++at) ids_.emplace(request.queries[at].id, at);
    scope_.find = [this](std::string_view id) { return value_of(id); };
    scope_.metrics = [this](std::string_view part) {
      std::vector<math::TimeSeries> out;
      for (const auto& query : request_.queries) {
        if (!query.has_stat || query.id.find(part) == std::string::npos) continue;
        if (const auto* value = value_of(query.id)) out.push_back(std::get<math::TimeSeries>(*value));
      }
      return out;
    };
  }
  Expressions(const Expressions&) = delete;
  Expressions& operator=(const Expressions&) = delete;

  /// Errors: ValidationError.
  ApiResult<const math::Value*> of(const MetricDataQuery& query) {
    const math::Value* value = value_of(query.id);
    if (!error_.empty()) return invalid(error_);
    return value;
  }

 private:
  const math::Value* value_of(std::string_view id) {
    const auto known = values_.find(id);
    if (known != values_.end()) return &known->second;
    const auto found = ids_.find(id);
    if (found == ids_.end() || !error_.empty()) return nullptr;
    const auto& query = request_.queries[found->second];
    if (query.has_stat) return &values_.emplace(query.id, read_(found->second)).first->second;
    if (!under_way_.insert(id).second) {
      error_ = fmt::format("Error in expression '{}': It refers to itself.", id);
      return nullptr;
    }
    const auto parsed = math::parse(query.expression);
    auto value = parsed ? math::evaluate(*parsed, scope_) : tl::unexpected(parsed.error());
    under_way_.erase(id);
    if (!value) {
      if (error_.empty()) error_ = fmt::format("Error in expression '{}': {}.", id, value.error());
      return nullptr;
    }
    return &values_.emplace(query.id, *std::move(value)).first->second;
  }

  const GetMetricData& request_;
  ReadSeries read_;
  math::Scope scope_{};
  std::map<std::string_view, size_t> ids_;
  std::map<std::string, math::Value, std::less<>> values_;
  std::set<std::string_view> under_way_;
  std::string error_;
};

ApiResult<void> check_expressions(const GetMetricData& request) {
  Expressions expressions(request, [&](size_t at) {
    math::TimeSeries out;
    out.period = request.queries[at].period;
    return out;
  });
  for (const auto& query : request.queries) {
    if (query.has_stat) continue;
    const auto value = expressions.of(query);
    if (!value) return tl::unexpected(value.error());
    if (query.return_data && std::holds_alternative<double>(**value))
      return invalid(
          fmt::format("Error in expression '{}': The result of an expression must be a time series or an "
                      "array of time series.",
                      query.id));
  }
  return {};
}

// One entry of the answer: a metric, or one series of an expression's result.
struct Entry {
  size_t at = 0;  // of the query
  const math::TimeSeries* computed = nullptr;
  bool one_of_several = false;
};

std::vector<Entry> entries_of(const MetricDataQuery& query, size_t at, const math::Value& value) {
  if (const auto* series = std::get_if<math::TimeSeries>(&value)) return {{at, series, false}};
  std::vector<Entry> out;
  if (const auto* array = std::get_if<std::vector<math::TimeSeries>>(&value)) {
    for (const auto& one : *array) out.push_back({at, &one, array->size() > 1 || query.label.empty()});
  }
  return out;
}

ApiResult<Page> answer(const World& world, const Call& call, const GetMetricData& request,
                       const MetricDataFault& fault) {
  Reader reader(world, call, request, fault);
  Expressions expressions(request, [&](size_t at) { return reader.series(at); });
  std::vector<Entry> entries;
  entries.reserve(request.queries.size());
  for (size_t at = 0; at < request.queries.size(); ++at) {
    const auto& query = request.queries[at];
    if (!query.return_data) continue;
    if (query.has_stat) {
      entries.push_back({at, nullptr, false});
      continue;
    }
    const auto value = expressions.of(query);
    if (!value) return tl::unexpected(value.error());
    for (const auto& entry : entries_of(query, at, **value)) entries.push_back(entry);
  }
  Position from;
  const uint64_t binding = binding_of(request, world, call.region);
  if (!request.next_token.empty()) {
    const auto position = read_token(request.next_token, "gmd", binding);
    if (!position || position->first >= entries.size())
      return refuse("InvalidNextToken", "The next token specified is invalid.");
    from = *position;
  }
  const bool ascending = request.scan_by == "TimestampAscending";
  auto room = static_cast<uint64_t>(request.max_datapoints.value_or(kMaxDatapoints));
  if (fault.partial && request.next_token.empty()) {
    uint64_t points = 0;
    for (const auto& entry : entries) {
      points += entry.computed != nullptr
                    ? entry.computed->points.size()
                    : static_cast<uint64_t>(reader.window(request.queries[entry.at].period).count);
    }
    room = std::min(room, std::max<uint64_t>(points / 2, 1));
  }
  Page page;
  page.results.reserve(entries.size());
  for (size_t number = static_cast<size_t>(from.first); number < entries.size(); ++number) {
    const Entry& entry = entries[number];
    const auto& query = request.queries[entry.at];
    SeriesResult& result = page.results.emplace_back();
    result.query = &query;
    if (entry.one_of_several) {
      result.label = query.label.empty() ? entry.computed->label : query.label + " " + entry.computed->label;
    }
    if (!page.next_token.empty()) {
      result.status = "PartialData";
      continue;
    }
    const bool resumed = number == from.first && from.second > 0;
    const auto full = [&](int64_t start) {
      if (page.datapoints < room) return false;
      result.status = "PartialData";
      page.next_token = make_token("gmd", number, static_cast<uint64_t>(start), binding);
      return true;
    };
    if (entry.computed != nullptr) {
      const auto& points = entry.computed->points;
      result.status = entry.computed->status;
      if (result.status != std::string_view("Complete")) continue;
      for (size_t step = 0; step < points.size(); ++step) {
        const auto& one = points[ascending ? step : points.size() - 1 - step];
        const auto since = static_cast<int64_t>(from.second);
        if (resumed && (ascending ? one.first < since : one.first > since)) continue;
        if (full(one.first)) break;
        result.computed.push_back(one);
        ++page.datapoints;
      }
      continue;
    }
    const Found found = reader.find(entry.at);
    result.status = found.status;
    if (found.status == std::string_view("Forbidden"))
      result.message = "The account is not authorized to read this metric.";
    if (!found.series) continue;
    const auto statistic = parse_statistic(query.stat);
    const Window window = reader.window(query.period);
    // The token holds the next point's time, not its number: the window moves while the asker pages.
    int64_t step =
        resumed ? steps_before(window, query.period, ascending, static_cast<int64_t>(from.second)) : 0;
    for (; step < window.count; ++step) {
      const int64_t start = window.first + (ascending ? step : window.count - 1 - step) * query.period;
      const auto point = reader.point(found, *statistic, query.period, start);
      if (!point) continue;
      if (full(start)) break;
      result.points.emplace_back(start, *point);
      ++page.datapoints;
    }
  }
  return page;
}

std::string_view label_of(const SeriesResult& result) {
  const auto& query = *result.query;
  if (!result.label.empty()) return result.label;
  if (!query.label.empty()) return query.label;
  return query.has_stat ? query.metric : query.id;
}

// 1732305600 -> 1.7323056E9, as AWS's JSON protocols write times.
void append_epoch(std::string& out, int64_t time) {
  char digits[24];
  size_t size = fmt::format_to_n(digits, sizeof digits, "{}", time).size;
  if (time < 10'000'000) {
    out.append(digits, size);
    out += ".0";
    return;
  }
  const size_t exponent = size - 1;
  while (size > 2 && digits[size - 1] == '0') --size;
  out += digits[0];
  out += '.';
  out.append(digits + 1, size - 1);
  out += 'E';
  out += std::to_string(exponent);
}

std::string write_json(const Page& page) {
  std::string out = "{\"Messages\":[],\"MetricDataResults\":[";
  out.reserve(page.results.size() * 160 + page.datapoints * 24);
  for (const auto& result : page.results) {
    if (&result != page.results.data()) out += ',';
    out += "{\"Id\":\"";
    out += result.id();
    out += "\",\"Label\":";
    append_json_string(out, label_of(result));
    if (!result.message.empty()) {
      out += ",\"Messages\":[{\"Code\":";
      append_json_string(out, result.code);
      out += ",\"Value\":";
      append_json_string(out, result.message);
      out += "}]";
    }
    out += ",\"StatusCode\":\"";
    out += result.status;
    out += "\",\"Timestamps\":[";
    for (size_t at = 0; at < result.size(); ++at) {
      if (at > 0) out += ',';
      append_epoch(out, result.time(at));
    }
    out += "],\"Values\":[";
    for (size_t at = 0; at < result.values(); ++at) {
      if (at > 0) out += ',';
      result.append_value(out, at);
    }
    out += "]}";
  }
  out += ']';
  if (!page.next_token.empty()) {
    out += ",\"NextToken\":";
    append_json_string(out, page.next_token);
  }
  out += '}';
  return out;
}

std::string write_cbor(const Page& page) {
  std::string out;
  out.reserve(page.results.size() * 120 + page.datapoints * 20);
  cbor::append_map(out, page.next_token.empty() ? 2 : 3);
  cbor::append_text(out, "Messages");
  cbor::append_array(out, 0);
  cbor::append_text(out, "MetricDataResults");
  cbor::append_array(out, page.results.size());
  for (const auto& result : page.results) {
    cbor::append_map(out, result.message.empty() ? 5 : 6);
    cbor::append_text(out, "Id");
    cbor::append_text(out, result.id());
    cbor::append_text(out, "Label");
    cbor::append_text(out, label_of(result));
    if (!result.message.empty()) {
      cbor::append_text(out, "Messages");
      cbor::append_array(out, 1);
      cbor::append_map(out, 2);
      cbor::append_text(out, "Code");
      cbor::append_text(out, result.code);
      cbor::append_text(out, "Value");
      cbor::append_text(out, result.message);
    }
    cbor::append_text(out, "StatusCode");
    cbor::append_text(out, result.status);
    cbor::append_text(out, "Timestamps");
    cbor::append_array(out, result.size());
    for (size_t at = 0; at < result.size(); ++at) cbor::append_time(out, result.time(at));
    cbor::append_text(out, "Values");
    cbor::append_array(out, result.values());
    for (size_t at = 0; at < result.values(); ++at) cbor::append_double(out, result.value(at));
  }
  if (!page.next_token.empty()) {
    cbor::append_text(out, "NextToken");
    cbor::append_text(out, page.next_token);
  }
  return out;
}

std::string write_xml(const Page& page, const Call& call) {
  std::string out = begin_xml(call.action) + "<Messages/><MetricDataResults>";
  out.reserve(page.results.size() * 220 + page.datapoints * 70);
  for (const auto& result : page.results) {
    out += "<member>";
    append_element(out, "Id", result.query->id);
    append_element(out, "Label", label_of(result));
    append_element(out, "StatusCode", result.status);
    if (!result.message.empty()) {
      out += "<Messages><member>";
      append_element(out, "Code", result.code);
      append_element(out, "Value", result.message);
      out += "</member></Messages>";
    }
    out += "<Timestamps>";
    for (size_t at = 0; at < result.size(); ++at) append_element(out, "member", format_iso(result.time(at)));
    out += "</Timestamps><Values>";
    for (size_t at = 0; at < result.size(); ++at) {
      out += "<member>";
      result.append_value(out, at);
      out += "</member>";
    }
    out += "</Values></member>";
  }
  out += "</MetricDataResults>";
  if (!page.next_token.empty()) append_element(out, "NextToken", page.next_token);
  out += end_xml(call.action, call.request_id);
  return out;
}

// Counts a first page as AWS does, before anything is read: AWS bills what it answers, and its quota is of
// what it would have to read.
ApiResult<void> admit(const Call& call, const GetMetricData& request, CloudWatchCounters& counters,
                      Usage& usage) {
  constexpr int64_t kRecent = 3 * kHour;
  const uint64_t estimated = estimated_datapoints(request);
  RegionUsage& region = usage.of(call.account, call.region);
  if (estimated > static_cast<uint64_t>(kMaxDatapoints)) ++region.violations["datapoints"];
  if (auto allowed = usage.admit_datapoints(call, estimated, call.now - *request.start <= kRecent); !allowed)
    return allowed;
  const auto requested =
      static_cast<uint64_t>(std::count_if(request.queries.begin(), request.queries.end(),
                                          [](const MetricDataQuery& query) { return query.has_stat; }));
  region.estimated += estimated;
  region.estimated_peak.add(estimated, call.precise_now);
  region.requested += requested;
  region.requested_peak.add(requested, call.precise_now);
  counters.metrics_requested += requested;
  for (const auto& [name_space, billed] : billed_by_namespace(request)) {
    counters.metrics_billed += billed;
    region.billed += billed;
    auto found = region.billed_by_namespace.find(name_space);
    if (found == region.billed_by_namespace.end()) {
      if (region.billed_by_namespace.size() >= kMaxCountedNamespaces) continue;
      found = region.billed_by_namespace.emplace(name_space, 0).first;
    }
    found->second += billed;
  }
  return {};
}

void spoil(Page& page, const MetricDataFault& fault) {
  for (SeriesResult& result : page.results) {
    if (!result.query->metric.starts_with("Disk")) continue;
    result.not_a_number = fault.not_a_number;
    result.missing = fault.unequal ? 1 : 0;
    result.asked = !fault.unasked;
    if (fault.cutoff && page.next_token.empty()) result.status = "PartialData";
    if (!fault.units || !result.query->unit.empty()) continue;
    result.code = "MultipleUnits";
    result.message = "Multiple units returned: Bytes, Count";
  }
}

ApiResult<std::string> get_metric_data(const World& world, const Call& call, const MetricDataFault& fault,
                                       CloudWatchCounters& counters, Usage& usage, size_t& queries) {
  const auto request = decode_get_metric_data(call);
  if (!request) return tl::unexpected(request.error());
  queries = request->queries.size();
  if (queries > kMaxQueries) ++usage.of(call.account, call.region).violations["queries"];
  if (auto checked = check_get_metric_data(*request); !checked) return tl::unexpected(checked.error());
  if (request->next_token.empty()) {
    if (auto allowed = admit(call, *request, counters, usage); !allowed)
      return tl::unexpected(allowed.error());
  }
  auto page = answer(world, call, *request, fault);
  if (!page) return tl::unexpected(page.error());
  spoil(*page, fault);
  counters.datapoints += page->datapoints;
  usage.of(call.account, call.region).datapoints += page->datapoints;
  if (call.protocol == Protocol::cbor) return write_cbor(*page);
  return call.protocol == Protocol::json ? write_json(*page) : write_xml(*page, call);
}

// ---- ListMetrics

bool listed(const MetricName& name, const ListMetrics& request) {
  if (!request.name_space.empty() && request.name_space != name.namespace_) return false;
  if (!request.metric.empty() && request.metric != name.metric) return false;
  return std::all_of(
      request.dimensions.begin(), request.dimensions.end(), [&](const DimensionFilter& filter) {
        return std::any_of(name.dimensions.begin(), name.dimensions.end(), [&](const Dimension& dimension) {
          return dimension.name == filter.name && (!filter.value || *filter.value == dimension.value);
        });
      });
}

ApiResult<void> check_list_metrics(const ListMetrics& request) {
  if (request.name_space.size() > 255 || request.name_space.starts_with(':'))
    return refuse(
        "InvalidParameterValue",
        "The parameter Namespace must match the pattern [^:].* and be at most 255 characters long.");
  if (request.metric.size() > 255)
    return refuse("InvalidParameterValue", "The parameter MetricName must be at most 255 characters long.");
  if (request.dimensions.size() > kMaxDimensionFilters)
    return refuse(
        "InvalidParameterValue",
        fmt::format("The collection Dimensions must not have a size greater than {}.", kMaxDimensionFilters));
  for (const auto& filter : request.dimensions) {
    if (!valid_name(filter.name))
      return refuse("InvalidParameterValue",
                    "The parameter Dimensions.member.N.Name must be between 1 and 255 characters long.");
  }
  if (!request.recently_active.empty() && request.recently_active != "PT3H")
    return refuse("ValidationError",
                  fmt::format("1 validation error detected: Value '{}' at 'recentlyActive' failed to satisfy "
                              "constraint: Member must satisfy enum value set: [PT3H]",
                              request.recently_active));
  return {};
}

// The slots that can match: one instance's when the filters name it, else all.
std::pair<size_t, size_t> slots_for(const World& world, const Call& call, const ListMetrics& request) {
  if (request.name_space == "Sim/Load") return slots_of_load(world);
  for (const auto& filter : request.dimensions) {
    if (!filter.value) continue;
    if (filter.name == "InstanceId") {
      const auto index = index_of(world, call.region, *filter.value);
      return index ? slots_of_instance(*index) : std::pair<size_t, size_t>{0, 0};
    }
    if (filter.name == "VolumeId") {
      const auto index = index_of_volume(world, call.region, *filter.value);
      return index ? slots_of_volume(world, *index) : std::pair<size_t, size_t>{0, 0};
    }
  }
  return {0, metric_slots(world)};
}

std::string write_metrics_cbor(const std::vector<MetricName>& metrics, const std::vector<std::string>& owners,
                               const std::string& next_token) {
  std::string out;
  cbor::append_map(out, 1 + (owners.empty() ? 0 : 1) + (next_token.empty() ? 0 : 1));
  cbor::append_text(out, "Metrics");
  cbor::append_array(out, metrics.size());
  for (const auto& metric : metrics) {
    cbor::append_map(out, 3);
    cbor::append_text(out, "Namespace");
    cbor::append_text(out, metric.namespace_);
    cbor::append_text(out, "MetricName");
    cbor::append_text(out, metric.metric);
    cbor::append_text(out, "Dimensions");
    cbor::append_array(out, metric.dimensions.size());
    for (const auto& dimension : metric.dimensions) {
      cbor::append_map(out, 2);
      cbor::append_text(out, "Name");
      cbor::append_text(out, dimension.name);
      cbor::append_text(out, "Value");
      cbor::append_text(out, dimension.value);
    }
  }
  if (!owners.empty()) {
    cbor::append_text(out, "OwningAccounts");
    cbor::append_array(out, owners.size());
    for (const auto& owner : owners) cbor::append_text(out, owner);
  }
  if (!next_token.empty()) {
    cbor::append_text(out, "NextToken");
    cbor::append_text(out, next_token);
  }
  return out;
}

// `owners`: an account for each metric, or nothing.
std::string write_metrics(const Call& call, const std::vector<MetricName>& metrics,
                          const std::vector<std::string>& owners, const std::string& next_token) {
  if (call.protocol == Protocol::cbor) return write_metrics_cbor(metrics, owners, next_token);
  const bool json = call.protocol == Protocol::json;
  std::string out = json ? "{\"Metrics\":[" : begin_xml(call.action) + "<Metrics>";
  bool first = true;
  for (const auto& metric : metrics) {
    if (json) {
      if (!first) out += ',';
      out += "{\"Namespace\":" + json_string(metric.namespace_) +
             ",\"MetricName\":" + json_string(metric.metric) + ",\"Dimensions\":[";
      for (const auto& dimension : metric.dimensions) {
        if (&dimension != metric.dimensions.data()) out += ',';
        out +=
            "{\"Name\":" + json_string(dimension.name) + ",\"Value\":" + json_string(dimension.value) + "}";
      }
      out += "]}";
    } else {
      out += "<member>";
      append_element(out, "Namespace", metric.namespace_);
      append_element(out, "MetricName", metric.metric);
      out += "<Dimensions>";
      for (const auto& dimension : metric.dimensions) {
        out += "<member>";
        append_element(out, "Name", dimension.name);
        append_element(out, "Value", dimension.value);
        out += "</member>";
      }
      out += "</Dimensions></member>";
    }
    first = false;
  }
  out += json ? "]" : "</Metrics>";
  if (!owners.empty()) {
    out += json ? ",\"OwningAccounts\":[" : "<OwningAccounts>";
    for (const auto& owner : owners) {
      if (json) {
        if (&owner != owners.data()) out += ',';
        append_json_string(out, owner);
      } else {
        append_element(out, "member", owner);
      }
    }
    out += json ? "]" : "</OwningAccounts>";
  }
  if (!next_token.empty()) {
    if (json) {
      out += ",\"NextToken\":" + json_string(next_token);
    } else {
      append_element(out, "NextToken", next_token);
    }
  }
  out += json ? "}" : end_xml(call.action, call.request_id);
  return out;
}

// The caller's world, and with IncludeLinkedAccounts those linked to it; one when OwningAccount names it.
std::vector<World> worlds_of(const World& world, const ListMetrics& request) {
  std::vector<World> out{world};
  if (request.include_linked && world.account == kAccount) {
    for (const auto& account : world.linked) out.push_back(world.of(account));
  }
  if (!request.owning_account.empty())
    std::erase_if(out, [&](const World& one) { return one.account != request.owning_account; });
  return out;
}

ApiResult<std::string> list_metrics(const World& world, const Call& call) {
  const auto request = decode_list_metrics(call);
  if (!request) return tl::unexpected(request.error());
  if (auto checked = check_list_metrics(*request); !checked) return tl::unexpected(checked.error());
  uint64_t binding = fnv1a(place(world, call.region) + '\n' + request->name_space + '\n' + request->metric +
                           '\n' + request->recently_active + '\n' + request->owning_account +
                           (request->include_linked ? "\nlinked" : ""));
  for (const auto& filter : request->dimensions) {
    binding = mix(binding ^ fnv1a(filter.name + '=' + filter.value.value_or("*")));
  }
  Position from;
  if (!request->next_token.empty()) {
    const auto position = read_token(request->next_token, "lm", binding);
    if (!position) return refuse("InvalidParameterValue", "Invalid nextToken");
    from = *position;
  }
  std::vector<MetricName> page;
  std::vector<std::string> owners;
  std::string next_token;
  const std::vector<World> worlds = worlds_of(world, *request);
  for (size_t number = static_cast<size_t>(from.second); number < worlds.size() && next_token.empty();
       ++number) {
    const World& one = worlds[number];
    const auto [first, end] = slots_for(one, call, *request);
    size_t at = number == from.second ? std::max(first, static_cast<size_t>(from.first)) : first;
    for (; at < end; ++at) {
      auto metric = metric_at(one, call.region, at);
      if (!metric || !listed(*metric, *request)) continue;
      if (page.size() == kMetricsPerPage) {
        next_token = make_token("lm", at, number, binding);
        break;
      }
      page.push_back(*std::move(metric));
      if (request->include_linked) owners.push_back(one.account);
    }
  }
  return write_metrics(call, page, owners, next_token);
}

}  // namespace

std::string begin_xml(std::string_view action) {
  return fmt::format("<{0}Response xmlns=\"http://monitoring.amazonaws.com/doc/2010-08-01/\"><{0}Result>",
                     action);
}

std::string end_xml(std::string_view action, std::string_view request_id) {
  return fmt::format(
      "</{0}Result><ResponseMetadata><RequestId>{1}</RequestId></ResponseMetadata></{0}Response>", action,
      request_id);
}

ApiResult<GetMetricData> decode_get_metric_data(const Call& call) {
  if (call.protocol == Protocol::cbor) return decode_get_metric_data_cbor(call.body);
  return call.protocol == Protocol::json ? decode_get_metric_data_json(call.body)
                                         : decode_get_metric_data_query(call);
}

ApiResult<ListMetrics> decode_list_metrics(const Call& call) {
  if (call.protocol == Protocol::cbor) return decode_list_metrics_cbor(call.body);
  return call.protocol == Protocol::json ? decode_list_metrics_json(call.body)
                                         : decode_list_metrics_query(call);
}

ApiResult<DescribeAlarms> decode_describe_alarms(const Call& call) {
  if (call.protocol == Protocol::cbor) return decode_describe_alarms_cbor(call.body);
  return call.protocol == Protocol::json ? decode_describe_alarms_json(call.body)
                                         : decode_describe_alarms_query(call);
}

ApiResult<void> check_get_metric_data(const GetMetricData& request) {
  if (request.queries.empty()) return invalid("The parameter MetricDataQueries is required.");
  if (!request.start) return invalid("The parameter StartTime is required.");
  if (!request.end) return invalid("The parameter EndTime is required.");
  if (request.queries.size() > kMaxQueries)
    return invalid(
        fmt::format("The collection MetricDataQueries must not have a size greater than {}.", kMaxQueries));
  if (*request.start >= *request.end)
    return invalid("The parameter StartTime must be less than the parameter EndTime.");
  if (!request.scan_by.empty() && request.scan_by != "TimestampDescending" &&
      request.scan_by != "TimestampAscending") {
    return invalid(
        fmt::format("1 validation error detected: Value '{}' at 'scanBy' failed to satisfy constraint: "
                    "Member must satisfy enum value set: [TimestampDescending, TimestampAscending]",
                    request.scan_by));
  }
  if (request.max_datapoints && (*request.max_datapoints < 1 || *request.max_datapoints > kMaxDatapoints)) {
    return invalid(fmt::format("The parameter MaxDatapoints must be between 1 and {}.", kMaxDatapoints));
  }
  std::set<std::string_view> ids;
  bool any_returned = false;
  for (size_t at = 0; at < request.queries.size(); ++at) {
    if (auto checked = check_query(request.queries[at], at + 1); !checked) return checked;
    if (!ids.insert(request.queries[at].id).second)
      return invalid("The values for parameter id in MetricDataQueries are not unique.");
    any_returned = any_returned || request.queries[at].return_data;
  }
  if (!any_returned)
    return invalid("At least one of the elements in MetricDataQueries must have ReturnData true.");
  return check_expressions(request);
}

uint64_t estimated_datapoints(const GetMetricData& request) {
  uint64_t out = 0;
  for (const auto& query : request.queries) {
    if (query.has_stat)
      out += static_cast<uint64_t>((*request.end - *request.start + query.period - 1) / query.period);
  }
  return out;
}

std::map<std::string_view, uint64_t> billed_by_namespace(const GetMetricData& request) {
  constexpr uint64_t kStatisticsPerBilledMetric = 5;
  struct Metric {
    std::string_view name_space;
    std::set<std::string_view> statistics;
  };
  std::unordered_map<std::string, Metric> metrics;
  metrics.reserve(request.queries.size());
  for (const auto& query : request.queries) {
    if (!query.has_stat) continue;
    Metric& metric = metrics[metric_key(query)];
    metric.name_space = query.name_space;
    metric.statistics.insert(query.stat);
  }
  std::map<std::string_view, uint64_t> out;
  for (const auto& [key, metric] : metrics)
    out[metric.name_space] +=
        (metric.statistics.size() + kStatisticsPerBilledMetric - 1) / kStatisticsPerBilledMetric;
  return out;
}

uint64_t billed_metrics(const GetMetricData& request) {
  uint64_t out = 0;
  for (const auto& [name_space, billed] : billed_by_namespace(request)) out += billed;
  return out;
}

ApiResult<std::string> call_cloudwatch(const World& world, const Call& call, const MetricDataFault& fault,
                                       CloudWatchCounters& counters, Usage& usage, size_t& queries) {
  if (call.action == "GetMetricData") return get_metric_data(world, call, fault, counters, usage, queries);
  if (call.action == "ListMetrics") return list_metrics(world, call);
  if (call.action == "DescribeAlarms") {
    const auto request = decode_describe_alarms(call);
    if (!request) return tl::unexpected(request.error());
    return describe_alarms(world, call, *request);
  }
  return refuse("InvalidAction",
                fmt::format("Could not find operation {} for version {}. (simaws, a "
                            "simulator, knows GetMetricData, ListMetrics and DescribeAlarms.)",
                            call.action, kCloudWatchVersion));
}

}  // namespace bakusoku::simaws
