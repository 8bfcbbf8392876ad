#include "simaws/faults.h"

#include <array>
#include <charconv>
#include <cstdlib>

#include "simaws/api.h"
#include "simaws/fleet.h"

namespace bakusoku::simaws {
namespace {

constexpr int64_t kDefaultSlowMs = 1000;
constexpr int64_t kDefaultSkewSeconds = 3600;
constexpr int64_t kLongestSlowMs = 3'600'000;
constexpr int64_t kLargestSkewSeconds = int64_t{10} * 365 * 86400;

constexpr std::array<std::pair<std::string_view, FaultKind>, 22> kKinds{{
    {"throttle", FaultKind::throttle},
    {"500", FaultKind::internal_500},
    {"503", FaultKind::unavailable_503},
    {"denied", FaultKind::denied},
    {"scp", FaultKind::scp},
    {"off", FaultKind::off},
    {"expired", FaultKind::expired},
    {"hang", FaultKind::hang},
    {"cut", FaultKind::cut},
    {"reset", FaultKind::reset},
    {"garbage", FaultKind::garbage},
    {"junk", FaultKind::junk},
    {"slow", FaultKind::slow},
    {"skew", FaultKind::skew},
    {"partial", FaultKind::partial},
    {"internal", FaultKind::internal_status},
    {"forbidden", FaultKind::forbidden_status},
    {"nan", FaultKind::not_a_number},
    {"unequal", FaultKind::unequal},
    {"unasked", FaultKind::unasked},
    {"units", FaultKind::units},
    {"cutoff", FaultKind::cutoff},
}};

Result<void> read_when(FaultRule& rule, std::string_view when, std::string_view text) {
  if (when.find('.') != std::string_view::npos) {
    double probability = -1;
    const auto parsed = std::from_chars(when.data(), when.data() + when.size(), probability);
    if (parsed.ec != std::errc() || parsed.ptr != when.data() + when.size() ||
        !(probability >= 0 && probability <= 1)) {
      return fail(ErrorKind::invalid, "fault '{}': the probability {} is not between 0.0 and 1.0", text,
                  when);
    }
    rule.probability = probability;
    return {};
  }
  const auto count = parse_integer(when);
  if (!count || *count < 1) {
    return fail(ErrorKind::invalid, "fault '{}': '{}' is neither a probability (0.25) nor a count (3)", text,
                when);
  }
  rule.remaining = static_cast<uint64_t>(*count);
  return {};
}

Result<void> read_value(FaultRule& rule, std::string_view value, std::string_view text) {
  if (rule.kind != FaultKind::slow && rule.kind != FaultKind::skew) {
    return fail(ErrorKind::invalid, "fault '{}': only slow=MS and skew=SECONDS take a value", text);
  }
  const auto number = parse_integer(value);
  const bool slow = rule.kind == FaultKind::slow;
  const bool fits =
      number && (slow ? *number >= 0 && *number <= kLongestSlowMs : std::abs(*number) <= kLargestSkewSeconds);
  if (!fits)
    return fail(ErrorKind::invalid, "fault '{}': '{}' is not a number of {}", text, value,
                slow ? "milliseconds" : "seconds");
  rule.value = *number;
  return {};
}

// "ACTION@123456789012@eu-west-1": either place, or both, in any order.
Result<void> read_action(FaultRule& rule, std::string_view action, std::string_view text) {
  const size_t end = action.find('@');
  rule.action = action.substr(0, end);
  std::string_view places = end == std::string_view::npos ? std::string_view() : action.substr(end);
  while (!places.empty()) {
    places.remove_prefix(1);
    const size_t next = places.find('@');
    const std::string_view place = places.substr(0, next);
    places = next == std::string_view::npos ? std::string_view() : places.substr(next);
    const bool digits = place.find_first_not_of("0123456789") == std::string_view::npos;
    if (place.empty() || (digits && place.size() != 12))
      return fail(ErrorKind::invalid, "fault '{}': '{}' is neither a region nor an account of 12 digits",
                  text, place);
    (digits ? rule.account : rule.region) = place;
  }
  if (rule.action.empty())
    return fail(ErrorKind::invalid, "fault '{}': an action is missing before '@'", text);
  return {};
}

Result<FaultRule> parse_rule(std::string_view text) {
  const size_t first = text.find(':');
  if (first == std::string_view::npos || first == 0) {
    return fail(ErrorKind::invalid,
                "fault '{}': write ACTION:KIND or ACTION:KIND:WHEN, such as GetMetricData:throttle:0.25",
                text);
  }
  FaultRule rule;
  if (auto read = read_action(rule, text.substr(0, first), text); !read) return fail(read.error());
  std::string_view kind = text.substr(first + 1);
  std::optional<std::string_view> when;
  if (const size_t second = kind.find(':'); second != std::string_view::npos) {
    when = kind.substr(second + 1);
    kind = kind.substr(0, second);
  }
  const size_t equals = kind.find('=');
  const std::string_view name = kind.substr(0, equals);
  bool known = false;
  for (const auto& [word, one] : kKinds) {
    if (word != name) continue;
    rule.kind = one;
    known = true;
  }
  if (!known) {
    std::string words;
    for (const auto& [word, one] : kKinds) words += fmt::format("{}{}", words.empty() ? "" : ", ", word);
    return fail(ErrorKind::invalid, "fault '{}': the kind '{}' is not known; known are {}", text, name,
                words);
  }
  if (rule.kind == FaultKind::slow) rule.value = kDefaultSlowMs;
  if (rule.kind == FaultKind::skew) rule.value = kDefaultSkewSeconds;
  if (equals != std::string_view::npos) {
    if (auto read = read_value(rule, kind.substr(equals + 1), text); !read) return fail(read.error());
  }
  if (when) {
    if (auto read = read_when(rule, *when, text); !read) return fail(read.error());
  }
  return rule;
}

}  // namespace

std::string_view to_string(FaultKind kind) {
  for (const auto& [word, one] : kKinds) {
    if (one == kind) return word;
  }
  return "";
}

Result<std::vector<FaultRule>> parse_faults(std::string_view spec) {
  std::vector<FaultRule> out;
  while (!spec.empty()) {
    const size_t comma = spec.find(',');
    auto rule = parse_rule(spec.substr(0, comma));
    if (!rule) return fail(rule.error());
    out.push_back(*std::move(rule));
    spec = comma == std::string_view::npos ? std::string_view() : spec.substr(comma + 1);
  }
  return out;
}

std::map<FaultKind, int64_t> Faults::decide(std::string_view service, std::string_view action,
                                            std::string_view account, std::string_view region) {
  std::map<FaultKind, int64_t> out;
  for (auto& rule : rules_) {
    if (rule.action != "*" && rule.action != service && rule.action != action) continue;
    if (!rule.account.empty() && rule.account != account) continue;
    if (!rule.region.empty() && rule.region != region) continue;
    if (rule.probability) {
      random_ += 0x9E3779B97F4A7C15ull;
      if (static_cast<double>(mix(random_) >> 11) * 0x1p-53 >= *rule.probability) continue;
    }
    if (rule.remaining) {
      if (*rule.remaining == 0) continue;
      --*rule.remaining;
    }
    out.emplace(rule.kind, rule.value);
  }
  return out;
}

}  // namespace bakusoku::simaws
