#include "agent/discovery.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <map>
#include <numeric>
#include <set>
#include <tuple>
#include <unordered_map>
#include <utility>

#include "base/json.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace bakusoku::agent {
namespace {

constexpr size_t kMostOdd = 100;
constexpr size_t kLongestTail = 96;  // characters of a label behind the name

uint64_t hash_of(std::string_view text) { return XXH3_64bits(text.data(), text.size()); }

// The same at each start and on each machine.
std::string digits_of(std::string_view text) { return fmt::format("{:08X}", hash_of(text) >> 32); }

bool is_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char ch) { return static_cast<unsigned char>(ch) < 0x80; });
}

std::string with_hash(std::string macro, std::string_view key) {
  if (!macro.empty()) macro += '_';
  return macro + digits_of(key);
}

// How many bytes the character at `at` of valid UTF-8 has.
size_t width_at(std::string_view text, size_t at) {
  const auto lead = static_cast<unsigned char>(text[at]);
  const size_t width = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  return std::min(width, text.size() - at);
}

size_t characters(std::string_view text) {
  return static_cast<size_t>(std::count_if(
      text.begin(), text.end(), [](char ch) { return (static_cast<unsigned char>(ch) & 0xC0) != 0x80; }));
}

std::string_view first_characters(std::string_view text, size_t count) {
  size_t at = 0;
  for (; count > 0 && at < text.size(); --count) at += width_at(text, at);
  return text.substr(0, at);
}

// Control characters of ASCII and Latin-1, the separators of lines and paragraphs, and what turns the
// direction of writing.
bool is_control(std::string_view character) {
  const auto first = static_cast<unsigned char>(character[0]);
  if (character.size() == 1) return first < 0x20 || first == 0x7F;
  const auto second = static_cast<unsigned char>(character[1]);
  if (character.size() == 2) return first == 0xC2 && second < 0xA0;
  if (character.size() != 3 || first != 0xE2) return false;
  const auto third = static_cast<unsigned char>(character[2]);
  return (second == 0x80 && (third == 0x8E || third == 0x8F || (third >= 0xA8 && third <= 0xAE))) ||
         (second == 0x81 && third >= 0xA6 && third <= 0xA9);
}

// One line: runs of blanks and control characters are one blank, none at the ends.
std::string on_one_line(std::string_view text) {
  const std::string valid = valid_utf8(text);
  std::string line;
  bool blank = false;
  for (size_t at = 0; at < valid.size();) {
    const std::string_view character(valid.data() + at, width_at(valid, at));
    at += character.size();
    if (character == " " || is_control(character)) {
      blank = !line.empty();
      continue;
    }
    if (std::exchange(blank, false)) line += ' ';
    line += character;
  }
  return line;
}

std::string tail_of(const std::vector<std::string>& parts) {
  std::string tail;
  for (const std::string& part : parts) tail += fmt::format("{}{}", tail.empty() ? " (" : ", ", part);
  return tail.empty() ? tail : tail + ")";
}

void append_member(std::string& json, std::string_view name, std::string_view value) {
  json += fmt::format(",\"{{#{}}}\":", name);
  append_json_string(json, value);
}

void append_labels(std::string& json, const Labels& labels, const Pairs& pairs) {
  const std::vector<LabelMacro> macros = label_macros(pairs);
  for (const LabelMacro& one : macros) append_member(json, std::string(labels.macro) + one.macro, one.value);
  json += fmt::format(",\"{}\":{{", labels.member);
  std::string_view separator;
  for (const LabelMacro& one : macros) {
    json += separator;
    append_json_string(json, one.key);
    json += ':';
    append_json_string(json, one.value);
    separator = ",";
  }
  json += '}';
}

}  // namespace

std::string discovery_json(const Service& service, const Snapshot& snapshot, const Target& target,
                           const Filter& filter) {
  std::string json;
  append_discovery(json, service, snapshot, target, filter);
  return "[" + json + "]";
}

void append_discovery(std::string& json, const Service& service, const Snapshot& snapshot,
                      const Target& target, const Filter& filter) {
  for (const Resource* const resource : snapshot.matching(filter)) {
    if (!json.empty()) json += ',';
    json += "{\"{#ID}\":";
    append_json_string(json, resource->id);
    append_member(json, "NAME", resource->name);
    append_member(json, "LABEL", label_of(service, *resource, target));
    append_member(json, "REGION", target.region);
    append_member(json, "ACCOUNT", target.account->name);
    for (const auto& [field, value] : resource->fields) append_member(json, macro_of(field), value);
    append_labels(json, *service.labels, resource->*service.labels->of);
    json += '}';
  }
}

std::string label_of(const Service& service, const Resource& resource, const Target& target) {
  const std::string id = on_one_line(resource.id);
  std::string head = resource.name == resource.id ? std::string() : on_one_line(resource.name);
  std::vector<std::string> parts;
  const bool is_named = !head.empty();
  if (is_named) {
    parts.push_back(id);
  } else {
    head = id;
  }
  std::string whole(resource.id);  // what no other resource has
  if (service.is_id == nullptr) {
    for (const std::string& part : {target.region, target.account->name}) {
      whole += '\0' + part;
      if (!part.empty()) parts.push_back(on_one_line(part));
    }
  }
  // What identifies it is there in full, or a hash of it is.
  const bool id_is_cut =
      !is_named && (id != resource.id || characters(head) + characters(tail_of(parts)) > kMaxLabel);
  if (id_is_cut) parts.insert(parts.begin(), "#" + digits_of(whole));
  if ((is_named && id != resource.id) || characters(tail_of(parts)) > kLongestTail)
    parts = {fmt::format("#{:016X}", hash_of(whole))};
  const std::string tail = tail_of(parts);
  const size_t room = kMaxLabel - characters(tail);
  if (characters(head) > room) {
    head = first_characters(head, room);
    while (head.ends_with(' ')) head.pop_back();
  }
  return head + tail;
}

std::string macro_of(std::string_view key) {
  std::string macro;
  for (const char ch : key) {
    const auto byte = static_cast<unsigned char>(ch);
    if (byte < 0x80) macro += std::isalnum(byte) != 0 ? static_cast<char>(std::toupper(byte)) : '_';
  }
  return is_ascii(key) ? macro : with_hash(std::move(macro), key);
}

std::vector<LabelMacro> label_macros(const Pairs& pairs) {
  std::vector<LabelMacro> all;
  all.reserve(pairs.size());
  for (const auto& [key, value] : pairs) all.push_back({key, value, macro_of(key)});
  std::vector<size_t> order(all.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return std::tie(all[a].macro, all[a].key) < std::tie(all[b].macro, all[b].key);
  });
  std::vector<bool> is_again(all.size());
  std::vector<bool> is_shared(all.size());
  for (size_t at = 1; at < order.size(); ++at) {
    const LabelMacro& before = all[order[at - 1]];
    const LabelMacro& one = all[order[at]];
    is_again[order[at]] = one.key == before.key;
    is_shared[order[at]] = one.macro == before.macro && (one.key != before.key || is_shared[order[at - 1]]);
  }
  std::vector<LabelMacro> macros;
  macros.reserve(all.size());
  for (size_t at = 0; at < all.size(); ++at) {
    if (is_again[at]) continue;
    LabelMacro& one = macros.emplace_back(std::move(all[at]));
    if (is_shared[at]) one.macro = with_hash(std::move(one.macro), one.key);
  }
  return macros;
}

std::vector<OddMacro> odd_macros(const Service& service, const Snapshot& snapshot) {
  const Labels& labels = *service.labels;
  // A snapshot keeps each text once.
  std::unordered_map<const char*, std::string_view> keys;
  for (const Resource& resource : snapshot.resources()) {
    for (const auto& [key, value] : resource.*labels.of) keys.emplace(key.data(), key);
  }
  std::map<std::string, std::set<std::string_view>> keys_of;
  for (const auto& [at, key] : keys) keys_of[macro_of(key)].insert(key);
  const auto whole = [&](const std::string& macro) { return fmt::format("{{#{}{}}}", labels.macro, macro); };
  std::set<std::string_view> shared;
  std::vector<OddMacro> odd;
  for (const auto& [macro, these] : keys_of) {
    for (const std::string_view key : these) {
      if (these.size() > 1) shared.insert(key);
      if (!is_ascii(key) && odd.size() < kMostOdd) odd.push_back({std::string(key), whole(macro), {}});
    }
  }
  std::set<std::string_view> told;
  for (const Resource& resource : snapshot.resources()) {
    if (shared.empty()) break;
    const Pairs& pairs = resource.*labels.of;
    const auto is_shared = [&](const auto& pair) { return shared.contains(pair.first); };
    if (resource.gone || std::count_if(pairs.begin(), pairs.end(), is_shared) < 2) continue;
    for (const LabelMacro& one : label_macros(pairs)) {
      const std::string plain = macro_of(one.key);
      if (one.macro == plain || odd.size() >= kMostOdd || !told.insert(one.key).second) continue;
      const auto first = std::min_element(pairs.begin(), pairs.end(), [&](const auto& a, const auto& b) {
        return std::pair(macro_of(a.first) != plain, a.first) <
               std::pair(macro_of(b.first) != plain, b.first);
      });
      odd.push_back({std::string(one.key), whole(one.macro), std::string(first->first)});
    }
  }
  std::sort(odd.begin(), odd.end(), [](const OddMacro& a, const OddMacro& b) { return a.key < b.key; });
  return odd;
}

std::string sentence(const Service& service, const OddMacro& odd) {
  const bool is_tag = service.labels == &kTags;
  const std::string_view kind = is_tag ? "tag" : "dimension";
  const std::string path = fmt::format("$.{}['{}']", service.labels->member, odd.key);
  if (odd.others.empty()) {
    return fmt::format(
        "the {} '{}' is the macro {}, because Zabbix allows no such letters in one; the JSONPath {} "
        "in \"LLD macros\" finds it too",
        kind, odd.key, odd.macro, path);
  }
  return fmt::format(
      "the {}s '{}' and '{}' of one resource would be the same macro: the first has it, the second is {}; "
      "the "
      "JSONPath {} in \"LLD macros\" finds it too",
      kind, odd.others, odd.key, odd.macro, path);
}

}  // namespace bakusoku::agent
