// Prices: what a unit of each action costs, from data/aws-prices.toml, which is built in, or from a file of
// the same form that the configuration names. Pure but for reading that file.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "agent/charge.h"
#include "base/result.h"

namespace bakusoku::agent {

class Prices {
 public:
  /// Of the file in `text`; `file` is for messages. Errors: invalid, with file and line.
  [[nodiscard]] static Result<Prices> parse(std::string_view text, std::string_view file);
  /// Those of `file`; the built-in ones when the name is empty. Errors: invalid, io.
  [[nodiscard]] static Result<Prices> load(const std::string& file);
  [[nodiscard]] static Prices built_in();

  /// US$ of one unit, whether or not it is one of the free ones; 0: the action is in no entry.
  [[nodiscard]] double usd_per_unit(std::string_view action, std::string_view region) const;
  /// US$ of what was used in one month, without the free units.
  [[nodiscard]] double usd_of_month(const Charges& month) const;
  /// The same by namespace; the free units of an entry are shared in proportion. An action without namespace
  /// is under its own name.
  [[nodiscard]] std::map<std::string, double> usd_by_namespace(const Charges& month) const;
  /// When the oldest of the prices was looked up, "2026-11-24".
  [[nodiscard]] std::string date() const;

 private:
  struct Entry {
    std::vector<std::string> actions;
    double units = 1;
    double usd = 0;
    double free = 0;
    std::map<std::string, double, std::less<>> regions;
    std::string date;
  };
  [[nodiscard]] const Entry* find(std::string_view action) const;
  template <typename Take>
  void each_usd(const Charges& month, Take take) const;

  std::vector<Entry> entries_;
};

}  // namespace bakusoku::agent
