// What went wrong at several places, told once for each cause (pure).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace bakusoku::cli {

struct Cause {
  struct Place {
    std::string account{};  // empty: the default
    std::string region{};
    std::string what{};  // "ec2:DescribeInstances", "region eu-west-1"
  };
  struct Weight {
    int rank = 0;          // the greater, the worse
    std::string remark{};  // put behind the message
  };

  std::string message{};        // of the worst
  std::vector<Place> places{};  // the worst first
  Weight weight{};
  std::string likeness{};  // the message without what differs from place to place
  bool of_key = false;     // AWS does not take an access key

  /// " (the same: ...)", each name once; empty: there is one place.
  [[nodiscard]] std::string others() const;
};

class Causes {
 public:
  /// `names`: what a message may hold besides what, region and account of its place, such as a role.
  void add(Cause::Place place, const Error& error, const std::vector<std::string>& names,
           Cause::Weight weight);
  [[nodiscard]] const std::vector<Cause>& all() const { return causes_; }

 private:
  std::vector<Cause> causes_;
};

/// "a, b, c", and how many more when there are many.
[[nodiscard]] std::string named(const std::vector<std::string>& names);

/// Zabbix's words about a host without the host's name, and with that of one.
[[nodiscard]] std::string without(std::string words, const std::string& name);
[[nodiscard]] std::string with_name(std::string words, const std::string& name);

}  // namespace bakusoku::cli
