// Lines of an access log, into which strangers write: what is read of a line lies in it and fits its kind.
#include <cstdint>
#include <cstdlib>

#include "weblog/format.h"
#include "weblog/tally.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace bakusoku::weblog;
  const auto named = [](const char* format, const char* unit) {
    return *Format::make({.format = format, .unit = unit});
  };
  static const Format formats[] = {Format(),
                                   named("combined", "s"),
                                   named("common", "us"),
                                   named("traefik", "auto"),
                                   named("json", "ns"),
                                   named("(?<status>\\d{3}) (?<bytes>\\S+) (?<time>.+)", "ms")};
  const std::string_view line(reinterpret_cast<const char*>(data), size);
  for (const Format& format : formats) {
    const auto request = format.read(line);
    if (request && request->status >= kCodes) std::abort();
    if (request && !request->stamp.empty() && request->shape != Shape::json &&
        (request->stamp.data() < line.data() || request->stamp.end() > line.end())) {
      std::abort();
    }
    Tally tally;
    tally.count_line(format, line, 1'795'523'100, false);
    if (tally.requests() + tally.unreadable() != 1) std::abort();
  }
  return 0;
}
