// When a datapoint can be seen, and with which value: CloudWatch shows a period only some time after its end,
// some points later than others, and some first with a value that is corrected afterwards. Pure functions of
// the series, the period and the time. Text form, of --publish and POST /simaws/publication:
//
//   TEXT = PART *("," PART) | ""
//   PART = SECONDS                       all namespaces that are not named
//        | NAMESPACE "=" SECONDS         such as AWS/EC2=90
//        | "late=" FRACTION ":" SECONDS  that share of the points appears only SECONDS after its period's end
//        | "revise=" FRACTION [":" SECONDS]  that share is shown with another, smaller value until then (120)
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace bakusoku::simaws {

/// AWS/S3's storage metrics are published hours after their day, unless the namespace is named.
inline constexpr int64_t kStoragePublication = int64_t{4} * 3600;

struct Publication {
  struct Share {
    uint64_t of_million = 0;
    int64_t seconds = 0;  // after the period's end
  };

  int64_t seconds = 0;  // after the period's end
  std::vector<std::pair<std::string, int64_t>> namespaces{};
  Share late{};
  Share revised{};

  /// Seconds after a period's end until the namespace's points can be seen, but for the late ones.
  [[nodiscard]] int64_t delay(std::string_view name_space) const;
  /// Unix seconds from which the point of [start, end) can be seen; the delay is the namespace's.
  [[nodiscard]] int64_t visible_from(uint64_t series_hash, int64_t start, int64_t end, int64_t delay) const;
  /// What is answered at `now` where the final value is `value` (millionths).
  [[nodiscard]] int64_t shown(uint64_t series_hash, int64_t start, int64_t end, int64_t value,
                              int64_t now) const;
};

/// Errors: invalid, naming the part and what would be right.
[[nodiscard]] Result<Publication> parse_publication(std::string_view text);
/// FRACTION[:SECONDS]; `seconds` where none are given. Errors: invalid, naming the option.
[[nodiscard]] Result<Publication::Share> parse_share(std::string_view text, int64_t seconds,
                                                     std::string_view option);

inline constexpr int64_t kRevisedUntil = 120;

}  // namespace bakusoku::simaws
