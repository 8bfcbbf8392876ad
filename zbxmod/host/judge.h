// What Zabbix makes of an answer, and what is wrong with it. Pure, but for reading what the answer points to.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "guard.h"
#include "layout.h"
#include "zbxmod/abi.h"

namespace zbxmod::host {

struct Outcome {
  bool ok = false;
  std::string text;
  std::vector<std::pair<std::string, std::string>> faults{};  // kind, text
  std::vector<std::pair<std::string, std::string>> notes{};
};

[[nodiscard]] Outcome judge(int code, const abi::Result& result);

/// The answer's bytes in the one order of members that the rest of the program knows.
[[nodiscard]] abi::Result decode(const Layout& layout, const Guarded& memory);

/// As Zabbix does.
void free_result(const abi::Result& result);

}  // namespace zbxmod::host
