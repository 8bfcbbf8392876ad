// What an agent answers to a passive check, in either dialect.
#include <cstdint>
#include <cstdlib>

#include "base/json.h"
#include "zabbix/passive.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace bakusoku::zabbix;
  const std::string_view payload(reinterpret_cast<const char*>(data), size);
  for (const auto dialect : {PassiveDialect::plain, PassiveDialect::json}) {
    const auto reply = decode_passive_reply(dialect, payload);
    if (!reply) continue;
    // JSON holds UTF-8 only.
    const std::string sent =
        dialect == PassiveDialect::json ? bakusoku::valid_utf8(reply->text) : reply->text;
    const auto again = decode_passive_reply(dialect, encode_passive_reply(dialect, *reply, "7.0.0"));
    if (!again || again->supported != reply->supported || again->text != sent) std::abort();
  }
  return 0;
}
