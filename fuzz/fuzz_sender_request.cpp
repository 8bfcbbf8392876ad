// What zabbix_sender and its like send; rows that are read are written and read the same.
#include <cstdint>
#include <cstdlib>

#include "zabbix/sender.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace bakusoku::zabbix;
  const auto request = decode_sender_request(std::string_view(reinterpret_cast<const char*>(data), size));
  if (!request) return 0;
  PacketBuilder builder(PacketHead{request->kind, request->session, request->host, request->version});
  for (const IntakeRow& row : request->rows) {
    const std::string value = row.value.value_or("");
    const Row written{.host = row.host,
                      .key = row.key,
                      .itemid = row.itemid,
                      .value = value,
                      .supported = row.supported,
                      .id = row.id,
                      .clock = row.clock.value_or(0),
                      .ns = row.ns.value_or(0)};
    if (builder.add(written) != PacketBuilder::Added::yes) std::abort();
  }
  const auto again = decode_sender_request(builder.finish(request->clock.value_or(0), 0));
  if (!again || again->refused != 0 || again->rows.size() != request->rows.size()) std::abort();
  for (size_t i = 0; i < again->rows.size(); ++i) {
    const IntakeRow& a = request->rows[i];
    const IntakeRow& b = again->rows[i];
    const std::string value = a.value.value_or("");
    if (a.id != b.id || a.itemid != b.itemid || a.supported != b.supported ||
        a.clock.value_or(0) != b.clock || (a.itemid == 0 && (a.host != b.host || a.key != b.key)) ||
        (value.find('\0') == std::string::npos && value != b.value)) {
      std::abort();
    }
  }
  return 0;
}
