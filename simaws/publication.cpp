#include "simaws/publication.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "simaws/fleet.h"

namespace bakusoku::simaws {
namespace {

constexpr int64_t kLongest = int64_t{30} * 86400;
constexpr double kMillion = 1e6;
constexpr uint64_t kGolden = 0x9E3779B97F4A7C15ull;
// The two choices are independent of each other.
constexpr uint64_t kLateSalt = 0x6C617465ull;
constexpr uint64_t kRevisedSalt = 0x726576ull;

bool chosen(const Publication::Share& share, uint64_t salt, uint64_t series, int64_t start, int64_t end) {
  if (share.of_million == 0) return false;
  const uint64_t of_point = static_cast<uint64_t>(start) * kGolden + static_cast<uint64_t>(end - start);
  return mix(mix(series ^ salt) ^ mix(of_point)) % 1'000'000 < share.of_million;
}

std::optional<int64_t> parse_seconds(std::string_view text) {
  int64_t value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size() || value < 0 || value > kLongest)
    return std::nullopt;
  return value;
}

}  // namespace

int64_t Publication::delay(std::string_view name_space) const {
  for (const auto& [name, of_namespace] : namespaces) {
    if (name == name_space) return of_namespace;
  }
  return name_space == "AWS/S3" ? std::max(seconds, kStoragePublication) : seconds;
}

int64_t Publication::visible_from(uint64_t series_hash, int64_t start, int64_t end, int64_t delay) const {
  int64_t after = delay;
  if (chosen(late, kLateSalt, series_hash, start, end)) after = std::max(after, late.seconds);
  return end + after;
}

int64_t Publication::shown(uint64_t series_hash, int64_t start, int64_t end, int64_t value,
                           int64_t now) const {
  if (now >= end + revised.seconds || !chosen(revised, kRevisedSalt, series_hash, start, end)) return value;
  return value - std::abs(value) / 4 - 1;
}

Result<Publication::Share> parse_share(std::string_view text, int64_t seconds, std::string_view option) {
  const size_t colon = text.find(':');
  const std::string_view fraction = text.substr(0, colon);
  double share = -1;
  const auto parsed = std::from_chars(fraction.data(), fraction.data() + fraction.size(), share);
  const bool whole = parsed.ec == std::errc() && parsed.ptr == fraction.data() + fraction.size();
  if (!whole || !(share >= 0 && share <= 1))
    return fail(ErrorKind::invalid, "{}: the share '{}' is not between 0 and 1", option, fraction);
  if (colon != std::string_view::npos) {
    const auto after = parse_seconds(text.substr(colon + 1));
    if (!after)
      return fail(ErrorKind::invalid, "{}: '{}' is not a number of seconds", option, text.substr(colon + 1));
    seconds = *after;
  }
  return Publication::Share{static_cast<uint64_t>(std::llround(share * kMillion)), seconds};
}

Result<Publication> parse_publication(std::string_view text) {
  Publication out;
  while (!text.empty()) {
    const size_t comma = text.find(',');
    const std::string_view part = text.substr(0, comma);
    text = comma == std::string_view::npos ? std::string_view() : text.substr(comma + 1);
    const size_t equals = part.find('=');
    const std::string_view name = equals == std::string_view::npos ? "" : part.substr(0, equals);
    const std::string_view value = equals == std::string_view::npos ? part : part.substr(equals + 1);
    if (name == "late" || name == "revise") {
      const bool late = name == "late";
      if (late && value.find(':') == std::string_view::npos)
        return fail(ErrorKind::invalid, "late: write late=FRACTION:SECONDS, such as late=0.1:400");
      auto share = parse_share(value, kRevisedUntil, name);
      if (!share) return fail(share.error());
      (late ? out.late : out.revised) = *share;
      continue;
    }
    const auto seconds = parse_seconds(value);
    if (!seconds || (name.empty() && equals != std::string_view::npos)) {
      return fail(ErrorKind::invalid,
                  "publication '{}': write SECONDS, NAMESPACE=SECONDS, late=FRACTION:SECONDS or "
                  "revise=FRACTION:SECONDS; seconds are at most {}",
                  part, kLongest);
    }
    if (name.empty()) {
      out.seconds = *seconds;
    } else {
      out.namespaces.emplace_back(name, *seconds);
    }
  }
  return out;
}

}  // namespace bakusoku::simaws
