// Text from outside: what is UTF-8 in it, where it can be cut, and how it is shown to people.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace bakusoku {

/// Bytes of the well-formed UTF-8 sequence that `text` begins with, 1 to 4; 0: it begins with none. `text` is
/// not empty.
[[nodiscard]] size_t utf8_length(std::string_view text);

/// The longest beginning of `text`, which is UTF-8, of at most `bytes` bytes that ends with a whole
/// character.
[[nodiscard]] std::string_view utf8_prefix(std::string_view text, size_t bytes);

enum class Newlines { escaped, kept };

/// `text` so that it neither makes lines of its own nor moves a terminal: control characters (C0, C1, DEL),
/// line and paragraph separators, and what changes the direction of writing become escapes (\n, \x1b,
/// \u202e), and so do bytes that are no UTF-8 (\xe9). Kept, newlines stay as they are.
[[nodiscard]] std::string printable(std::string_view text, Newlines newlines = Newlines::escaped);

}  // namespace bakusoku
