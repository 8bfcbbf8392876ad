// A question as the agent reads it from a socket that anyone in the group may write to.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "ask/protocol.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace bakusoku::ask;
  const std::string_view packet(reinterpret_cast<const char*>(data), size);
  const auto question = decode_question(packet);
  if (!question) return 0;
  std::string again;
  encode_question(again, question->timeout_ms, question->key);
  if (again != packet) std::abort();
  return 0;
}
