// The list of allowed peers, from the configuration file.
#include <cstdint>

#include "zabbix/allow_list.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace bakusoku::zabbix;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto list = AllowList::parse(text);
  const auto address = IpAddress::parse(text.substr(0, 40));
  if (list && address) (void)list->allows(*address);
  return 0;
}
