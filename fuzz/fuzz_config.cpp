// bakusoku.toml, as an administrator or a tool may have written it.
#include <cstdint>

#include "agent/config.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto config = bakusoku::agent::parse_config(text, "fuzz.toml");
  if (!config && config.error().message.empty()) __builtin_trap();
  return 0;
}
