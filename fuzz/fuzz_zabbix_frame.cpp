// Frames of Zabbix's protocol, as they arrive from a peer.
#include <cstdint>
#include <cstdlib>

#include "zabbix/frame.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace bakusoku::zabbix;
  constexpr size_t kLimit = 1 << 20;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto frame = decode_frame(bytes, kLimit);
  if (!frame || !*frame) return 0;
  if ((*frame)->size_bytes > size || (*frame)->payload.size() > kLimit) std::abort();
  const auto again = decode_frame(encode_frame((*frame)->payload, (*frame)->flags), 2 * kLimit);
  if (!again || !*again || (*again)->payload != (*frame)->payload || (*again)->flags != (*frame)->flags)
    std::abort();
  return 0;
}
