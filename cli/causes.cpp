#include "cli/causes.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <utility>

#include "aws/denial.h"

namespace bakusoku::cli {
namespace {

constexpr size_t kMostNamed = 12;
constexpr std::string_view kHole = "\x1a";  // is in no message: they are printable

void replace_all(std::string& text, std::string_view what, std::string_view by) {
  if (what.empty()) return;
  for (size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + by.size()))
    text.replace(at, what.size(), by);
}

bool is_word(char ch) { return std::isalnum(static_cast<unsigned char>(ch)) != 0 || ch == '-'; }

// Names of permissions, such as ec2:DescribeInstances.
void leave_out_permissions(std::string& text) {
  for (size_t colon = text.find(':'); colon != std::string::npos; colon = text.find(':', colon + 1)) {
    size_t from = colon;
    size_t to = colon + 1;
    while (from > 0 && (is_word(text[from - 1]))) --from;
    while (to < text.size() && is_word(text[to])) ++to;
    const bool is_permission = from < colon && to > colon + 1 &&
                               std::islower(static_cast<unsigned char>(text[from])) != 0 &&
                               std::isupper(static_cast<unsigned char>(text[colon + 1])) != 0;
    if (!is_permission) continue;
    text.replace(from, to - from, kHole);
    colon = from;
  }
}

std::string likeness_of(const Cause::Place& place, const Error& error,
                        const std::vector<std::string>& names) {
  std::string text = error.message;
  for (const std::string& name : names) replace_all(text, name, kHole);
  leave_out_permissions(text);
  replace_all(text, place.region, kHole);
  return text;
}

// Each service says in its own words that it does not take a key.
bool blames_key(const Error& error) {
  return !error.code.empty() && error.kind == ErrorKind::denied &&
         aws::denial_of(error.code, error.message) == aws::Denial::credentials;
}

void add_once(std::vector<std::string>& names, const std::string& name) {
  if (!name.empty() && std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
}

}  // namespace

std::string Cause::others() const {
  std::vector<std::string> whats;
  std::vector<std::string> regions;
  std::vector<std::string> accounts;
  for (const Place& place : places) {
    if (place.what != places.front().what) add_once(whats, place.what);
    add_once(regions, place.region);
    add_once(accounts, place.account.empty() ? "default" : place.account);
  }
  std::string text = named(whats);
  if (regions.size() > 1 && !whats.empty()) text += ", in ";
  if (regions.size() > 1) text += named(regions);
  if (accounts.size() > 1) text += fmt::format("{}of accounts {}", text.empty() ? "" : ", ", named(accounts));
  return text.empty() ? text : fmt::format(" (the same: {})", text);
}

void Causes::add(Cause::Place place, const Error& error, const std::vector<std::string>& names,
                 Cause::Weight weight) {
  std::string likeness = likeness_of(place, error, names);
  const bool of_key = blames_key(error);
  // What one meets on the way to another stands at the end of the other's words.
  const auto same = std::find_if(causes_.begin(), causes_.end(), [&](const Cause& known) {
    return (of_key && known.of_key && known.places.front().account == place.account) ||
           likeness.ends_with(known.likeness) || known.likeness.ends_with(likeness);
  });
  if (same == causes_.end()) {
    causes_.push_back(
        Cause{error.message, {std::move(place)}, std::move(weight), std::move(likeness), of_key});
    return;
  }
  if (weight.rank > same->weight.rank) {
    same->places.insert(same->places.begin(), std::move(place));
    same->message = error.message;
    same->weight = std::move(weight);
  } else {
    same->places.push_back(std::move(place));
  }
}

std::string named(const std::vector<std::string>& names) {
  std::string text;
  for (size_t at = 0; at < std::min(names.size(), kMostNamed); ++at)
    text += (at == 0 ? "" : ", ") + names[at];
  return names.size() > kMostNamed ? fmt::format("{} and {} more", text, names.size() - kMostNamed) : text;
}

std::string without(std::string words, const std::string& name) {
  replace_all(words, name, kHole);
  return words;
}

std::string with_name(std::string words, const std::string& name) {
  replace_all(words, kHole, name);
  return words;
}

}  // namespace bakusoku::cli
