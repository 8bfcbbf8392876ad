// What low-level discovery says of resources: macros, and the label that a host or an item is shown by
// (pure).
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "agent/inventory.h"
#include "agent/targets.h"

namespace bakusoku::agent {

/// The low-level discovery rows of those resources of a snapshot that fit the filter: {#ID}, {#NAME},
/// {#LABEL}, {#REGION}, {#ACCOUNT}, a macro per field ({#STATE}, ...) and per label ({#TAG.<KEY>}), and the
/// labels as an object for JSONPath ("tags").
[[nodiscard]] std::string discovery_json(const Service& service, const Snapshot& snapshot,
                                         const Target& target, const Filter& filter);
/// The same rows without brackets, behind those that are there.
void append_discovery(std::string& json, const Service& service, const Snapshot& snapshot,
                      const Target& target, const Filter& filter);

/// Zabbix's limit on a host's visible name, in characters.
inline constexpr size_t kMaxLabel = 128;
/// {#LABEL}: "name (id)", "id" without a name, with region and account where an id is not one resource's
/// alone; no two resources have the same. One line, at most kMaxLabel characters: the name is cut. It depends
/// on the resource alone.
[[nodiscard]] std::string label_of(const Service& service, const Resource& resource, const Target& target);

/// The macro of a tag or dimension, without "{#TAG." and "}": letters in upper case, digits, and "_" for
/// other characters of ASCII. Zabbix allows no others in a macro, so those beyond ASCII are left out, and
/// eight digits of a hash of the key stand behind it: {#TAG.COST_1A2B3C4D}.
[[nodiscard]] std::string macro_of(std::string_view key);

struct LabelMacro {
  std::string_view key;
  std::string_view value;
  std::string macro;
};
/// Of one resource's tags or dimensions: the first value of each key, in the order given. Of keys that have
/// the same macro the first by its bytes keeps it; the others have their hash behind it.
[[nodiscard]] std::vector<LabelMacro> label_macros(const Pairs& pairs);

/// A tag or dimension whose macro is not its key in upper case, and so has to be told.
struct OddMacro {
  std::string key;
  std::string macro;   // "{#TAG.ENV_1A2B3C4D}"
  std::string others;  // the key that has the plain one; empty: none, the key is not ASCII

  friend bool operator==(const OddMacro&, const OddMacro&) = default;
};
/// Each once, sorted; the first hundred.
[[nodiscard]] std::vector<OddMacro> odd_macros(const Service& service, const Snapshot& snapshot);
/// What it means, for the log and `explain`.
[[nodiscard]] std::string sentence(const Service& service, const OddMacro& odd);

}  // namespace bakusoku::agent
