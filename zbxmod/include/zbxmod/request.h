// What Zabbix asks: the item's key, its parameters as Zabbix parsed them, and the time the answer may take. A
// view of the host's memory, valid during the handler's call only. Parameters are as they came: whether they
// are valid UTF-8 is up to whoever sent the key.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "zbxmod/abi.h"
#include "zbxmod/deadline.h"
#include "zbxmod/result.h"

namespace zbxmod {

class Request {
 public:
  Request(const abi::Request& raw, const int* types, const Deadline& deadline)
      : raw_(raw), types_(types), deadline_(deadline) {}

  /// The key without its parameters; with `Alias=` in the host's configuration, the key behind the alias.
  [[nodiscard]] std::string_view key() const { return raw_.key != nullptr ? raw_.key : std::string_view(); }
  /// `key` has no parameters, `key[]` has one empty one.
  [[nodiscard]] int count() const { return raw_.nparam > 0 ? raw_.nparam : 0; }
  /// Without quotes; empty when there is none at this place. Counted from 0.
  [[nodiscard]] std::string_view param(int index) const;
  /// `otherwise` when the parameter is left out or empty.
  [[nodiscard]] std::string_view param_or(int index, std::string_view otherwise) const;
  /// Whether the parameter was written as an array, [a,b]; param() is then what stands between the brackets.
  /// Hosts that do not tell (before 4.0.21, 4.4.9 and 5.0.1, and those whose version cannot be told) give
  /// false.
  [[nodiscard]] bool is_array(int index) const;

  /// Appends the key with its parameters as text, quoted where the item key grammar asks for it, so that
  /// parsing the text gives the same parameters again. On hosts that do not tell arrays from strings an array
  /// becomes a string with the same content.
  [[nodiscard]] Result<void> append_key(std::string& out) const;

  /// When the answer has to be on its way: the item's timeout (7.0) or the daemon's, less a margin.
  [[nodiscard]] const Deadline& deadline() const { return deadline_; }

 private:
  const abi::Request& raw_;
  const int* types_;  // null when the host does not tell
  Deadline deadline_;
};

/// Appends one parameter, quoted if need be: when it starts with a space, a quote or '[', or holds ',' or
/// ']'. False, and nothing appended, when it needs quotes and ends with a backslash: the grammar has no way
/// to write that.
[[nodiscard]] bool append_param(std::string& out, std::string_view param);

}  // namespace zbxmod
