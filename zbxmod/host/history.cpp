#include "history.h"

#include <cstdint>
#include <cstring>
#include <limits>

namespace zbxmod::host {
namespace {

// ZBX_HISTORY_FLOAT, _INTEGER, _STRING and _TEXT differ in the value only.
struct Row {
  uint64_t itemid;
  int clock;
  int ns;
  union {
    double number;
    uint64_t whole;
    const char* text;
  } value;
};
struct LogRow {
  uint64_t itemid;
  int clock;
  int ns;
  const char* value;
  const char* source;
  int timestamp;
  int logeventid;
  int severity;
};
static_assert(sizeof(Row) == 24 && offsetof(Row, ns) == 12 && offsetof(Row, value) == 16);
static_assert(sizeof(LogRow) == 48 && offsetof(LogRow, source) == 24 && offsetof(LogRow, timestamp) == 32 &&
              offsetof(LogRow, logeventid) == 36 && offsetof(LogRow, severity) == 40);

constexpr int kRows = 4;
constexpr int kClock = 1700000000;
constexpr size_t kTexts = 2048;

constexpr double numbers[kRows] = {0.0, -0.5, 1e300, std::numeric_limits<double>::denorm_min()};
constexpr uint64_t wholes[kRows] = {0, 1, 42, std::numeric_limits<uint64_t>::max()};

std::string sample(int row) {
  switch (row) {
    case 0:
      return "";
    case 1:
      return "a value";
    case 2:
      return "two lines\nand \xE7\x88\x86\xE9\x80\x9F \"quoted\" \\";
    default:
      return std::string(255, 'x');
  }
}

}  // namespace

HistoryRows::HistoryRows(int type)
    : count_(kRows), rows_(kRows * (type == 4 ? sizeof(LogRow) : sizeof(Row))), texts_(kTexts) {
  auto* place = static_cast<char*>(texts_.get());
  const auto keep = [&](const std::string& text) {
    const char* start = place;
    std::memcpy(place, text.c_str(), text.size() + 1);
    place += text.size() + 1;
    return start;
  };
  for (int i = 0; i < kRows; ++i) {
    const auto itemid = uint64_t{10000} + static_cast<uint64_t>(i);
    if (type == 4) {
      const LogRow row{
          itemid, kClock, i, keep(sample(i)), keep(i == 0 ? "" : "source"), i == 0 ? 0 : kClock - 1, i, i};
      std::memcpy(static_cast<LogRow*>(rows_.get()) + i, &row, sizeof row);
      continue;
    }
    Row row{itemid, kClock, i, {}};
    if (type == 0) row.value.number = numbers[i];
    if (type == 1) row.value.whole = wholes[i];
    if (type >= 2) row.value.text = keep(sample(i));
    std::memcpy(static_cast<Row*>(rows_.get()) + i, &row, sizeof row);
  }
}

void HistoryRows::revoke() {
  rows_.revoke();
  texts_.revoke();
}

}  // namespace zbxmod::host
