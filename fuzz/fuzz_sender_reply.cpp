// What a Zabbix server or proxy answers to values; counts that are read are written and read the same.
#include <cstdint>
#include <cstdlib>

#include "zabbix/sender.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace bakusoku::zabbix;
  const auto reply = decode_sender_reply(std::string_view(reinterpret_cast<const char*>(data), size));
  if (!reply || !reply->counts) return 0;
  SenderCounts counts = *reply->counts;
  counts.seconds = 0;  // six digits of it are written
  const auto again = decode_sender_reply(encode_sender_answer(counts));
  if (!again || again->counts != counts) std::abort();
  return 0;
}
