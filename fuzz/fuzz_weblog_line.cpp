// Lines of an access log, into which strangers write: what is read of a line lies in it and fits its kind.
#include <cstdint>
#include <cstdlib>

#include "weblog/format.h"
#include "weblog/tally.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace bakusoku::weblog;
  static const Format formats[] = {*Format::make("auto", "auto"), *Format::make("combined", "s"),
                                   *Format::make("common", "us"),
                                   *Format::make("(?<status>\\d{3}) (?<bytes>\\S+) (?<time>\\S+)", "ms")};
  const std::string_view line(reinterpret_cast<const char*>(data), size);
  for (const Format& format : formats) {
    const auto request = format.read(line);
    if (request && request->status >= kCodes) std::abort();
    if (request && !request->stamp.empty() &&
        (request->stamp.data() < line.data() || request->stamp.end() > line.end())) {
      std::abort();
    }
    Tally tally;
    tally.count_line(format, line, 1'795'523'100, false);
    if (tally.requests() + tally.unreadable() != 1) std::abort();
  }
  return 0;
}
