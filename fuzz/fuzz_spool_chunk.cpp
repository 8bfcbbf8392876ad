// The body of a spooled chunk, its head and the sealed records, every byte chosen by somebody else. A
// checksum stands before most of the decoder, so the input is also tried as a segment with its checksum put
// right.
#include <zlib.h>

#include <cstdlib>
#include <cstring>
#include <string>

#include "agent/spool_clocks.h"
#include "agent/spool_format.h"

namespace {

void decode(std::string_view body) {
  namespace agent = bakusoku::agent;
  std::vector<agent::Value> values;
  agent::ChunkDecoder decoder;
  if (!decoder.decode(body, values)) {
    if (!values.empty()) std::abort();
    return;
  }
  // What was understood is understood again when it is written anew.
  std::string again;
  agent::ChunkEncoder().append_segment(again, values);
  std::vector<agent::Value> read;
  if (!decoder.decode(again, read) || read != values) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  namespace agent = bakusoku::agent;
  std::string body(reinterpret_cast<const char*>(data), size);
  decode(body);
  (void)agent::decode_chunk_head(1, body);
  (void)agent::open_numbers("numbers", body);
  agent::LastClocks clocks;
  (void)clocks.load_page(0, body);
  if (body.size() >= 9) {
    const auto length = static_cast<uint32_t>(body.size());
    std::memcpy(body.data(), &length, sizeof length);
    auto check = ::crc32_z(0, reinterpret_cast<const unsigned char*>(body.data()), 4);
    check = ::crc32_z(check, reinterpret_cast<const unsigned char*>(body.data()) + 8, body.size() - 8);
    const auto narrow = static_cast<uint32_t>(check);
    std::memcpy(body.data() + 4, &narrow, sizeof narrow);
    decode(body);
  }
  return 0;
}
