// Foreign text on its way out: into JSON, or onto one line of a terminal. Pure.
#pragma once

#include <string>

namespace zbxmod::host {

/// A JSON string.
[[nodiscard]] std::string quoted(const std::string& text);
/// Without line ends and control characters, which must not reach a terminal.
[[nodiscard]] std::string one_line(const std::string& text);

}  // namespace zbxmod::host
