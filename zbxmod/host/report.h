// What a run with one layout found out, and how it is shown: as text for a person, as JSON for a script.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "bench.h"
#include "fault.h"
#include "layout.h"

namespace zbxmod::host {

struct Answer {
  int worker = 0;  // from 1
  std::string key;
  bool supported = false;
  std::string text;    // value or message, shortened
  uint64_t bytes = 0;  // of the whole text
  double milliseconds = 0;
};

struct Report {
  const Layout* layout = nullptr;
  std::vector<std::string> items;
  std::vector<Answer> answers;
  std::vector<Fault> faults;  // what keeps Zabbix from starting first
  std::vector<Fault> notes;
  std::vector<std::string> log;
  uint64_t asked = 0;
  std::optional<Bench> bench;

  [[nodiscard]] bool passed() const { return faults.empty(); }
};

[[nodiscard]] std::string as_text(const std::string& module, const std::vector<Report>& reports);
[[nodiscard]] std::string as_json(const std::string& module, const std::vector<Report>& reports);

}  // namespace zbxmod::host
