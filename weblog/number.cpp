#include "weblog/number.h"

#include <algorithm>
#include <charconv>

namespace bakusoku::weblog {
namespace {

constexpr uint64_t kLongestMicros = 100ULL * 86400 * 1'000'000;  // longer is not a time
constexpr size_t kMostDigits = 9;                                // of a fraction that count

std::optional<uint64_t> read_one(std::string_view text, uint64_t unit) {
  const size_t point = text.find('.');
  const auto number = read_whole(text.substr(0, point));
  if (!number || *number > kLongestMicros * 1000 / unit) return std::nullopt;
  uint64_t nanoseconds = *number * unit;
  if (point != std::string_view::npos) {
    std::string_view fraction = text.substr(point + 1);
    if (fraction.empty() || !std::all_of(fraction.begin(), fraction.end(), is_digit)) return std::nullopt;
    uint64_t worth = unit;
    for (const char digit : fraction.substr(0, kMostDigits)) {
      worth /= 10;
      nanoseconds += static_cast<uint64_t>(digit - '0') * worth;
    }
  }
  return nanoseconds / 1000;
}

}  // namespace

std::optional<uint64_t> read_whole(std::string_view text) {
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

std::optional<uint16_t> read_status(std::string_view text) {
  if (text.size() != 3 || !std::all_of(text.begin(), text.end(), is_digit)) return std::nullopt;
  return static_cast<uint16_t>((text[0] - '0') * 100 + (text[1] - '0') * 10 + (text[2] - '0'));
}

std::optional<uint64_t> read_bytes(std::string_view text) {
  if (text.empty() || text == "-") return 0;
  return read_whole(text);
}

std::optional<uint64_t> read_time(std::string_view text, uint64_t unit) {
  std::optional<uint64_t> sum;
  while (!text.empty()) {
    const size_t end = std::min(text.find_first_of(", :"), text.size());
    const std::string_view part = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (part.empty() || part == "-") continue;
    const auto micros = read_one(part, unit);
    if (!micros) return std::nullopt;
    sum = sum.value_or(0) + *micros;
    if (*sum > kLongestMicros) return std::nullopt;
  }
  return sum;
}

}  // namespace bakusoku::weblog
