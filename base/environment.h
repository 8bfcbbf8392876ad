// The process environment as a value, so that what reads variables (credentials, endpoints) can be tested
// with any.
#pragma once

#include <map>
#include <optional>
#include <string>

namespace bakusoku {

struct Environment {
  std::map<std::string, std::string, std::less<>> variables;

  /// The value, or nothing when unset or empty (the AWS tools treat both alike).
  [[nodiscard]] std::optional<std::string> get(std::string_view name) const {
    const auto found = variables.find(name);
    if (found == variables.end() || found->second.empty()) return std::nullopt;
    return found->second;
  }

  /// A copy of this process's environment.
  [[nodiscard]] static Environment of_process();
};

}  // namespace bakusoku
