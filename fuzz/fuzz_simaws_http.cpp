// What a client sends to the simulator, before anything of it is believed: the head of an HTTP request, and
// forms.
#include <cstdint>

#include "simaws/http.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace bakusoku::simaws;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto head = parse_head(bytes);
  if (head && *head) {
    if ((*head)->head_bytes > size) __builtin_trap();
    static_cast<void>((*head)->request.path());
    static_cast<void>(parse_form((*head)->request.query()));
  }
  static_cast<void>(parse_form(bytes));
  return 0;
}
