// History export, for zabbix_server (a proxy stores no history and calls none of this): appends every value
// that Zabbix stores to the file named by the environment variable EXAMPLE_HISTORY_FILE, one line of JSON
// each. It has no items.
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

#include "zbxmod/module.h"

namespace {

using zbxmod::append_json_string;
using zbxmod::Text;

const char* file_name() { return std::getenv("EXAMPLE_HISTORY_FILE"); }

// Each history syncer opens the file for itself: one descriptor opened before the fork would work as well,
// but would stay open in all of Zabbix's other processes.
constinit zbxmod::PerWorker<int> file;

// One write for all rows of a call: in append mode the lines of several syncers do not mix.
void write_lines(std::string_view lines) {
  const int descriptor =
      file.get([] { return ::open(file_name(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640); });
  while (!lines.empty()) {
    const ssize_t written =
        zbxmod::uninterrupted([&] { return ::write(descriptor, lines.data(), lines.size()); });
    if (written < 0) {
      zbxmod::log(zbxmod::LogLevel::warning, std::string("history example: cannot write to ") + file_name() +
                                                 ": " + std::strerror(errno));
      return;
    }
    lines.remove_prefix(static_cast<size_t>(written));
  }
}

void append_value(Text& out, double value) {
  out += std::isfinite(value) ? std::string_view(zbxmod::to_text(value)) : "null";
}
void append_value(Text& out, uint64_t value) { out += std::to_string(value); }
void append_value(Text& out, const char* value) { append_json_string(out, value != nullptr ? value : ""); }

template <typename Row>
void write_rows(std::string_view type, std::span<const Row> rows) {
  if (file_name() == nullptr) return;
  Text lines;
  for (const Row& row : rows) {
    lines += "{\"type\":";
    append_json_string(lines, type);
    lines += ",\"itemid\":" + std::to_string(row.itemid) + ",\"clock\":" + std::to_string(row.clock) +
             ",\"ns\":" + std::to_string(row.ns) + ",\"value\":";
    append_value(lines, row.value);
    lines += "}\n";
  }
  write_lines(lines.view());
}

void floats(std::span<const zbxmod::HistoryFloat> rows) { write_rows("float", rows); }
void integers(std::span<const zbxmod::HistoryInteger> rows) { write_rows("integer", rows); }
void strings(std::span<const zbxmod::HistoryString> rows) { write_rows("string", rows); }
void texts(std::span<const zbxmod::HistoryText> rows) { write_rows("text", rows); }
void logs(std::span<const zbxmod::HistoryLog> rows) { write_rows("log", rows); }

zbxmod::Result<void> check_environment() {
  if (file_name() == nullptr)
    return zbxmod::not_supported("EXAMPLE_HISTORY_FILE is not set: nothing is exported");
  return {};
}

}  // namespace

ZBXMOD_MODULE(zbxmod::no_items, .init = check_environment)
ZBXMOD_HISTORY(.on_float = floats, .on_integer = integers, .on_string = strings, .on_text = texts,
               .on_log = logs)
