#include "agent/similar.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdint>
#include <utility>

namespace bakusoku::agent {
namespace {

constexpr double kAlike = 0.6;
constexpr size_t kBuckets = 4096;

// What is left of a name when the ways to write it are taken away.
std::string essence(std::string_view name) {
  std::string text;
  for (const char ch : name) {
    if (ch == ' ' || ch == '"' || ch == '\'') continue;
    text += static_cast<char>(std::tolower(static_cast<unsigned char>(ch)));
  }
  return text;
}

size_t bucket_of(std::string_view text, size_t at) {
  const auto first = static_cast<unsigned char>(text[at]);
  const auto second = static_cast<unsigned char>(text[at + 1]);
  return (first * 67u + second) % kBuckets;
}

}  // namespace

// Twice the pairs of neighbouring characters both have, divided by all of both: Dice's coefficient.
std::vector<std::string> similar_names(std::string_view wanted, std::span<const std::string_view> names,
                                       size_t most) {
  const std::string asked = essence(wanted);
  std::array<int32_t, kBuckets> pairs{};
  for (size_t at = 0; at + 1 < asked.size(); ++at) ++pairs[bucket_of(asked, at)];
  std::vector<std::pair<double, std::string_view>> found;
  for (const std::string_view name : names) {
    const std::string text = essence(name);
    double score = 0;
    if (text == asked) {
      score = 1;
    } else if (text.size() >= 2 && asked.size() >= 2) {
      int32_t common = 0;
      for (size_t at = 0; at + 1 < text.size(); ++at) common += pairs[bucket_of(text, at)]-- > 0 ? 1 : 0;
      for (size_t at = 0; at + 1 < text.size(); ++at) ++pairs[bucket_of(text, at)];
      score = 2.0 * common / static_cast<double>(text.size() + asked.size() - 2);
    }
    if (score >= kAlike) found.emplace_back(score, name);
  }
  std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) {
    return a.first != b.first ? a.first > b.first : a.second < b.second;
  });
  std::vector<std::string> best;
  for (size_t at = 0; at < std::min(most, found.size()); ++at) best.emplace_back(found[at].second);
  return best;
}

}  // namespace bakusoku::agent
