// Takes exported history of every type, reading every member of every row.
#include "../bad/bad.h"

namespace {

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
volatile uint64_t sum = 0;

void take(const void* rows, int count) {
  const auto* row = static_cast<const Row*>(rows);
  for (int i = 0; i < count; ++i) sum = sum + row[i].itemid + row[i].value.whole;
}
void take_texts(const void* rows, int count) {
  const auto* row = static_cast<const Row*>(rows);
  for (int i = 0; i < count; ++i) sum = sum + std::strlen(row[i].value.text);
}
void take_logs(const void* rows, int count) {
  const auto* row = static_cast<const LogRow*>(rows);
  for (int i = 0; i < count; ++i) {
    sum =
        sum + std::strlen(row[i].value) + std::strlen(row[i].source) + static_cast<uint64_t>(row[i].severity);
  }
}

}  // namespace

struct Callbacks {
  void (*write[5])(const void*, int);
};
MODULE_VERSION
MODULE_INIT
MODULE_FUNCTION bad::Metric* zbx_module_item_list() { return nullptr; }
MODULE_FUNCTION Callbacks zbx_module_history_write_cbs() {
  return {{take, take, take_texts, take_texts, take_logs}};
}
