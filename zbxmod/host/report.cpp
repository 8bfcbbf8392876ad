#include "report.h"

#include <algorithm>
#include <cstdio>

#include "text.h"

namespace zbxmod::host {
namespace {

constexpr size_t kWidth = 110;
constexpr size_t kShownText = 400;

std::string number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.3f", value);
  return text;
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

/// `text` in lines of at most kWidth, those after the first indented.
std::string wrapped(const std::string& text, size_t start, size_t indent) {
  std::string out;
  size_t column = start;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find(' ', at), text.size());
    const size_t length = end - at;
    if (at > 0) {
      if (column + 1 + length > kWidth) {
        out += "\n" + std::string(indent, ' ');
        column = indent;
      } else {
        out += ' ';
        ++column;
      }
    }
    out.append(text, at, length);
    column += length;
    at = end + 1;
  }
  return out;
}

std::string cut(const std::string& text, size_t most) {
  if (text.size() <= most) return text;
  size_t end = most;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return text.substr(0, end) + "...";
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
    out += "  " + cut(one_line(first.key), kShownText) + (first.supported ? " = " : " not supported: ") +
           cut(one_line(first.text), kShownText);
    if (first.bytes > kShownText) out += " (" + std::to_string(first.bytes) + " bytes)";
    out += "   [" + std::to_string(workers) + (workers == 1 ? " worker, " : " workers, ") + number(slowest) +
           " ms]\n";
  }
}

void append_fault(std::string& out, const Fault& fault, bool is_note) {
  std::string head = is_note ? "  note (" : "  FAULT (";
  head += fault.kind + ")";
  if (!fault.key.empty()) head += " " + cut(one_line(fault.key), kShownText);
  if (fault.worker > 0) head += ", worker " + std::to_string(fault.worker);
  head += ": ";
  constexpr size_t indent = 6;
  out += head + wrapped(one_line(fault.text), head.size(), indent) + "\n";
  for (const std::string& each : fault.details) out += "      | " + one_line(each) + "\n";
  if (!fault.remedy.empty()) out += "      Remedy: " + wrapped(fault.remedy, indent + 8, indent + 8) + "\n";
}

std::string json_of(const Fault& each) {
  return "{\"kind\":" + quoted(each.kind) + ",\"worker\":" + std::to_string(each.worker) +
         ",\"key\":" + quoted(each.key) + ",\"text\":" + quoted(each.text) +
         ",\"remedy\":" + quoted(each.remedy) + ",\"details\":" + array(each.details, quoted) + "}";
}

std::string json_of(const Report& report) {
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
         ",\"faults\":" + array(report.faults, [](const Fault& each) { return json_of(each); }) +
         ",\"notes\":" + array(report.notes, [](const Fault& each) { return json_of(each); }) +
         ",\"log\":" + array(report.log, quoted) +
         (report.bench ? ",\"bench\":" + as_json(*report.bench) : std::string()) + "}";
}

bool all_passed(const std::vector<Report>& reports) {
  return std::all_of(reports.begin(), reports.end(), [](const Report& each) { return each.passed(); });
}

}  // namespace

std::string as_text(const std::string& module, const std::vector<Report>& reports) {
  std::string out;
  for (const Report& report : reports) {
    out += "Zabbix " + std::string(report.layout->name) + " (as " + std::string(report.layout->covers) +
           "; module API " + std::to_string(report.layout->api_version) + ", request " +
           std::to_string(report.layout->request_bytes) + " bytes, answer " +
           std::to_string(report.layout->result_bytes) + " bytes)\n";
    if (report.bench)
      out += as_text(*report.bench);
    else
      append_answers(out, report);
    for (const std::string& line : report.log) out += "  log: " + one_line(line) + "\n";
    for (const Fault& note : report.notes) append_fault(out, note, true);
    for (const Fault& fault : report.faults) append_fault(out, fault, false);
    out += report.passed() ? "  passed: " + std::to_string(report.items.size()) + " items, " +
                                 std::to_string(report.asked) + " answers\n"
                           : "  condemned: " + std::to_string(report.faults.size()) +
                                 (report.faults.size() == 1 ? " fault\n" : " faults\n");
  }
  if (reports.size() > 1) out += module + (all_passed(reports) ? ": passed\n" : ": condemned\n");
  return out;
}

std::string as_json(const std::string& module, const std::vector<Report>& reports) {
  return "{\"module\":" + quoted(module) + ",\"passed\":" + (all_passed(reports) ? "true" : "false") +
         ",\"runs\":" + array(reports, [](const Report& each) { return json_of(each); }) + "}\n";
}

}  // namespace zbxmod::host
