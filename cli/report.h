// What the agent answers to bakusoku.explain, bakusoku.plan and bakusoku.status, laid out for people (pure).
// A width of 0 means that lines may be as long as they like.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace bakusoku::cli {

/// The answer about one item, or about all items of a host, as text; lines of sentences are no longer than
/// `width`. Errors: corrupt.
[[nodiscard]] Result<std::string> explain_text(std::string_view json, size_t width);
/// True when the answer is that all is well: every value there is goes to Zabbix.
[[nodiscard]] bool explains_delivery(std::string_view json);

/// The answer to bakusoku.plan as text, no line longer than `width`. Errors: corrupt.
[[nodiscard]] Result<std::string> plan_text(std::string_view json, size_t width);

/// What the status says of the running agent that somebody who checks wants to know.
struct Remark {
  bool is_good = false;
  std::string about{};  // "agent", "Zabbix at zabbix:10051"
  std::string text{};
};
/// Hosts that Zabbix does not know, items whose values it does not take. Of an answer that cannot be read:
/// one remark that says so.
[[nodiscard]] std::vector<Remark> remarks_of(std::string_view status_json);

/// The lines of the status, none longer than `width` columns. Errors: corrupt.
[[nodiscard]] Result<std::vector<std::string>> status_lines(std::string_view json, size_t width);

/// `text` cut to `width` columns, with an ellipsis where something is missing. UTF-8; a character is taken
/// for one column. Control characters become spaces.
[[nodiscard]] std::string cut(std::string_view text, size_t width);

/// `text` in lines of at most `width` columns, broken at spaces.
[[nodiscard]] std::vector<std::string> wrapped(std::string_view text, size_t width);

}  // namespace bakusoku::cli
