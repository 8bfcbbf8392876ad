#include "simaws/synthetic.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

namespace bakusoku::simaws {
namespace {

constexpr int64_t kOne = 1'000'000;
constexpr int64_t kPercent = 10'000'000'000;  // 1 % in the units of a Statistic's percent bounds
constexpr int64_t kHundredPercent = 100 * kPercent;
constexpr uint64_t kGolden = 0x9E3779B97F4A7C15ull;
constexpr int64_t kSparseBlock = 300;  // seconds

using Kind = Shape::Kind;

constexpr std::array<Shape, 18> kEc2{{
    {"AWS/EC2", "CPUUtilization", "Percent", kOne, 98 * kOne, kOne / 100},
    {"AWS/EC2", "NetworkIn", "Bytes", 1000 * kOne, 90'000'000 * kOne, kOne},
    {"AWS/EC2", "NetworkOut", "Bytes", 500 * kOne, 40'000'000 * kOne, kOne},
    {"AWS/EC2", "NetworkPacketsIn", "Count", 10 * kOne, 90'000 * kOne, kOne},
    {"AWS/EC2", "NetworkPacketsOut", "Count", 10 * kOne, 70'000 * kOne, kOne},
    {"AWS/EC2", "DiskReadBytes", "Bytes", 0, 5'000'000 * kOne, 512 * kOne},
    {"AWS/EC2", "DiskWriteBytes", "Bytes", 0, 8'000'000 * kOne, 512 * kOne},
    {"AWS/EC2", "DiskReadOps", "Count", 0, 2'000 * kOne, kOne},
    {"AWS/EC2", "DiskWriteOps", "Count", 0, 3'000 * kOne, kOne},
    {"AWS/EC2", "EBSReadBytes", "Bytes", 0, 6'000'000 * kOne, 4096 * kOne},
    {"AWS/EC2", "EBSWriteBytes", "Bytes", 4096 * kOne, 9'000'000 * kOne, 4096 * kOne},
    {"AWS/EC2", "EBSReadOps", "Count", 0, 1'500 * kOne, kOne},
    {"AWS/EC2", "EBSWriteOps", "Count", kOne, 2'500 * kOne, kOne},
    {"AWS/EC2", "StatusCheckFailed", "Count", 0, kOne, kOne, 15, 60, Kind::flag},
    {"AWS/EC2", "StatusCheckFailed_Instance", "Count", 0, kOne, kOne, 15, 60, Kind::flag},
    {"AWS/EC2", "StatusCheckFailed_System", "Count", 0, 0, kOne},
    {"AWS/EC2", "CPUCreditBalance", "Count", 0, 288 * kOne, kOne / 1000, 300, 300},
    {"AWS/EC2", "CPUCreditUsage", "Count", 0, 2 * kOne, kOne / 1'000'000, 300, 300},
}};
constexpr size_t kCreditMetrics = 2;  // the last ones: of t3 instances only

constexpr int32_t kFiveMinutes = 300;
constexpr std::array<Shape, 8> kVolume{{
    {"AWS/EBS", "VolumeReadBytes", "Bytes", 0, 4'000'000 * kOne, 4096 * kOne, kFiveMinutes, kFiveMinutes},
    {"AWS/EBS", "VolumeWriteBytes", "Bytes", 0, 7'000'000 * kOne, 4096 * kOne, kFiveMinutes, kFiveMinutes},
    {"AWS/EBS", "VolumeReadOps", "Count", 0, 1'000 * kOne, kOne, kFiveMinutes, kFiveMinutes},
    {"AWS/EBS", "VolumeWriteOps", "Count", kOne, 2'000 * kOne, kOne, kFiveMinutes, kFiveMinutes},
    {"AWS/EBS", "VolumeTotalReadTime", "Seconds", 0, 20 * kOne, kOne / 1000, kFiveMinutes, kFiveMinutes},
    {"AWS/EBS", "VolumeTotalWriteTime", "Seconds", 0, 40 * kOne, kOne / 1000, kFiveMinutes, kFiveMinutes},
    {"AWS/EBS", "VolumeIdleTime", "Seconds", 0, 300 * kOne, kOne / 100, kFiveMinutes, kFiveMinutes},
    {"AWS/EBS", "VolumeQueueLength", "Count", 0, 8 * kOne, kOne / 1000, kFiveMinutes, kFiveMinutes},
}};

constexpr int32_t kDay = 86400;
constexpr Shape kBucketSize{
    "AWS/S3", "BucketSizeBytes", "Bytes", 1'000'000 * kOne, 8'000'000'000 * kOne, kOne, kDay, kDay};
constexpr Shape kObjects{"AWS/S3", "NumberOfObjects", "Count", 100 * kOne, 5'000'000 * kOne, kOne, kDay,
                         kDay};

constexpr Shape kUsage{"AWS/Usage", "CallCount", "None", 0, 40 * kOne, kOne};
constexpr Shape kInvocations{"AWS/Lambda", "Invocations", "Count", 0, 30 * kOne, kOne};
constexpr Shape kErrors{"AWS/Lambda", "Errors", "Count", 0, kOne, kOne, 15, 60, Kind::flag};
constexpr Shape kDuration{"AWS/Lambda", "Duration", "Milliseconds", 2 * kOne, 900 * kOne, kOne / 100};
constexpr Shape kThrottles{"AWS/Lambda", "Throttles", "Count", 0, 0, kOne};
constexpr Shape kLatency{"Sim/App", "Latency", "Seconds", kOne / 1000, 2 * kOne, 1, 10, 10};
constexpr Shape kQueueDepth{"Sim/App", "QueueDepth", "Count", 0, 5'000 * kOne, kOne};
constexpr Shape kRetries{"Sim/App", "Retries", "Count", kOne, 9 * kOne, kOne, 15, 60, Kind::sparse};
constexpr Shape kTemperature{"Sim/App", "Temperature", "None", -20 * kOne, 60 * kOne, kOne / 8};
constexpr Shape kLoad{"Sim/Load", "Value", "None", 0, 1'000 * kOne, kOne / 100, 10, 10};
constexpr Shape kHeartbeat{"Sim/App", "Heartbeat", "None", kOne, 0, kOne};

struct AccountMetric {
  const Shape* shape;
  std::vector<std::pair<const char*, const char*>> dimensions;
};

// The account-level metrics of docs/simaws.md, each with its dimensions in order of their names.
const std::vector<AccountMetric>& account_metrics() {
  static const std::vector<AccountMetric> kMetrics{
      {&kUsage, {{"Class", "None"}, {"Resource", "DescribeInstances"}, {"Service", "EC2"}, {"Type", "API"}}},
      {&kUsage,
       {{"Class", "None"}, {"Resource", "GetMetricData"}, {"Service", "CloudWatch"}, {"Type", "API"}}},
      {&kInvocations, {}},
      {&kInvocations, {{"FunctionName", "ingest"}}},
      {&kErrors, {{"FunctionName", "ingest"}}},
      {&kDuration, {{"FunctionName", "ingest"}}},
      {&kThrottles, {{"FunctionName", "ingest"}}},
      {&kInvocations, {{"FunctionName", "report"}, {"Resource", "report:live"}}},
      {&kDuration, {{"FunctionName", "report"}, {"Resource", "report:live"}}},
      {&kLatency, {{"Service", "checkout"}, {"Stage", "prod"}}},
      {&kLatency, {{"Service", "search"}, {"Stage", "test"}}},
      {&kQueueDepth, {{"Queue", "orders"}, {"Service", "checkout"}, {"Stage", "prod"}}},
      {&kQueueDepth, {{"Queue", "odd = \"name\"; [x], ü"}, {"Service", "checkout"}, {"Stage", "prod"}}},
      {&kRetries, {{"Service", "checkout"}}},
      {&kTemperature, {}},
      {&kHeartbeat, {}},
  };
  return kMetrics;
}

// What was added behind the instances' metrics, so that the positions of older ones stay.
const std::vector<AccountMetric>& storage_metrics() {
  static const std::vector<AccountMetric> kMetrics{
      {&kBucketSize, {{"BucketName", "simaws-backup"}, {"StorageType", "StandardIAStorage"}}},
      {&kBucketSize, {{"BucketName", "simaws-backup"}, {"StorageType", "StandardStorage"}}},
      {&kObjects, {{"BucketName", "simaws-backup"}, {"StorageType", "AllStorageTypes"}}},
      {&kBucketSize, {{"BucketName", "simaws-logs"}, {"StorageType", "StandardStorage"}}},
      {&kObjects, {{"BucketName", "simaws-logs"}, {"StorageType", "AllStorageTypes"}}},
  };
  return kMetrics;
}

bool same(const Dimensions& sorted, const AccountMetric& metric) {
  return std::equal(
      sorted.begin(), sorted.end(), metric.dimensions.begin(), metric.dimensions.end(),
      [](const Dimension& a, const auto& b) { return a.name == b.first && a.value == b.second; });
}

uint64_t series_hash(const World& world, std::string_view region, const Shape& shape,
                     const Dimensions& sorted) {
  std::string text =
      fmt::format("{}\n{}\n{}\n{}\n", world.seed, place(world, region), shape.namespace_, shape.metric);
  for (const auto& dimension : sorted) {
    text += dimension.name;
    text += '=';
    text += dimension.value;
    text += '\n';
  }
  return fnv1a(text);
}

// The number of a Sim/Load metric, which is its only dimension: Id=0, Id=1, ...
std::optional<size_t> load_of(const World& world, const Dimensions& dimensions) {
  if (dimensions.size() != 1 || dimensions[0].name != "Id") return std::nullopt;
  const std::string& text = dimensions[0].value;
  size_t number = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
  const bool is_plain = text == "0" || !text.starts_with('0');
  if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size() || !is_plain ||
      number >= world.load)
    return std::nullopt;
  return number;
}

bool has_metric(size_t instance, size_t metric) {
  if (!is_running(instance)) return false;
  return metric < kEc2.size() - kCreditMetrics || std::string_view(type_of(instance)).starts_with("t3.");
}

int64_t divide_rounding(int64_t value, int64_t by) {
  return (value >= 0 ? value + by / 2 : value - by / 2) / by;
}

// Decimal digits with at most `decimals` behind the point, scaled by 10^decimals.
std::optional<int64_t> parse_decimal(std::string_view text, int decimals, bool allow_sign) {
  const bool negative = allow_sign && text.starts_with('-');
  if (negative) text.remove_prefix(1);
  const size_t point = text.find('.');
  const std::string_view whole = text.substr(0, point);
  const std::string_view fraction = point == std::string_view::npos ? "" : text.substr(point + 1);
  if (whole.empty() || whole.size() > 9 || (point != std::string_view::npos && fraction.empty()))
    return std::nullopt;
  if (fraction.size() > static_cast<size_t>(decimals)) return std::nullopt;
  std::string digits(whole);
  digits += fraction;
  digits.append(static_cast<size_t>(decimals) - fraction.size(), '0');
  if (digits.find_first_not_of("0123456789") != std::string::npos) return std::nullopt;
  int64_t value = 0;
  const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (parsed.ec != std::errc()) return std::nullopt;
  return negative ? -value : value;
}

std::optional<int64_t> parse_percent(std::string_view text) {
  const auto percent = parse_decimal(text, 10, false);
  if (!percent || *percent > kHundredPercent) return std::nullopt;
  return percent;
}

// "(10%:90%)", "(:200)", "(100:)" behind TM, WM, TC, TS or PR.
std::optional<Statistic> parse_range(Statistic::Kind kind, std::string_view text) {
  if (text.size() < 3 || text.front() != '(' || text.back() != ')') return std::nullopt;
  text = text.substr(1, text.size() - 2);
  const size_t colon = text.find(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const std::string_view low = text.substr(0, colon);
  const std::string_view high = text.substr(colon + 1);
  if (low.empty() && high.empty()) return std::nullopt;
  Statistic out;
  out.kind = kind;
  out.percent = low.ends_with('%') || high.ends_with('%');
  if (out.percent && kind == Statistic::Kind::percentile_rank) return std::nullopt;
  const auto bound = [&](std::string_view part) -> std::optional<int64_t> {
    if (!out.percent) return parse_decimal(part, 6, true);
    if (!part.ends_with('%')) return std::nullopt;
    return parse_percent(part.substr(0, part.size() - 1));
  };
  if (!low.empty() && !(out.low = bound(low))) return std::nullopt;
  if (!high.empty() && !(out.high = bound(high))) return std::nullopt;
  if (out.low && out.high && *out.low >= *out.high) return std::nullopt;
  return out;
}

// Ranks (0-based, half-open) of the sorted samples that lie within the statistic's bounds.
std::pair<size_t, size_t> ranks_within(const Statistic& statistic, const std::vector<int64_t>& sorted) {
  const size_t count = sorted.size();
  if (statistic.percent) {
    const uint64_t whole = static_cast<uint64_t>(kHundredPercent);
    const uint64_t low = static_cast<uint64_t>(statistic.low.value_or(0)) * count / whole;
    const uint64_t high =
        (static_cast<uint64_t>(statistic.high.value_or(kHundredPercent)) * count + whole - 1) / whole;
    return {static_cast<size_t>(low), std::max(static_cast<size_t>(low), static_cast<size_t>(high))};
  }
  const auto position = [&](int64_t bound) {
    return static_cast<size_t>(std::upper_bound(sorted.begin(), sorted.end(), bound) - sorted.begin());
  };
  const size_t low = statistic.low ? position(*statistic.low) : 0;
  const size_t high = statistic.high ? position(*statistic.high) : count;
  return {low, std::max(low, high)};
}

std::optional<int64_t> of_sorted(const Statistic& statistic, const std::vector<int64_t>& sorted) {
  const auto count = static_cast<int64_t>(sorted.size());
  if (statistic.kind == Statistic::Kind::percentile) {
    const auto rank = ranks_within(statistic, sorted).second;
    return sorted[std::max<size_t>(rank, 1) - 1];
  }
  const auto [low, high] = ranks_within(statistic, sorted);
  const auto within = static_cast<int64_t>(high - low);
  int64_t sum = 0;
  for (size_t at = low; at < high; ++at) sum += sorted[at];
  switch (statistic.kind) {
    case Statistic::Kind::trimmed_count:
      return within * kOne;
    case Statistic::Kind::trimmed_sum:
      return sum;
    case Statistic::Kind::percentile_rank:
      return divide_rounding(within * 100 * kOne, count);
    case Statistic::Kind::winsorized_mean:
      if (within == 0) return std::nullopt;
      sum +=
          sorted[low] * static_cast<int64_t>(low) + sorted[high - 1] * (count - static_cast<int64_t>(high));
      return divide_rounding(sum, count);
    default:
      if (within == 0) return std::nullopt;
      return divide_rounding(sum, within);
  }
}

}  // namespace

std::optional<Statistic> parse_statistic(std::string_view name) {
  using K = Statistic::Kind;
  constexpr std::array<std::pair<std::string_view, K>, 5> kSimple{{{"Average", K::average},
                                                                   {"Sum", K::sum},
                                                                   {"Minimum", K::minimum},
                                                                   {"Maximum", K::maximum},
                                                                   {"SampleCount", K::sample_count}}};
  for (const auto& [text, kind] : kSimple) {
    if (name == text) return Statistic{kind};
  }
  if (name == "IQM") return Statistic{K::trimmed_mean, true, 25 * kPercent, 75 * kPercent};
  constexpr std::array<std::pair<std::string_view, K>, 4> kShort{{{"tm", K::trimmed_mean},
                                                                  {"wm", K::winsorized_mean},
                                                                  {"tc", K::trimmed_count},
                                                                  {"ts", K::trimmed_sum}}};
  for (const auto& [prefix, kind] : kShort) {
    if (!name.starts_with(prefix)) continue;
    const auto high = parse_percent(name.substr(2));
    if (!high) return std::nullopt;
    return Statistic{kind, true, std::nullopt, high};
  }
  constexpr std::array<std::pair<std::string_view, K>, 5> kRange{{{"TM", K::trimmed_mean},
                                                                  {"WM", K::winsorized_mean},
                                                                  {"TC", K::trimmed_count},
                                                                  {"TS", K::trimmed_sum},
                                                                  {"PR", K::percentile_rank}}};
  for (const auto& [prefix, kind] : kRange) {
    if (name.starts_with(prefix)) return parse_range(kind, name.substr(2));
  }
  if (name.starts_with('p')) {
    const auto percentile = parse_percent(name.substr(1));
    if (!percentile) return std::nullopt;
    return Statistic{K::percentile, true, std::nullopt, percentile};
  }
  return std::nullopt;
}

std::optional<int64_t> Series::sample(int64_t time) const {
  const auto at = static_cast<uint64_t>(time);
  const uint64_t block = mix(hash_ + (at / kSparseBlock + 1) * kGolden);
  if (shape_->kind == Kind::flag) return block % 512 == 0 ? shape_->span : 0;
  if (shape_->kind == Kind::sparse && block % 4 != 0) return std::nullopt;
  const uint64_t noise = mix(hash_ ^ ((at + 1) * kGolden)) >> 54;              // 0 .. 1023
  const uint64_t minute = (at + hash_ % 86400) / 60 % 1440;                    // of the series' own day
  const uint64_t wave = (minute < 720 ? minute : 1439 - minute) * 1023 / 719;  // 0 .. 1023
  const auto level = static_cast<int64_t>((3 * wave + noise) / 4);             // 0 .. 1023
  return shape_->low + shape_->span * level / 1023 / shape_->quantum * shape_->quantum;
}

int64_t Series::end_of(int32_t period, int64_t start) const {
  return start + (period < 60 ? std::max(period, shape_->resolution) : period);
}

std::optional<int64_t> Series::point(const Statistic& statistic, int32_t period, int64_t start) const {
  if (start < 0 || period < 1) return std::nullopt;
  if (period < shape_->resolution && period < 60 && start % shape_->resolution != 0) return std::nullopt;
  const int64_t end = end_of(period, start);
  const int64_t step = shape_->step;
  const int64_t first = (start + step - 1) / step * step;
  using K = Statistic::Kind;
  const bool needs_order = statistic.kind > K::sample_count;
  static_assert(K::percentile > K::sample_count);
  thread_local std::vector<int64_t> samples;
  samples.clear();
  int64_t count = 0;
  int64_t sum = 0;
  int64_t minimum = INT64_MAX;
  int64_t maximum = INT64_MIN;
  for (int64_t time = first; time < end; time += step) {
    const auto one = sample(time);
    if (!one) continue;
    ++count;
    sum += *one;
    minimum = std::min(minimum, *one);
    maximum = std::max(maximum, *one);
    if (needs_order) samples.push_back(*one);
  }
  if (count == 0) return std::nullopt;
  switch (statistic.kind) {
    case K::average:
      return divide_rounding(sum, count);
    case K::sum:
      return sum;
    case K::minimum:
      return minimum;
    case K::maximum:
      return maximum;
    case K::sample_count:
      return count * kOne;
    default:
      std::sort(samples.begin(), samples.end());
      return of_sorted(statistic, samples);
  }
}

std::optional<Series> find_series(const World& world, std::string_view region, std::string_view name_space,
                                  std::string_view metric, Dimensions dimensions) {
  std::sort(dimensions.begin(), dimensions.end());
  if (name_space == "AWS/EC2") {
    if (dimensions.size() != 1 || dimensions[0].name != "InstanceId") return std::nullopt;
    const auto shape =
        std::find_if(kEc2.begin(), kEc2.end(), [&](const Shape& s) { return metric == s.metric; });
    if (shape == kEc2.end()) return std::nullopt;
    const auto index = index_of(world, region, dimensions[0].value);
    if (!index || !has_metric(*index, static_cast<size_t>(shape - kEc2.begin()))) return std::nullopt;
    return Series(*shape, series_hash(world, region, *shape, dimensions));
  }
  if (name_space == "AWS/EBS") {
    if (dimensions.size() != 1 || dimensions[0].name != "VolumeId") return std::nullopt;
    const auto* shape =
        std::find_if(kVolume.begin(), kVolume.end(), [&](const Shape& s) { return metric == s.metric; });
    if (shape == kVolume.end()) return std::nullopt;
    const auto index = index_of_volume(world, region, dimensions[0].value);
    if (!index || !is_running(*index)) return std::nullopt;
    return Series(*shape, series_hash(world, region, *shape, dimensions));
  }
  if (name_space == kLoad.namespace_) {
    if (metric != kLoad.metric || !load_of(world, dimensions)) return std::nullopt;
    return Series(kLoad, series_hash(world, region, kLoad, dimensions));
  }
  for (const auto& account : name_space == "AWS/S3" ? storage_metrics() : account_metrics()) {
    if (name_space != account.shape->namespace_ || metric != account.shape->metric) continue;
    if (same(dimensions, account)) {
      return Series(*account.shape, series_hash(world, region, *account.shape, dimensions));
    }
  }
  return std::nullopt;
}

std::optional<double> value(const World& world, std::string_view region, std::string_view name_space,
                            std::string_view metric, const Dimensions& dimensions, std::string_view statistic,
                            int32_t period, int64_t start) {
  const auto series = find_series(world, region, name_space, metric, dimensions);
  const auto parsed = parse_statistic(statistic);
  if (!series || !parsed) return std::nullopt;
  const auto point = series->point(*parsed, period, start);
  if (!point) return std::nullopt;
  return static_cast<double>(*point) / static_cast<double>(kOne);
}

size_t metric_slots(const World& world) {
  return account_metrics().size() + world.instances * (kEc2.size() + kVolume.size()) +
         storage_metrics().size() + world.load;
}

std::optional<MetricName> metric_at(const World& world, std::string_view region, size_t slot) {
  const auto named = [](const AccountMetric& metric) {
    MetricName out{metric.shape->namespace_, metric.shape->metric};
    for (const auto& [name, text] : metric.dimensions) out.dimensions.push_back({name, text});
    return out;
  };
  const auto& account = account_metrics();
  if (slot < account.size()) return named(account[slot]);
  slot -= account.size();
  if (slot < world.instances * kEc2.size()) {
    const size_t index = slot / kEc2.size();
    const size_t metric = slot % kEc2.size();
    if (!has_metric(index, metric)) return std::nullopt;
    return MetricName{"AWS/EC2", kEc2[metric].metric, {{"InstanceId", instance_id(world, region, index)}}};
  }
  slot -= world.instances * kEc2.size();
  if (slot < world.instances * kVolume.size()) {
    const size_t index = slot / kVolume.size();
    if (!is_running(index)) return std::nullopt;
    return MetricName{
        "AWS/EBS", kVolume[slot % kVolume.size()].metric, {{"VolumeId", volume_id(world, region, index)}}};
  }
  slot -= world.instances * kVolume.size();
  if (slot < storage_metrics().size()) return named(storage_metrics()[slot]);
  slot -= storage_metrics().size();
  if (slot < world.load) return MetricName{kLoad.namespace_, kLoad.metric, {{"Id", fmt::format("{}", slot)}}};
  return std::nullopt;
}

std::pair<size_t, size_t> slots_of_instance(size_t index) {
  const size_t first = account_metrics().size() + index * kEc2.size();
  return {first, first + kEc2.size()};
}

std::pair<size_t, size_t> slots_of_volume(const World& world, size_t index) {
  const size_t first = account_metrics().size() + world.instances * kEc2.size() + index * kVolume.size();
  return {first, first + kVolume.size()};
}

std::pair<size_t, size_t> slots_of_load(const World& world) {
  const size_t end = metric_slots(world);
  return {end - world.load, end};
}

void append_millionths(std::string& out, int64_t millionths) {
  if (millionths < 0) out += '-';
  const uint64_t magnitude =
      millionths < 0 ? ~static_cast<uint64_t>(millionths) + 1 : static_cast<uint64_t>(millionths);
  char digits[24];
  const auto whole = std::to_chars(digits, digits + sizeof digits, magnitude / 1'000'000);
  out.append(digits, whole.ptr);
  out += '.';
  uint64_t fraction = magnitude % 1'000'000;
  size_t width = 6;
  while (width > 1 && fraction % 10 == 0) {
    fraction /= 10;
    --width;
  }
  char padded[6] = {'0', '0', '0', '0', '0', '0'};
  for (size_t at = width; at-- > 0; fraction /= 10) padded[at] = static_cast<char>('0' + fraction % 10);
  out.append(padded, width);
}

}  // namespace bakusoku::simaws
