// Writes a line of every level while it is loaded, and one from a worker.
#include "zbxmod/module.h"

namespace {

int say();

constexpr zbxmod::Item items[] = {zbxmod::item<say>("log.say")};

zbxmod::Result<void> start() {
  using zbxmod::LogLevel;
  zbxmod::log(LogLevel::critical, "a critical %s %n line");
  zbxmod::log(LogLevel::error, "an error line");
  zbxmod::log(LogLevel::warning, std::string_view("a warning line and more").substr(0, 14));
  zbxmod::log(LogLevel::debug, "a debug line");
  zbxmod::log(LogLevel::trace, "a trace line");
  zbxmod::log(LogLevel::information, "an information line");
  return {};
}

int say() { return zbxmod::log_enabled(zbxmod::LogLevel::debug) ? 1 : 0; }

}  // namespace

ZBXMOD_MODULE(items, .init = start)
