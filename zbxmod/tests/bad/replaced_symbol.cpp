// Calls functions of its own whose names Zabbix has too.
#include "bad.h"

extern "C" __attribute__((visibility("default"), noinline)) int process(int number) { return number + 1; }
extern "C" __attribute__((visibility("default"), noinline)) int zbx_execute_agent_check(int number) {
  return number + 2;
}

MODULE_VERSION
MODULE_INIT
static int (*volatile chosen)(int) = process;
static int item(bad::Request*, bad::Result* result) {
  result->ui64 = static_cast<uint64_t>(chosen(1) + zbx_execute_agent_check(1));
  result->type |= zbxmod::abi::kTypeUnsigned;
  return 0;
}
MODULE_ITEM(item)
