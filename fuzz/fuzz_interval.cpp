// Update intervals of items, as Zabbix sends them: a due moment is later than now and found again from the
// second before it.
#include <cstdint>
#include <cstdlib>

#include "zabbix/interval.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace bakusoku::zabbix;
  const auto interval = Interval::parse(std::string_view(reinterpret_cast<const char*>(data), size));
  if (!interval) return 0;
  int64_t now = 1'679'790'000;  // 2023-03-26 00:20 UTC: clocks change in Europe an hour later
  for (int i = 0; i < 4; ++i) {
    const auto next = interval->next_check(now, size);
    if (!next) return 0;
    if (*next <= now || interval->next_check(*next - 1, size) != next) std::abort();
    now = *next;
  }
  return 0;
}
