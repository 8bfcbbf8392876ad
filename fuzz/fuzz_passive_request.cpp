// What a client of the passive-agent port sends: framed or a line, plain or JSON.
#include <cstdint>
#include <cstdlib>

#include "zabbix/passive.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace bakusoku::zabbix;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto message = decode_passive_message(bytes, 1 << 16);
  if (message && *message && (*message)->size_bytes > size) std::abort();
  const std::string_view payload = message && *message ? std::string_view((*message)->payload) : bytes;
  const auto request = decode_passive_request(payload);
  if (!request) {
    if (request.error().message.empty()) std::abort();
    return 0;
  }
  const auto again = decode_passive_request(encode_passive_request(*request));
  if (!again || again->key != request->key || again->dialect != request->dialect) std::abort();
  return 0;
}
