#include "agent/refusals.h"

#include <fmt/format.h>

#include <functional>

namespace bakusoku::agent {
namespace {

constexpr std::chrono::minutes kBetweenLines{1};
constexpr size_t kMostItems = 10'000;  // told apart

}  // namespace

void Refusals::note(std::string_view host, std::string_view key) {
  if (values_++ == 0) first_ = fmt::format("host {}, item {}", host, key);
  if (items_.size() >= kMostItems) {
    more_items_ = true;
    return;
  }
  const std::hash<std::string_view> hash;
  hosts_.insert(hash(host));
  items_.insert(hash(host) * 31 + hash(key));
}

std::optional<std::string> Refusals::line(std::string_view destination, std::string_view info, Time now) {
  if (values_ == 0 || (last_ && now - *last_ < kBetweenLines)) return std::nullopt;
  const auto since = last_ ? std::chrono::duration_cast<std::chrono::seconds>(now - *last_).count() : 0;
  std::string line = fmt::format(
      "Zabbix at {} did not take {} values of {}{} items of {} hosts{}, the first of {}: {}; unknown host or "
      "item, not yet "
      "synchronised, disabled, of another type, or another kind of connection is wanted; they are tried "
      "again for an "
      "hour",
      destination, values_, more_items_ ? "more than " : "", items_.size(), hosts_.size(),
      last_ ? fmt::format(" in the last {} s", since) : "", first_, info);
  values_ = 0;
  items_ = {};
  hosts_ = {};
  more_items_ = false;
  last_ = now;
  return line;
}

}  // namespace bakusoku::agent
