#include "agent/rare_metrics.h"

#include <fmt/format.h>

#include <array>

namespace bakusoku::agent {
namespace {

struct Rare {
  std::string_view name_space;
  std::string_view metric;  // empty: all of the namespace
  int64_t period;           // one with a datapoint in each, in seconds
  std::string_view often;
};

// Sources: Amazon S3 user guide, "Metrics and dimensions" (daily storage metrics, Storage Lens); AWS
// Certificate Manager user guide, "CloudWatch metrics"; CloudWatch user guide, "Monitor estimated charges".
constexpr std::array<Rare, 5> kRare{{
    {"AWS/S3", "BucketSizeBytes", 86400, "once a day"},
    {"AWS/S3", "NumberOfObjects", 86400, "once a day"},
    {"AWS/S3/Storage-Lens", "", 86400, "once a day"},
    {"AWS/CertificateManager", "DaysToExpiry", 86400, "twice a day"},
    {"AWS/Billing", "EstimatedCharges", 21600, "every few hours"},
}};

}  // namespace

std::string rare_metric_words(std::string_view name_space, std::string_view metric, int64_t period) {
  for (const Rare& rare : kRare) {
    if (rare.name_space != name_space || (!rare.metric.empty() && rare.metric != metric)) continue;
    if (period >= rare.period) return {};
    return fmt::format("AWS publishes {} {}: write {} as period instead of {}.", metric, rare.often,
                       rare.period, period);
  }
  return {};
}

}  // namespace bakusoku::agent
