// Item keys, as they arrive from a Zabbix server; what is read and written again reads the same.
#include <cstdint>
#include <cstdlib>

#include "zabbix/key.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace bakusoku::zabbix;
  const auto key = parse_key(std::string_view(reinterpret_cast<const char*>(data), size));
  if (!key) return 0;
  const auto written = format_key(key->name, key->params);
  if (!written) return 0;
  const auto again = parse_key(*written);
  if (!again || !(*again == *key)) std::abort();
  return 0;
}
