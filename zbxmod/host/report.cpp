#include "report.h"

#include <algorithm>
#include <cstdio>

#include "zbxmod/result.h"

namespace zbxmod::host {
namespace {

std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : valid_text(text)) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (static_cast<unsigned char>(c) < 0x20) {
      char escaped[8];
      std::snprintf(escaped, sizeof escaped, "\\u%04x", static_cast<unsigned>(c));
      out += escaped;
    } else {
      out += c;
    }
  }
  return out + '"';
}

std::string number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.3f", value);
  return text;
}

/// One line, so that control characters of a module cannot reach the terminal.
std::string one_line(const std::string& text) {
  std::string out;
  for (const char c : valid_text(text)) {
    if (c == '\n') {
      out += "\\n";
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      out += '?';
    } else {
      out += c;
    }
  }
  return out;
}

template <typename Each, typename List>
std::string array(const List& list, Each each) {
  std::string out = "[";
  for (size_t i = 0; i < list.size(); ++i) {
    if (i > 0) out += ',';
    out += each(list[i]);
  }
  return out + "]";
}

void append_answers(std::string& out, const Report& report) {
  // Workers that say the same share a line.
  std::vector<const Answer*> left;
  for (const Answer& answer : report.answers) left.push_back(&answer);
  while (!left.empty()) {
    const Answer& first = *left.front();
    int workers = 0;
    double slowest = 0;
    std::erase_if(left, [&](const Answer* each) {
      if (each->key != first.key || each->supported != first.supported || each->text != first.text)
        return false;
      ++workers;
      slowest = std::max(slowest, each->milliseconds);
      return true;
    });
    out += "  " + first.key + (first.supported ? " = " : " not supported: ") + one_line(first.text);
    if (first.bytes > first.text.size()) out += "... (" + std::to_string(first.bytes) + " bytes)";
    out += "   [" + std::to_string(workers) + (workers == 1 ? " worker, " : " workers, ") + number(slowest) +
           " ms]\n";
  }
}

}  // namespace

std::string as_text(const std::string& module, const std::vector<Report>& reports) {
  std::string out;
  for (const Report& report : reports) {
    out += "Zabbix " + std::string(report.layout->name) + " (as " + std::string(report.layout->covers) +
           "; module API " + std::to_string(report.layout->api_version) + ", request " +
           std::to_string(report.layout->request_bytes) + " bytes, answer " +
           std::to_string(report.layout->result_bytes) + " bytes)\n";
    append_answers(out, report);
    for (const std::string& line : report.log) out += "  log: " + one_line(line) + "\n";
    for (const Fault& fault : report.faults) {
      out += "  FAULT (" + fault.kind + ")";
      if (!fault.key.empty()) out += " " + fault.key;
      if (fault.worker > 0) out += ", worker " + std::to_string(fault.worker);
      out += ": " + one_line(fault.text) + "\n";
    }
    out += report.passed() ? "  passed: " + std::to_string(report.items.size()) + " items, " +
                                 std::to_string(report.asked) + " answers\n"
                           : "  condemned: " + std::to_string(report.faults.size()) +
                                 (report.faults.size() == 1 ? " fault\n" : " faults\n");
  }
  const bool passed =
      std::all_of(reports.begin(), reports.end(), [](const Report& each) { return each.passed(); });
  if (reports.size() > 1) out += module + (passed ? ": passed\n" : ": condemned\n");
  return out;
}

std::string as_json(const std::string& module, const std::vector<Report>& reports) {
  const bool passed =
      std::all_of(reports.begin(), reports.end(), [](const Report& each) { return each.passed(); });
  const auto report_json = [](const Report& report) {
    return "{\"zabbix\":" + quoted(std::string(report.layout->name)) +
           ",\"api_version\":" + std::to_string(report.layout->api_version) +
           ",\"request_bytes\":" + std::to_string(report.layout->request_bytes) +
           ",\"answer_bytes\":" + std::to_string(report.layout->result_bytes) +
           ",\"passed\":" + (report.passed() ? "true" : "false") +
           ",\"asked\":" + std::to_string(report.asked) + ",\"items\":" + array(report.items, quoted) +
           ",\"answers\":" +
           array(report.answers,
                 [](const Answer& each) {
                   return "{\"worker\":" + std::to_string(each.worker) + ",\"key\":" + quoted(each.key) +
                          ",\"supported\":" + (each.supported ? "true" : "false") +
                          ",\"text\":" + quoted(each.text) + ",\"bytes\":" + std::to_string(each.bytes) +
                          ",\"milliseconds\":" + number(each.milliseconds) + "}";
                 }) +
           ",\"faults\":" +
           array(report.faults,
                 [](const Fault& each) {
                   return "{\"kind\":" + quoted(each.kind) + ",\"worker\":" + std::to_string(each.worker) +
                          ",\"key\":" + quoted(each.key) + ",\"text\":" + quoted(each.text) + "}";
                 }) +
           ",\"log\":" + array(report.log, quoted) + "}";
  };
  return "{\"module\":" + quoted(module) + ",\"passed\":" + (passed ? "true" : "false") +
         ",\"runs\":" + array(reports, report_json) + "}\n";
}

}  // namespace zbxmod::host
