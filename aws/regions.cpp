#include "aws/regions.h"

#include <algorithm>
#include <array>
#include <cstddef>

namespace bakusoku::aws {
namespace {

// In their order.
constexpr std::array<std::string_view, 46> kKnown{
    "af-south-1",     "ap-east-1",      "ap-east-2",      "ap-northeast-1",  "ap-northeast-2",
    "ap-northeast-3", "ap-south-1",     "ap-south-2",     "ap-southeast-1",  "ap-southeast-2",
    "ap-southeast-3", "ap-southeast-4", "ap-southeast-5", "ap-southeast-6",  "ap-southeast-7",
    "ca-central-1",   "ca-west-1",      "cn-north-1",     "cn-northwest-1",  "eu-central-1",
    "eu-central-2",   "eu-isoe-west-1", "eu-north-1",     "eu-south-1",      "eu-south-2",
    "eu-west-1",      "eu-west-2",      "eu-west-3",      "eusc-de-east-1",  "il-central-1",
    "me-central-1",   "me-south-1",     "mx-central-1",   "sa-east-1",       "us-east-1",
    "us-east-2",      "us-gov-east-1",  "us-gov-west-1",  "us-iso-east-1",   "us-iso-west-1",
    "us-isob-east-1", "us-isob-west-1", "us-isof-east-1", "us-isof-south-1", "us-west-1",
    "us-west-2"};
static_assert(std::is_sorted(kKnown.begin(), kKnown.end()));

constexpr size_t kMostLetters = 4;  // of the first part: "eu", "eusc"
constexpr size_t kMostWord = 12;
constexpr size_t kMostDigits = 2;

bool all(std::string_view part, char first, char last, size_t most) {
  return !part.empty() && part.size() <= most &&
         std::all_of(part.begin(), part.end(), [&](char ch) { return ch >= first && ch <= last; });
}

}  // namespace

bool is_known_region(std::string_view name) { return std::binary_search(kKnown.begin(), kKnown.end(), name); }

bool looks_like_region(std::string_view name) {
  std::array<std::string_view, 4> parts{};
  size_t count = 0;
  for (;; ++count) {
    if (count == parts.size()) return false;
    const size_t end = std::min(name.find('-'), name.size());
    parts.at(count) = name.substr(0, end);
    if (end == name.size()) break;
    name.remove_prefix(end + 1);
  }
  ++count;
  if (count < 3 || !all(parts[0], 'a', 'z', kMostLetters) || parts[0].size() < 2) return false;
  for (size_t at = 1; at + 1 < count; ++at) {
    if (!all(parts.at(at), 'a', 'z', kMostWord)) return false;
  }
  return all(parts.at(count - 1), '0', '9', kMostDigits);
}

}  // namespace bakusoku::aws
