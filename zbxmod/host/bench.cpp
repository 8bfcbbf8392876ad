#include "bench.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdio>
#include <memory>

#include "text.h"

namespace zbxmod::host {
namespace {

double rate(uint64_t answers, uint64_t nanoseconds) {
  return nanoseconds == 0 ? 0 : static_cast<double>(answers) * 1e9 / static_cast<double>(nanoseconds);
}

double microseconds(uint64_t nanoseconds) { return static_cast<double>(nanoseconds) / 1000; }

void fill(BenchRow& row, const Histogram& times) {
  row.answers = times.count();
  row.p50 = microseconds(times.at(0.5));
  row.p90 = microseconds(times.at(0.9));
  row.p99 = microseconds(times.at(0.99));
  row.p999 = microseconds(times.at(0.999));
  row.max = microseconds(times.max());
}

std::string line(const BenchRow& row, size_t width) {
  char text[160];
  std::snprintf(text, sizeof text, " %12.0f %9.2f %9.2f %9.2f %9.2f %9.1f %9.1f", row.per_second, row.p50,
                row.p90, row.p99, row.p999, row.max, row.first);
  std::string name = one_line(row.name);
  if (name.size() < width) name.append(width - name.size(), ' ');
  std::string out = "  " + name + text;
  if (row.not_supported > 0) {
    out += row.not_supported == row.answers ? "   all not supported"
                                            : "   " + std::to_string(row.not_supported) + " not supported";
  }
  return out + "\n";
}

std::string json(const BenchRow& row) {
  char text[320];
  std::snprintf(text, sizeof text,
                ",\"answers\":%llu,\"not_supported\":%llu,\"per_second\":%.1f,\"p50_us\":%.3f,\"p90_us\":%."
                "3f,\"p99_us\":%.3f,"
                "\"p99_9_us\":%.3f,\"max_us\":%.3f,\"first_us\":%.3f}",
                static_cast<unsigned long long>(row.answers),
                static_cast<unsigned long long>(row.not_supported), row.per_second, row.p50, row.p90, row.p99,
                row.p999, row.max, row.first);
  return "{\"name\":" + quoted(row.name) + text;
}

std::string json(const std::vector<BenchRow>& rows) {
  std::string out = "[";
  for (const BenchRow& row : rows) out += (out.size() > 1 ? "," : "") + json(row);
  return out + "]";
}

}  // namespace

size_t Histogram::bucket(uint64_t nanoseconds) {
  constexpr uint64_t sub = uint64_t{1} << kSubBits;
  if (nanoseconds < sub) return nanoseconds;
  const int exponent = static_cast<int>(std::bit_width(nanoseconds)) - 1 - kSubBits;  // 0 for [sub, 2 sub)
  const uint64_t mantissa = nanoseconds >> exponent;                                  // in [sub, 2 sub)
  return std::min(static_cast<size_t>(static_cast<uint64_t>(exponent) * sub + mantissa), kBuckets - 1);
}

uint64_t Histogram::upper_end(size_t bucket) {
  constexpr uint64_t sub = uint64_t{1} << kSubBits;
  if (bucket < 2 * sub) return bucket;
  const uint64_t exponent = bucket / sub - 1;
  const uint64_t mantissa = bucket % sub + sub;
  return ((mantissa + 1) << exponent) - 1;
}

void Histogram::add(uint64_t nanoseconds) {
  ++buckets_[bucket(nanoseconds)];
  ++count_;
  max_ = std::max(max_, nanoseconds);
}

void Histogram::add(const Histogram& other) {
  for (size_t i = 0; i < buckets_.size(); ++i) buckets_[i] += other.buckets_[i];
  count_ += other.count_;
  max_ = std::max(max_, other.max_);
}

uint64_t Histogram::at(double part) const {
  const auto wanted = static_cast<uint64_t>(std::ceil(part * static_cast<double>(count_)));
  uint64_t seen = 0;
  for (size_t i = 0; i < buckets_.size(); ++i) {
    seen += buckets_[i];
    if (seen >= wanted && seen > 0) return std::min(upper_end(i), max_);
  }
  return max_;
}

Bench summarize(const std::vector<std::string>& keys,
                const std::vector<std::vector<const Measured*>>& measured, int cores) {
  Bench bench;
  bench.workers = static_cast<int>(measured.size());
  bench.cores = cores;
  const auto all = std::make_unique<Histogram>();
  bench.all.name = "all keys";
  double seconds = 0;
  for (size_t key = 0; key < keys.size(); ++key) {
    const auto times = std::make_unique<Histogram>();
    BenchRow row;
    row.name = keys[key];
    uint64_t longest = 0;
    for (const auto& worker : measured) {
      const Measured& each = *worker[key];
      times->add(each.times);
      row.not_supported += each.not_supported;
      row.per_second += rate(each.times.count(), each.elapsed_nanoseconds);
      row.first = std::max(row.first, microseconds(each.first_nanoseconds));
      longest = std::max(longest, each.elapsed_nanoseconds);
    }
    fill(row, *times);
    all->add(*times);
    seconds += static_cast<double>(longest) / 1e9;
    bench.all.not_supported += row.not_supported;
    bench.all.first = std::max(bench.all.first, row.first);
    bench.keys.push_back(row);
  }
  fill(bench.all, *all);
  bench.all.per_second = seconds > 0 ? static_cast<double>(bench.all.answers) / seconds : 0;
  for (size_t worker = 0; worker < measured.size(); ++worker) {
    const auto times = std::make_unique<Histogram>();
    BenchRow row;
    row.name = "worker " + std::to_string(worker + 1);
    uint64_t elapsed = 0;
    for (const Measured* each : measured[worker]) {
      times->add(each->times);
      row.not_supported += each->not_supported;
      row.first = std::max(row.first, microseconds(each->first_nanoseconds));
      elapsed += each->elapsed_nanoseconds;
    }
    fill(row, *times);
    row.per_second = rate(row.answers, elapsed);
    bench.by_worker.push_back(row);
  }
  return bench;
}

std::string as_text(const Bench& bench) {
  size_t width = 8;
  for (const BenchRow& row : bench.keys)
    width = std::max(width, std::min<size_t>(one_line(row.name).size(), 60));
  char head[160];
  std::snprintf(head, sizeof head, " %12s %9s %9s %9s %9s %9s %9s", "answers/s", "p50 us", "p90 us", "p99 us",
                "p99.9 us", "max us", "first us");
  std::string out = "  " + std::string(width, ' ') + head + "\n";
  for (const BenchRow& row : bench.keys) out += line(row, width);
  if (bench.keys.size() > 1) out += line(bench.all, width);
  if (bench.by_worker.size() > 1) {
    for (const BenchRow& row : bench.by_worker) out += line(row, width);
  }
  if (bench.cores_are_few()) {
    out += "  note: " + std::to_string(bench.workers) + " workers share " + std::to_string(bench.cores) +
           (bench.cores == 1 ? " core" : " cores") +
           ": the higher percentiles are of waiting for a core, not of the module\n";
  }
  return out;
}

std::string as_json(const Bench& bench) {
  return "{\"workers\":" + std::to_string(bench.workers) + ",\"cores\":" + std::to_string(bench.cores) +
         ",\"cores_are_few\":" + (bench.cores_are_few() ? "true" : "false") +
         ",\"keys\":" + json(bench.keys) + ",\"by_worker\":" + json(bench.by_worker) +
         ",\"all\":" + json(bench.all) + "}";
}

}  // namespace zbxmod::host
